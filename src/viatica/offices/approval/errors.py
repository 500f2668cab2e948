"""Why something about a case is not possible, and who can."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone

from viatica.kernel.errors import BadInput, Conflict, NotAllowed, NotFound, Refused
from viatica.kernel.words import N_


def said(at: datetime | None) -> str:
    """A moment as people read it, in the configured zone."""
    return timezone.localtime(at).strftime("%Y-%m-%d %H:%M") if at else ""


class AlreadyHandled(Conflict):
    code = "approval.already_handled"
    message = N_("{who} has already handled this at {when}: {state}.")
    hint = N_("Nothing is left to decide here; reload to see where it stands.")


class ItemChanged(Conflict):
    code = "approval.item_changed"
    message = N_("This task has changed since you opened it.")


class CaseOver(Conflict):
    code = "approval.case_over"
    message = N_("The approval of {number} ended at {when}: {state}.")
    hint = N_("Reload to see its state; a returned or rejected document can be submitted again.")


class NoLiveCase(Conflict):
    code = "approval.no_live_case"
    message = N_("No approval is under way for this document.")
    hint = N_("Reload to see its state.")


class CaseIsLive(Conflict):
    code = "approval.case_is_live"
    message = N_("{number} is already in approval.")
    hint = N_("Withdraw it first if it must change.")


class NotYours(NotAllowed):
    code = "approval.not_yours"
    message = N_("This is for {who} to decide.")
    hint = N_("Ask them, or ask an administrator to hand it over.")


class NotYourTurn(Refused):
    code = "approval.not_your_turn"
    message = N_("It is not your turn yet: {who} comes first.")
    hint = N_("It appears in your to-do list when they have decided.")


class DecidedElsewhere(Refused):
    code = "approval.decided_elsewhere"
    message = N_("{number} is decided in {system}.")
    hint = N_("Open the task there; the decision arrives here by itself.")


class CommentNeeded(BadInput):
    code = "approval.comment_needed"
    message = N_("Say why: rejecting, sending back and reassigning need a comment.")
    hint = N_("Write a short reason so that the applicant knows what to do.")


class NotApplicant(NotAllowed):
    code = "approval.not_applicant"
    message = N_("Only {who}, who submitted it, can do this.")
    hint = N_("Ask them.")


class CannotAsk(Refused):
    """`why` is applicant, left or already; `problem` says it in the reader's language."""

    code = "approval.cannot_ask"
    message = N_("{who} cannot be asked: {problem}.")
    hint = N_("Choose another colleague.")


class TooDeep(Refused):
    code = "approval.too_deep"
    message = N_("An added signer can add another, but it ends at {most} levels.")
    hint = N_("Hand the task over instead.")


class UrgedLately(Refused):
    code = "approval.urged_lately"
    message = N_("Everybody who is asked was urged lately; again possible from {when}.")
    hint = N_("Call them if it cannot wait.")


class BadVerdict(BadInput):
    code = "approval.verdict_bad"
    message = N_("“{verdict}” is not a decision.")
    hint = N_("Use approve, reject or send_back.")


class BadPosition(BadInput):
    code = "approval.position_bad"
    message = N_("“{position}” is not a place for an added signer.")
    hint = N_("Use before, after or beside.")


class NoSuchItem(NotFound):
    code = "approval.no_such_item"
