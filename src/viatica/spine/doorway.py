"""Callbacks before everything else: /hooks/<slug> answered right at the WSGI door.

An OA sends thousands of callbacks for one page a person opens, and waits for each answer. Sessions, languages, CSRF and
the other middleware mean nothing to it and would cost more than the work itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

import structlog
from django.conf import settings
from django.db import connection as database
from django.utils import translation

from viatica.kernel import clock
from viatica.kernel.errors import BadInput, NotFound, ViaticaError
from viatica.kernel.words import N_
from viatica.spine import capabilities, connections, correlation, exchanges, hooks, inbox

log = structlog.get_logger(__name__)

PREFIX = "/hooks/"
# The largest callback any OA product documents is a few hundred kilobytes.
LARGEST_CALLBACK = 1024 * 1024

StartResponse = Callable[[str, list[tuple[str, str]]], Any]
Application = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]
Reply = tuple[int, str, bytes]


class CallbackTooLarge(BadInput):
    code = "hook.too_large"
    status = 413
    message = N_("A callback has at most {limit} bytes.")
    hint = N_("Check that the sender is the OA product and not something else.")


class NoSuchHook(NotFound):
    code = "hook.not_found"
    message = N_("No active connection listens here.")
    hint = N_("Compare the callback URL with the one shown on the connection's page.")


class WrongMethod(BadInput):
    code = "hook.wrong_method"
    status = 405
    message = N_("Callbacks come by GET or POST.")
    hint = N_("Check that the sender is the OA product and not something else.")


def hooks_first(application: Application) -> Application:
    """`application`, with callbacks answered before it sees them."""

    def serve(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        path: str = environ["PATH_INFO"]
        if not path.startswith(PREFIX):
            return application(environ, start_response)
        status, content_type, content = answer(path.removeprefix(PREFIX), environ)
        start_response(
            f"{status} {HTTPStatus(status).phrase}",
            [("Content-Type", content_type), ("Content-Length", str(len(content)))],
        )
        return [content]

    return serve


def answer(slug: str, environ: dict[str, Any]) -> Reply:
    """Verify, keep as it came, answer at once; the worker does the rest. Never raises: anything but 200 is sent again."""
    with correlation.carried(None):
        try:
            return _receive(slug, environ)
        except ViaticaError as error:
            log.warning("hook.refused", connection=slug, code=error.code)
            return _problem(error)
        except Exception:
            log.exception("hook.failed", connection=slug)
            return _problem(ViaticaError())
        finally:
            if database.connection is not None and not database.in_atomic_block:
                database.close()  # back to the pool


def _receive(slug: str, environ: dict[str, Any]) -> Reply:
    """At most two statements: the connection, when it is not at hand, and one INSERT; a third once a minute."""
    method: str = environ["REQUEST_METHOD"]
    if method not in ("GET", "POST"):
        raise WrongMethod
    connection = connections.by_slug(slug)
    door = hooks.door_of(connection.kind) if connection else None
    if connection is None or door is None:
        raise NoSuchHook
    raw = hooks.RawCallback(
        method=method,
        query=dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True)),
        headers=_headers(environ),
        body=_body(environ),
    )
    try:
        receipt = door(connection, raw)
    except ViaticaError as error:
        exchanges.went(connection, capabilities.CALLBACKS, error)
        raise
    if receipt.event_id is None:
        exchanges.went(connection, capabilities.CALLBACKS)  # they checked the address
    else:
        is_new = inbox.store(connection, receipt.event_id, receipt.body or {}, clock.now())
        log.info("hook.stored" if is_new else "hook.repeated", connection=slug, event_id=receipt.event_id)
    return receipt.status, receipt.content_type, receipt.answer


def _headers(environ: dict[str, Any]) -> dict[str, str]:
    """In lower case, as HTTP has them."""
    headers = {
        name[5:].replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    if "CONTENT_TYPE" in environ:
        headers["content-type"] = environ["CONTENT_TYPE"]
    return headers


def _body(environ: dict[str, Any]) -> bytes:
    """Raises CallbackTooLarge, before reading where the length is announced."""
    announced = environ.get("CONTENT_LENGTH") or ""
    length = int(announced) if announced.isdecimal() else LARGEST_CALLBACK + 1
    if announced and length > LARGEST_CALLBACK:
        raise CallbackTooLarge(limit=LARGEST_CALLBACK)
    body: bytes = environ["wsgi.input"].read(length)
    if len(body) > LARGEST_CALLBACK:
        raise CallbackTooLarge(limit=LARGEST_CALLBACK)
    return body


def _problem(error: ViaticaError) -> Reply:
    with translation.override(settings.LANGUAGE_CODE):
        problem = error.as_problem(translation.gettext)
    return error.status, "application/problem+json", json.dumps(problem, ensure_ascii=False).encode()
