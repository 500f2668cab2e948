"""The machine's doors: callbacks from outside systems, and what a supervisor asks."""

from __future__ import annotations

import structlog
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST

from viatica.spine import doorway, health, measures

log = structlog.get_logger(__name__)


@csrf_exempt
def hook(request: HttpRequest, slug: str) -> HttpResponse:
    """A callback where the doorway is not in front, as under `runserver` and in tests."""
    environ = {**request.META, "wsgi.input": request}
    status, content_type, content = doorway.answer(slug, environ)
    return HttpResponse(content, status=status, content_type=content_type)


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """The process is up."""
    return HttpResponse("ok\n", content_type="text/plain")


@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """The database answers and every migration is applied: 200, or 503 with what is missing."""
    missing = health.missing()
    return HttpResponse(
        "ready\n" if not missing else f"{missing}\n",
        content_type="text/plain",
        status=503 if missing else 200,
    )


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """For Prometheus. 503 while the database does not answer."""
    try:
        return HttpResponse(measures.exposition(), content_type=CONTENT_TYPE_LATEST)
    except (DatabaseError, InterfaceError) as error:
        log.warning("metrics.failed", error=type(error).__name__)
        return HttpResponse("the database does not answer\n", content_type="text/plain", status=503)
