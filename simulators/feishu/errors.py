"""How Feishu says no."""

from __future__ import annotations

from typing import Any


class Refusal(Exception):
    """An HTTP status and {"code", "msg", "error": {"log_id", …}}."""

    def __init__(
        self,
        code: int,
        msg: str,
        status: int = 400,
        *,
        more: dict[str, Any] | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(f"{code}: {msg}")
        self.code = code
        self.msg = msg
        self.status = status
        self.more = more or {}
        self.headers = headers

    def body(self, log_id: str) -> dict[str, Any]:
        return {"code": self.code, "msg": self.msg, "error": {"log_id": log_id, **self.more}}


class FlatRefusal(Refusal):
    """The token call of app credentials: no `error` part."""

    def body(self, log_id: str) -> dict[str, Any]:
        return {"code": self.code, "msg": self.msg}


class OauthRefusal(Refusal):
    """/authen/v2/oauth/token speaks as RFC 6749 does, with a code beside it."""

    def __init__(self, code: int, error: str, msg: str, status: int = 400) -> None:
        super().__init__(code, msg, status)
        self.error = error

    def body(self, log_id: str) -> dict[str, Any]:
        return {"code": self.code, "error": self.error, "error_description": self.msg}


def bad_field(detail: str) -> Refusal:
    """What the gateway of the newer services says when a field is missing or of the wrong kind."""
    field = detail.partition(" ")[0]
    violations = [{"field": field, "description": detail}]
    return Refusal(99992402, f"field validation failed: {detail}", more={"field_violations": violations})


def bad_contact(detail: str) -> Refusal:
    return Refusal(40001, f"invalid parameter: {detail}")


def bad_approval(detail: str) -> Refusal:
    return Refusal(1390001, f"param is invalid: {detail}")


def bad_message(detail: str) -> Refusal:
    return Refusal(230001, f"Your request contains an invalid request parameter, ext={detail}")
