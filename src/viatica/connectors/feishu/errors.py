"""What Feishu says when it says no, sorted into the error family.

Source: vendor pages 频控策略, 通用错误码, and each call's own table.
"""

from __future__ import annotations

from collections.abc import Mapping

from viatica.kernel.errors import OutsideRefused, OutsideUnavailable
from viatica.kernel.words import N_

SYSTEM = "飞书"

QUOTA_PAUSE_S = 6 * 3600.0  # a monthly quota does not come back in minutes, but can be bought any hour
BUSY_PAUSE_S = 1.0
TOO_OFTEN_PAUSE_S = 5.0  # “too often” about one instance; how long it lasts is not documented


class FormNotMapped(OutsideRefused):
    code = "feishu.form_not_mapped"
    message = N_("The Feishu form of “{kind}” is not mapped: {missing}.")
    hint = N_("Complete the connection's form mapping, then replay the message.")


class FormDoesNotFit(OutsideRefused):
    code = "feishu.form_does_not_fit"
    message = N_("The Feishu form does not take “{what}” ({said_by}).")
    hint = N_("Correct the form mapping or the form in Feishu, then replay the message.")


class FormRefused(OutsideRefused):
    code = "feishu.form_refused"
    message = N_("Feishu does not accept a value of the form: {said_by}")
    hint = N_(
        "The form may have changed: run `viatica doctor`, correct the mapping, then replay the message."
    )


class FormClosed(OutsideRefused):
    code = "feishu.form_closed"
    message = N_("The Feishu approval is missing or switched off: {said_by}")
    hint = N_("Publish it in the Feishu approval console, or map another one, then replay the message.")


class AttachmentTooBig(OutsideRefused):
    code = "feishu.attachment_too_big"
    message = N_("“{name}” is larger than a Feishu form takes ({said_by}).")
    hint = N_("Map a link to the document into the form, or attach a smaller file.")


class AttachmentGone(OutsideRefused):
    code = "feishu.attachment_gone"
    message = N_("The attachment “{name}” cannot be read from the archive: {said_by}")
    hint = N_("Restore the archive, then replay the message.")


class QuotaUsedUp(OutsideUnavailable):
    code = "feishu.quota_used_up"
    message = N_("The company's Feishu calls of this month are used up.")
    hint = N_("Buy more calls in the Feishu admin console, or wait for the next month; nothing is lost.")


class ScopeMissing(OutsideRefused):
    code = "feishu.scope_missing"
    message = N_("The Feishu app lacks a permission: {scopes}.")
    hint = N_(
        "Grant it in the Feishu developer console, publish a version of the app, then replay the message."
    )


class AddressNotListed(OutsideRefused):
    code = "feishu.address_not_listed"
    message = N_("Feishu does not accept calls from this server's address: {said_by}")
    hint = N_("Add the address to the app's IP whitelist in the Feishu developer console.")


class PersonUnknown(OutsideRefused):
    code = "feishu.person_unknown"
    message = N_("Feishu does not know a person of this approval: {said_by}")
    hint = N_("Synchronise the directory; the person may have left, or be outside the app's contact scope.")


class AlreadyEnded(OutsideRefused):
    code = "feishu.already_ended"
    message = N_("This approval has already ended in Feishu.")
    hint = N_("Reload: its outcome is being fetched.")


class NotWithdrawnYet(OutsideUnavailable):
    code = "feishu.not_withdrawn_yet"
    message = N_("The approval still runs in Feishu after it was withdrawn.")
    hint = N_("It is withdrawn again by itself in a moment.")


class NoSuchInstance(OutsideRefused):
    code = "feishu.no_such_instance"
    message = N_("Feishu has no such approval: {said_by}")
    hint = N_("It may have been deleted there; see the document's timeline.")


class NumberTaken(OutsideRefused):
    """The uuid was used before, by whomever."""

    code = "feishu.number_taken"
    message = N_("Feishu already has another approval under the number of this one: {said_by}")
    hint = N_(
        "Another installation seems to use the same company in Feishu: give it a test company of its own."
    )


class CannotBeReached(OutsideRefused):
    code = "feishu.cannot_be_reached"
    message = N_("The Feishu app cannot send messages to this person: {said_by}")
    hint = N_("Switch the app's bot on, and include the person in the app's availability.")


class CardTooOld(OutsideRefused):
    code = "feishu.card_too_old"
    message = N_("Feishu no longer lets this card be changed.")
    hint = N_("Nothing is to be done: the document shows its state.")


class AlreadySubscribed(OutsideRefused):
    """Events of this approval come already."""

    code = "feishu.already_subscribed"


TOKEN_BAD = frozenset({99991661, 99991663, 99991664, 99991671})
QUOTA = 99991403
SCOPES = frozenset({99991672, 99991679})
TOO_OFTEN = 1390014
RATE = frozenset({99991400, 1000004, 1000005, 11232, 230020, TOO_OFTEN})
BUSY = frozenset({1395001, 20050, 20072})
REFUSALS: Mapping[int, type[OutsideRefused]] = {
    60012: NumberTaken,
    1390001: FormRefused,
    1390002: FormClosed,
    1390003: NoSuchInstance,
    1390004: PersonUnknown,
    1390007: AlreadySubscribed,
    1390015: FormClosed,
    1390016: FormClosed,
    99991401: AddressNotListed,
    230006: CannotBeReached,
    230013: CannotBeReached,
    230031: CardTooOld,
}
