"""`/api/v1`: one root, a router from each room, one shape of error (RFC 9457 problem details)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import structlog
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.urls import register_converter
from django.urls.converters import StringConverter
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext
from ninja import NinjaAPI, Router
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.openapi.schema import OpenAPISchema
from ninja.operation import Operation
from ninja.parser import Parser

from viatica.documents.expense.api import router as reports
from viatica.documents.travel.api import router as trips
from viatica.front import connections_api, directory_api, openapi
from viatica.front.errors import refuse_unusable
from viatica.insights.api import router as insights
from viatica.kernel.errors import BadInput, NotFound, NotSignedIn, ViaticaError
from viatica.kernel.words import N_
from viatica.offices.access.api import router as me
from viatica.offices.access.doors import TokenAuth
from viatica.offices.approval.api import router as todos
from viatica.offices.budget.api import router as budgets
from viatica.offices.company.api import router as choices
from viatica.offices.invoices.api import router as invoices
from viatica.offices.ledger.api import router as vouchers
from viatica.offices.notices.api import router as notices
from viatica.offices.payment.api import router as payments

log = structlog.get_logger()


class NotAnObject(BadInput):
    code = "input.not_an_object"
    message = N_("The body of this request is not a JSON object.")
    hint = N_("Send an object: values by name.")


# As JSON writes what PostgreSQL cannot keep as text: NUL, and one half of a surrogate pair.
SUSPECT = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")


class Texts(Parser):
    """Refuses what no text can hold at the door, so that nothing behind it stumbles over it."""

    def parse_body(self, request: HttpRequest) -> Any:
        body = json.loads(request.body)
        if not isinstance(body, dict):
            raise NotAnObject()
        if SUSPECT.search(request.body):
            refuse_unusable(_texts(body))
        return body

    def parse_querydict(
        self, data: MultiValueDict[str, Any], list_fields: list[str], request: HttpRequest
    ) -> dict[str, Any]:
        refuse_unusable(value for _name, values in data.lists() for value in values if isinstance(value, str))
        return super().parse_querydict(data, list_fields, request)


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for key, inner in value.items():
                yield key
                yield from _texts(inner)
        case list():
            for inner in value:
                yield from _texts(inner)


class Api(NinjaAPI):
    described: OpenAPISchema | None = None

    def get_openapi_schema(self, **how: Any) -> OpenAPISchema:
        """Made once: it is large, open to everybody, and the same as long as the process runs."""
        if self.described is None:
            self.described = super().get_openapi_schema(**how)
            openapi.complete(self.described)
        return self.described

    def get_openapi_operation_id(self, operation: Operation) -> str:
        return operation.view_func.__name__


api = Api(
    title="Viatica",
    version="1",
    urls_namespace="api",
    auth=TokenAuth(),
    docs_url="docs",
    parser=Texts(),
    description=(
        "Travel and expense. Every write takes an `Idempotency-Key`; errors are `application/problem+json`; lists go "
        "on with `before`, or say how much they hold at most."
    ),
)
api.add_router("/me", me)
api.add_router("/choices", choices)
api.add_router("/trips", trips)
api.add_router("/reports", reports)
api.add_router("/todos", todos)
api.add_router("/invoices", invoices)
api.add_router("/payments", payments)
api.add_router("/vouchers", vouchers)
api.add_router("/budgets", budgets)
api.add_router("/notices", notices)
api.add_router("/connections", connections_api.router)
api.add_router("/connections", directory_api.router)
api.add_router("/issues", connections_api.issues)
api.add_router("/insights", insights)

# Last: an address nobody answers is a problem of the same shape.
nowhere = Router(auth=None)


class Anything(StringConverter):
    """What no other converter takes: several parts, line breaks, nothing at all."""

    regex = r"[\s\S]*"


register_converter(Anything, "anything")


@nowhere.api_operation(
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"], "/{anything:rest}", include_in_schema=False
)
def unknown_address(request: HttpRequest, rest: str) -> None:
    raise NotFound()


api.add_router("", nowhere)


class Unreadable(BadInput):
    code = "input.invalid"
    status = 422
    message = N_("{count} values of this request are not as described.")
    hint = N_("Each is listed under `errors` with its place and what was expected.")


def problem(error: ViaticaError, **more: Any) -> HttpResponse:
    answer = JsonResponse(
        {**error.as_problem(gettext), **more}, status=error.status, content_type="application/problem+json"
    )
    if isinstance(error, NotSignedIn):
        answer["WWW-Authenticate"] = "Bearer"
    return answer


@api.exception_handler(ViaticaError)
def refused(request: HttpRequest, error: ViaticaError) -> HttpResponse:
    return problem(error)


@api.exception_handler(AuthenticationError)
def not_signed_in(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    return problem(NotSignedIn())


@api.exception_handler(ValidationError)
def unreadable(request: HttpRequest, error: ValidationError) -> HttpResponse:
    places = [{"field": ".".join(map(str, item["loc"][1:])), "said": item["msg"]} for item in error.errors]
    first = places[0]["field"] if places else None
    return problem(Unreadable(field=first, count=len(places)), errors=places)


@api.exception_handler(Http404)
def missing(request: HttpRequest, error: Http404) -> HttpResponse:
    return problem(NotFound())


@api.exception_handler(HttpError)
def unparsable(request: HttpRequest, error: HttpError) -> HttpResponse:
    if isinstance(error.__cause__, ViaticaError):
        return problem(error.__cause__)
    return problem(BadInput(), said=str(error))


@api.exception_handler(Exception)
def failed(request: HttpRequest, error: Exception) -> HttpResponse:
    log.exception("api.failed", path=request.path)
    return problem(ViaticaError())
