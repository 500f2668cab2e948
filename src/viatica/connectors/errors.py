"""What OA products say when they say no: one family, and how a product's own codes are sorted into it.

A connector keeps a table of its codes. Three classes stand in it for more than themselves: TokenRejected (ask once more
with a fresh token), OutsideUnavailable (too often or busy: nothing was done) and OutsideUnknown (an inner failure:
perhaps it was done, unless asking twice is harmless anyway).
"""

from __future__ import annotations

from typing import Any

from viatica.connectors.http import Answer
from viatica.connectors.tokens import TokenRejected
from viatica.kernel.errors import BadInput, NotAllowed, OutsideRefused, OutsideUnavailable, OutsideUnknown
from viatica.kernel.words import N_

QUOTA_PAUSE_S = (
    6 * 3600.0
)  # a quota of a day or a month does not come back in minutes, but may be raised any hour
BUSY_PAUSE_S = 1.0


# Forms


class FormNotMapped(OutsideRefused):
    code = "outside.form_not_mapped"
    message = N_("The form of “{kind}” in {system} is not mapped: {missing}.")
    hint = N_("Complete the connection's form mapping, then replay the message.")


class FormDoesNotFit(OutsideRefused):
    code = "outside.form_does_not_fit"
    message = N_("The form in {system} does not take “{what}” ({said_by}).")
    hint = N_(
        "Correct the form or its mapping, then replay the message; what is too long for a form has to be split."
    )


class FormRefused(OutsideRefused):
    code = "outside.form_refused"
    message = N_("{system} does not accept a value of the form: {said_by}")
    hint = N_(
        "The form may have changed: run `viatica doctor`, correct the mapping, then replay the message."
    )


class FormClosed(OutsideRefused):
    code = "outside.form_closed"
    message = N_("The form is missing or switched off in {system}: {said_by}")
    hint = N_("Publish it in the console of {system}, or map another one, then replay the message.")


class AttachmentTooBig(OutsideRefused):
    code = "outside.attachment_too_big"
    message = N_("“{name}” is larger than a form in {system} takes ({said_by}).")
    hint = N_("Map a link to the document into the form, or attach a smaller file.")


class AttachmentGone(OutsideRefused):
    code = "outside.attachment_gone"
    message = N_("The attachment “{name}” cannot be read from the archive: {said_by}")
    hint = N_("Restore the archive, then replay the message.")


# Instances and people


class AlreadyEnded(OutsideRefused):
    code = "outside.already_ended"
    message = N_("This approval has already ended in {system}.")
    hint = N_("Reload: its outcome is being fetched.")


class NoSuchInstance(OutsideRefused):
    code = "outside.no_such_instance"
    message = N_("{system} has no such approval: {said_by}")
    hint = N_("It may have been deleted there; see the document's timeline.")


class PersonUnknown(OutsideRefused):
    code = "outside.person_unknown"
    message = N_("{system} does not know a person of this approval: {said_by}")
    hint = N_("Synchronise the directory; the person may have left, or be outside of what the app may see.")


class NotOfThisCompany(OutsideRefused):
    code = "outside.not_of_this_company"
    message = N_("This account of {system} does not belong to the connected company.")
    hint = N_("Sign in with the account of your company.")


class CannotBeReached(OutsideRefused):
    code = "outside.cannot_be_reached"
    message = N_("The app cannot send messages to this person in {system}: {said_by}")
    hint = N_("Include the person in the app's visible range, and check that the app may send messages.")


class CardTooOld(OutsideRefused):
    code = "outside.card_too_old"
    message = N_("{system} no longer lets this card be changed.")
    hint = N_("Nothing is to be done: the document shows its state.")


# The app itself


class QuotaUsedUp(OutsideUnavailable):
    code = "outside.quota_used_up"
    message = N_("The company's quota of calls to {system} is used up.")
    hint = N_("Buy more calls in the console of {system}, or wait for the next period; nothing is lost.")


class ScopeMissing(OutsideRefused):
    code = "outside.scope_missing"
    message = N_("The app in {system} lacks a permission: {scopes}.")
    hint = N_("Grant it in the console of {system}, publish the app anew where it asks so, then replay.")


class AddressNotListed(OutsideRefused):
    code = "outside.address_not_listed"
    message = N_("{system} does not accept calls from this server's address: {said_by}")
    hint = N_("Add the address to the app's trusted IP addresses in the console of {system}.")


# Callbacks


class ForgedCallback(NotAllowed):
    code = "connectors.callback_forged"
    message = N_("This callback does not carry the connection's keys.")
    hint = N_("Check the keys of the event subscription in the product's console against the connection.")


class ForeignCallback(NotAllowed):
    code = "connectors.callback_foreign"
    message = N_("This callback was meant for another app.")
    hint = N_("Check the app's own id in the product's console against the connection.")


class OldCallback(NotAllowed):
    """A recorded callback sent again."""

    code = "connectors.callback_old"
    message = N_("This callback is too old or from the future.")
    hint = N_("Check the clock of this server; a genuine event will be found by the next reconcile.")


class UnreadableCallback(BadInput):
    code = "connectors.callback_unreadable"
    message = N_("This callback cannot be decrypted.")
    hint = N_("Check the encryption key in the product's console against the connection.")


class BadCallback(BadInput):
    code = "connectors.callback_bad"
    message = N_("This is not a callback of the connected product.")
    hint = N_("It should be a POST like {example}; both sides must have the same keys.")


# Sorting

Reading = type[TokenRejected | OutsideRefused | OutsideUnavailable | OutsideUnknown]


def sorted_error(
    answer: Answer, said: str, reading: Reading | None, *, retry_after: float | None = None, **params: Any
) -> Exception:
    """The error an answer amounts to. `reading` is what the product's table says of its code; None: not in it.

    `said` is redacted. `retry_after` is for when the product tells it in a way of its own; `params` fill the message.
    """
    said_by, system, told = said or answer.said, answer.system, retry_after or answer.retry_after
    if reading is not None and issubclass(reading, TokenRejected):
        return TokenRejected(said_by)
    if reading is QuotaUsedUp:
        return QuotaUsedUp(system=system, said_by=said_by, retry_after=QUOTA_PAUSE_S)
    if reading is OutsideUnavailable:
        return OutsideUnavailable(system=system, said_by=said_by, retry_after=told or BUSY_PAUSE_S)
    if reading is None and answer.status == 429:
        return OutsideUnavailable(system=system, said_by=said_by, retry_after=told)
    if reading is OutsideUnknown or answer.status >= 500:
        if answer.is_repeatable:
            return OutsideUnavailable(system=system, said_by=said_by, retry_after=answer.retry_after)
        return OutsideUnknown(system=system, said_by=said_by)
    return (reading or OutsideRefused)(system=system, said_by=said_by, **params)
