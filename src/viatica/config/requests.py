"""One id and one log line for each request.

A few microseconds each: callbacks come by the thousand. No query (it carries tokens), no body, nobody's name.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import structlog
from django.http import HttpRequest, HttpResponse

from viatica.spine import correlation

log = structlog.get_logger(__name__)

HEADER = "X-Request-ID"
# A proxy's id is taken over when it looks like one.
ACCEPTED = re.compile(r"[A-Za-z0-9._-]{8,64}")
# Asked every few seconds by machines.
QUIET = frozenset({"/healthz", "/readyz", "/metrics"})


class RequestLog:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Everything the request leads to, as far as the OA and back, carries its id."""
        given = request.headers.get(HEADER, "")
        known = given if ACCEPTED.fullmatch(given) else correlation.new()
        began = time.perf_counter()
        with correlation.carried(known):
            answer = self.get_response(request)
            if request.path not in QUIET:
                log.info(
                    "request.answered",
                    method=request.method,
                    path=request.path,
                    status=answer.status_code,
                    ms=round((time.perf_counter() - began) * 1000, 1),
                )
        answer[HEADER] = known
        return answer
