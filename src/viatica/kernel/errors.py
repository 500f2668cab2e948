"""The error family. Every refusal has a stable code, what happened, and what to do next.

`message` and `hint` are English msgids with `{named}` parameters; a door translates and fills them.
Clients and tests match `code`, never the words.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from viatica.kernel.words import N_

Translate = Callable[[str], str]


class ViaticaError(Exception):
    """`field` names the input to mend, in the door's own path syntax (`lines.2.amount`)."""

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 500
    message: ClassVar[str] = N_("Something went wrong.")
    hint: ClassVar[str] = N_("Try again; if it happens again, tell your administrator.")

    def __init__(self, *, field: str | None = None, **params: Any) -> None:
        self.field = field
        self.params = params
        super().__init__(self.message.format(**params))

    def said(self, translate: Translate) -> str:
        """What happened, in the reader's language."""
        return translate(self.message).format(**self.params)

    def advice(self, translate: Translate) -> str:
        """What to do next, in the reader's language."""
        return translate(self.hint).format(**self.params)

    def as_problem(self, translate: Translate) -> dict[str, Any]:
        """RFC 9457 problem details; `code`, `hint` and `field` are our members."""
        problem: dict[str, Any] = {
            "type": f"urn:viatica:error:{self.code}",
            "title": self.said(translate),
            "status": self.status,
            "code": self.code,
            "hint": self.advice(translate),
        }
        if self.field is not None:
            problem["field"] = self.field
        return problem


class BadInput(ViaticaError):
    """The request cannot be read."""

    code = "input.bad"
    status = 400
    message = N_("This request cannot be read.")
    hint = N_("Correct the marked value and send it again.")


class Refused(ViaticaError):
    """Read and understood, but a rule says no."""

    code = "refused"
    status = 422
    message = N_("This is not possible.")
    hint = N_("Correct what is named and try again.")


class Conflict(Refused):
    """Someone or something was first."""

    code = "conflict"
    status = 409
    message = N_("Someone else changed this in the meantime.")
    hint = N_("Reload to see the latest state, then decide again.")


class NotAllowed(ViaticaError):
    code = "not_allowed"
    status = 403
    message = N_("You may not do this.")
    hint = N_("Ask your administrator which role it needs.")


class NotSignedIn(ViaticaError):
    code = "not_signed_in"
    status = 401
    message = N_("Please sign in first.")
    hint = N_("Sign in, or send a valid token in the Authorization header.")


class NotFound(ViaticaError):
    """Also said of what the asker may not see, so that existence does not leak."""

    code = "not_found"
    status = 404
    message = N_("There is no such thing here, or you may not see it.")
    hint = N_("Check the number; ask its owner if you need access.")


class OutsideError(ViaticaError):
    """A system outside ours answered badly. `said_by` carries its own words, redacted."""

    code = "outside"
    status = 502
    message = N_("{system} did not do what was asked: {said_by}")
    hint = N_("See the connection's page for the exchange and the remedy.")

    def __init__(self, *, system: str, said_by: str, field: str | None = None, **params: Any) -> None:
        super().__init__(field=field, system=system, said_by=said_by, **params)


class OutsideRefused(OutsideError):
    """It said no: the same request will fail again."""

    code = "outside.refused"


class OutsideUnavailable(OutsideError):
    """It did nothing: ask again later (`retry_after` in seconds, when it said so)."""

    code = "outside.unavailable"
    status = 503

    def __init__(self, *, system: str, said_by: str, retry_after: float | None = None, **params: Any) -> None:
        self.retry_after = retry_after
        super().__init__(system=system, said_by=said_by, **params)


class OutsideUnknown(OutsideError):
    """Perhaps it did it: look before asking again."""

    code = "outside.unknown"
    status = 504
