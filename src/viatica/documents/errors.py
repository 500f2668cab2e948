"""Refusals every paper shares."""

from __future__ import annotations

from viatica.kernel.errors import Conflict, NotAllowed, Refused
from viatica.kernel.words import N_


class NotTheOwner(NotAllowed):
    code = "document.not_the_owner"
    message = N_("{number} belongs to {owner}.")
    hint = N_("Only its owner may do this.")


class ChangedMeanwhile(Conflict):
    code = "document.changed_meanwhile"
    message = N_("{number} was changed in the meantime: it is now {state}, version {version}.")
    hint = N_("Reload to see the latest state, then decide again.")


class WrongState(Conflict):
    code = "document.wrong_state"
    message = N_("{number} is {state}; this step is not possible now.")
    hint = N_("Its page says what happens next and who has it.")


class NothingInIt(Refused):
    code = "document.empty"
    message = N_("{number} has no lines yet.")
    hint = N_("Add at least one expense or drop in an invoice, then submit.")


class BadDay(Refused):
    code = "document.bad_day"
    message = N_("{day} cannot be right here.")
    hint = N_("Give the day it really was: not in the future, not before 2000.")


class BadTripDays(Refused):
    code = "document.bad_trip_days"
    message = N_("The trip ends on {end}, before it starts on {start}.")
    hint = N_("Give a return date on or after the departure date.")


class NotPositive(Refused):
    code = "document.not_positive"
    message = N_("{amount} is not an amount that can be claimed.")
    hint = N_("Give an amount above zero and below 100 million.")


class BadNights(Refused):
    code = "document.bad_nights"
    message = N_("{nights} nights cannot be right.")
    hint = N_("A hotel line needs 1 to 366 nights; other lines none.")


class TooLong(Refused):
    code = "document.too_long"
    message = N_("This text has {length} characters; {most} fit.")
    hint = N_("Shorten it, or put the details into an attachment.")


class Missing(Refused):
    code = "document.missing"
    message = N_("This is needed.")
    hint = N_("Fill it in and try again.")


class UnknownChoice(Refused):
    code = "document.unknown_choice"
    message = N_("“{choice}” is not one of the choices.")
    hint = N_("Choose one of the list.")


class TaxTooHigh(Refused):
    code = "document.tax_too_high"
    message = N_("The tax {tax} is more than the amount {amount}.")
    hint = N_("Check the tax on the invoice.")


class Blocked(Refused):
    """The policy forbids it as it stands; `findings` lists why, line by line."""

    code = "policy.blocked"
    message = N_("{count} lines break a rule that cannot be waived, or need a reason.")
    hint = N_("Mend the marked lines, or give a reason where the rule allows one.")


class ContentDiffers(Conflict):
    code = "document.content_differs"
    message = N_("{number} is no longer what was approved.")
    hint = N_("Send it back, so that it can be submitted again as it is.")


class SegregationOfDuties(NotAllowed):
    code = "document.own_paper"
    message = N_("Nobody audits or pays a paper of their own.")
    hint = N_("Ask a colleague of the finance department.")
