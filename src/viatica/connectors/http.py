"""The only place where connectors speak HTTP: timeouts, a cap on answers, no cookies, no redirects, and every
failure sorted into the error family.

| what happened | asking twice is harmless | it may have created something |
|---|---|---|
| name not found, refused, certificate bad, not yet sent | OutsideUnavailable | OutsideUnavailable |
| sent, then timeout or connection lost | OutsideUnavailable | OutsideUnknown |
| 429 | OutsideUnavailable (Retry-After) | OutsideUnavailable (Retry-After) |
| 5xx, or a page where JSON was due | OutsideUnavailable | OutsideUnknown |
| 3xx, other 4xx | OutsideRefused | OutsideRefused |

A 5xx says nothing about what was done before it: after a create it means *look first*.

Every exchange is noted (spine/exchanges.py), redacted, with what it used of the product's quotas.
"""

from __future__ import annotations

import contextlib
import json as jsonlib
import ssl
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

import structlog
import urllib3
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, ReadTimeoutError, SSLError

from viatica.connectors.guard import ForbiddenAddress, pools
from viatica.kernel import clock
from viatica.kernel.errors import OutsideError, OutsideRefused, OutsideUnavailable, OutsideUnknown
from viatica.kernel.words import N_
from viatica.spine import exchanges
from viatica.spine.redaction import redact

log = structlog.get_logger(__name__)

MOST_BYTES = 8 * 1024 * 1024
MOST_SAID = 300  # characters of a foreign message that we repeat
MOST_JUDGED = 64 * 1024  # of an answer's bytes; what is longer is data
CONNECT_S = 5.0
READ_S = 15.0

Values = Mapping[str, str | int]


class AddressForbidden(OutsideRefused):
    """Raised before a byte is sent: the name leads where connections may not go."""

    code = "outside.address_forbidden"
    message = N_("{system} is set to {said_by}, an address connections may not reach.")
    hint = N_("Correct the address, or set VIATICA_PRIVATE_NETWORKS if the OA is inside your network.")


class AnswerTooBig(OutsideRefused):
    code = "outside.answer_too_big"
    message = N_("{system} answered with more than {limit} bytes.")
    hint = N_("Check the connection's address; the answer was thrown away.")


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a multipart body."""

    name: str
    file_name: str
    data: bytes
    media_type: str = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whatever its status. `json()` and `trouble()` say what is wrong with it."""

    system: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    is_repeatable: bool
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def header(self, name: str) -> str:
        """In any spelling; "" when absent."""
        return next((value for key, value in self.headers.items() if key.lower() == name.lower()), "").strip()

    @property
    def retry_after(self) -> float | None:
        """Seconds, from Retry-After in either of its forms; None when absent or unreadable."""
        said = self.header("retry-after")
        if said.isdecimal():
            return float(said)
        try:
            return max(0.0, (parsedate_to_datetime(said) - clock.now()).total_seconds())
        except (TypeError, ValueError):
            return None

    @property
    def said(self) -> str:
        """The beginning of the body as text, redacted, fit for an error message."""
        text = " ".join(self.body[: MOST_SAID * 4].decode("utf-8", "replace").split())
        return f"HTTP {self.status} {redact(text, self.secrets)[:MOST_SAID]}".strip()

    def json(self) -> Any:
        """The body as JSON. Anything else is trouble: the page of a proxy, a firewall, a sign-in."""
        try:
            return jsonlib.loads(self.body)
        except ValueError as error:
            raise self.trouble() from error

    def trouble(self) -> OutsideError:
        """The error this answer amounts to when the product's own envelope does not say more."""
        if self.status == 429:
            return OutsideUnavailable(system=self.system, said_by=self.said, retry_after=self.retry_after)
        if 300 <= self.status < 500:
            return OutsideRefused(system=self.system, said_by=self.said)
        if self.is_repeatable:
            return OutsideUnavailable(system=self.system, said_by=self.said, retry_after=self.retry_after)
        return OutsideUnknown(system=self.system, said_by=self.said)


@dataclass(frozen=True, slots=True)
class Client:
    """One outside system at one address; threads may share it.

    `system` is the name people read in errors; `secrets` never appear in logs or errors.
    """

    system: str
    base_url: str
    secrets: tuple[str, ...] = field(default=(), repr=False)
    read_s: float = READ_S
    most_bytes: int = MOST_BYTES

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Values | None = None,
        json: Any = None,
        form: Values | None = None,
        multipart: Iterable[Part] = (),
        headers: Mapping[str, str] | None = None,
        is_repeatable: bool | None = None,
        counts: Mapping[str, int] | None = None,
    ) -> Answer:
        """Ask once. `is_repeatable`: asking twice does no more than asking once; by default only of GET.

        `counts`: what it uses of the product's quotas, {"calls_a_month": 1}.
        """
        repeatable = method == "GET" if is_repeatable is None else is_repeatable
        parts = tuple(multipart)
        body, content_type = _body(json, form, parts)
        sent = {"accept": "application/json", "user-agent": "Viatica", **(headers or {})}
        if content_type:
            sent["content-type"] = content_type
        line = log.bind(system=self.system, method=method, path=path)
        asked = self._asked(method, path, query, headers, body, content_type)
        if parts:
            asked = replace(asked, body=_in_words(form, parts), media_type="text/plain")
        begun = (clock.now(), time.monotonic())
        try:
            answer = self._ask(method, self._url(path, query), body, sent, repeatable)
        except OutsideError as error:
            said = str(error.params["said_by"])
            is_perhaps_done = isinstance(error, OutsideUnknown)
            ms = self._note(asked, said, begun, error.code, counts if is_perhaps_done else None)
            line.warning("outside.failed", code=error.code, said_by=said, ms=ms)
            raise
        answered = exchanges.Answered(answer.status, answer.headers, answer.body)
        ms = self._note(asked, answered, begun, _its_own_no(answer), counts)
        line.info("outside.called", status=answer.status, ms=ms)
        return answer

    def _asked(
        self,
        method: str,
        path: str,
        query: Values | None,
        headers: Mapping[str, str] | None,
        body: bytes | None,
        content_type: str,
    ) -> exchanges.Asked:
        host = urlsplit(self.base_url).netloc.rpartition("@")[2]
        return exchanges.Asked(
            method, path, query or {}, {"host": host, **(headers or {})}, body or b"", content_type
        )

    def _note(
        self,
        asked: exchanges.Asked,
        answered: exchanges.Answered | str,
        begun: tuple[datetime, float],
        error: str,
        counts: Mapping[str, int] | None,
    ) -> int:
        """Keep the exchange; gives how long it took, in milliseconds."""
        at, started = begun
        ms = round((time.monotonic() - started) * 1000)
        exchanges.note(asked, answered, at=at, ms=ms, error=error, secrets=self.secrets, counts=counts)
        return ms

    def _url(self, path: str, query: Values | None) -> str:
        parts = urlsplit(self.base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise AddressForbidden(system=self.system, said_by=self.base_url)
        return f"{self.base_url.rstrip('/')}{path}" + (f"?{urlencode(query)}" if query else "")

    def _ask(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str], repeatable: bool
    ) -> Answer:
        deadline = time.monotonic() + CONNECT_S + self.read_s
        timeout = urllib3.Timeout(connect=CONNECT_S, read=self.read_s)
        try:
            response = pools().request(
                method,
                url,
                body=body,
                headers=headers,
                redirect=False,
                preload_content=False,
                timeout=timeout,
            )
            taken = self._take(response, deadline)
        except ForbiddenAddress as error:
            raise AddressForbidden(system=self.system, said_by=str(error)) from error
        except HTTPError as error:
            raise self._failure(error, repeatable) from error
        headers_back = dict(response.headers.items())
        return Answer(self.system, response.status, headers_back, taken, repeatable, self.secrets)

    def _take(self, response: urllib3.BaseHTTPResponse, deadline: float) -> bytes:
        taken = bytearray()
        try:
            for chunk in response.stream(64 * 1024, decode_content=True):
                taken += chunk
                if len(taken) > self.most_bytes:
                    raise AnswerTooBig(system=self.system, said_by="", limit=self.most_bytes)
                if time.monotonic() > deadline:
                    raise urllib3.exceptions.TimeoutError("the answer came too slowly")
        except BaseException:
            response.close()
            raise
        response.release_conn()
        return bytes(taken)

    def _failure(self, error: HTTPError, repeatable: bool) -> OutsideError:
        said = redact(_reason(error), self.secrets)[:MOST_SAID]
        if repeatable or _was_never_sent(error):
            return OutsideUnavailable(system=self.system, said_by=said)
        return OutsideUnknown(system=self.system, said_by=said)


def _its_own_no(answer: Answer) -> str:
    """What an answer says against itself, "" when nothing. For show: what it means, the product's client decides."""
    body = answer.body
    found: Any = None
    if body[:1] == b"{" and len(body) <= MOST_JUDGED:
        with contextlib.suppress(ValueError, RecursionError):
            found = jsonlib.loads(body)
    if isinstance(found, dict):
        said = next((str(found[name]) for name in ("errcode", "code", "Code") if name in found), "0")
        if said not in ("0", "", "None", "200"):
            return said
        if found.get("success") is False:
            return "success: false"
    elif b"<html" in body[:1000].lower():
        return f"HTTP {answer.status} HTML"
    return f"HTTP {answer.status}" if answer.status >= 300 else ""


def _was_never_sent(error: HTTPError) -> bool:
    match error:
        case NewConnectionError() | ConnectTimeoutError():
            return True
        case SSLError(args=(ssl.SSLCertVerificationError(), *_)):
            return True
        case _:
            return False


def _reason(error: HTTPError) -> str:
    """Without object addresses and pool names, which say nothing to people."""
    match error:
        case ReadTimeoutError():
            return "no answer in time"
        case NewConnectionError():
            return f"not reachable ({str(error).rpartition(': ')[2]})"
        case ConnectTimeoutError():
            return "no connection in time"
        case SSLError():
            return f"TLS: {error.args[0] if error.args else error}"
        case urllib3.exceptions.TimeoutError():
            return str(error)
        case _:
            return f"connection lost ({type(error).__name__})"


def _in_words(form: Values | None, parts: tuple[Part, ...]) -> bytes:
    """A multipart body for people: its fields, and of its files the names and sizes."""
    lines = [f"{name}={value}" for name, value in (form or {}).items()]
    lines += [f"{one.name}: {one.file_name} [{len(one.data)} bytes, {one.media_type}]" for one in parts]
    return "\n".join(lines).encode()


def _body(json: Any, form: Values | None, parts: tuple[Part, ...]) -> tuple[bytes | None, str]:
    """The body and its content type."""
    if parts:
        fields: list[Any] = [(part.name, (part.file_name, part.data, part.media_type)) for part in parts]
        fields += [(key, str(value)) for key, value in (form or {}).items()]
        return urllib3.encode_multipart_formdata(fields)
    if form is not None:
        return urlencode(form).encode(), "application/x-www-form-urlencoded; charset=utf-8"
    if json is not None:
        return jsonlib.dumps(json, ensure_ascii=False).encode(), "application/json; charset=utf-8"
    return None, ""
