"""When a page cannot do what was asked, it says what, where, and what to do next."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import structlog
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from viatica.front.viewer import _to_the_sign_in
from viatica.kernel.errors import BadInput, NotSignedIn, ViaticaError
from viatica.kernel.words import N_

log = structlog.get_logger()


class UnusableText(BadInput):
    code = "input.unusable_text"
    message = N_("A text in this request has a character that no text may have.")
    hint = N_("Take out NUL characters and halves of surrogate pairs.")


def refuse_unusable(texts: Iterable[str]) -> None:
    """Raises UnusableText for what PostgreSQL cannot keep: NUL, and one half of a surrogate pair."""
    for text in texts:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise UnusableText() from error
        if "\0" in text:
            raise UnusableText()


MACHINES = ("/api/", "/hooks/")  # they have shapes of their own


class ErrorPages:
    """Turns what our own code raises into a page with the right status. The API has a shape of its own."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *_what: Any) -> HttpResponse | None:
        if request.path.startswith(MACHINES):
            return None
        sent = [
            request.path,
            *(value for form in (request.GET, request.POST) for _n, row in form.lists() for value in row),
        ]
        try:
            refuse_unusable(value for value in sent if isinstance(value, str))
        except UnusableText as error:
            return page(request, error)
        return None

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, ViaticaError) or request.path.startswith(MACHINES):
            return None
        if isinstance(error, NotSignedIn):
            return _to_the_sign_in(request)
        if error.status >= 500:
            log.warning("page.failed", path=request.path, code=error.code)
        return page(request, error)


def page(request: HttpRequest, error: ViaticaError) -> HttpResponse:
    return render(request, "front/error.html", {"error": error, "back": _back(request)}, status=error.status)


def _back(request: HttpRequest) -> str:
    """A form that was refused leads back to the page it stood on."""
    came = request.META.get("HTTP_REFERER", "")
    return came if came.startswith(f"{request.scheme}://{request.get_host()}/") else "/"
