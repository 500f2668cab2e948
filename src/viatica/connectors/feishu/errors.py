"""What Feishu says when it says no, sorted into the error family.

Source: vendor pages 频控策略, 通用错误码, and each call's own table.
"""

from __future__ import annotations

from collections.abc import Mapping

from viatica.connectors.errors import (
    AddressNotListed,
    CannotBeReached,
    CardTooOld,
    FormClosed,
    FormRefused,
    NoSuchInstance,
    PersonUnknown,
    QuotaUsedUp,
    Reading,
    ScopeMissing,
)
from viatica.connectors.tokens import TokenRejected
from viatica.kernel.errors import OutsideRefused, OutsideUnavailable, OutsideUnknown
from viatica.kernel.words import N_

SYSTEM = "飞书"

TOO_OFTEN = 1390014
TOO_OFTEN_PAUSE_S = 5.0  # “too often” about one instance; how long it lasts is not documented


class NotWithdrawnYet(OutsideUnavailable):
    code = "feishu.not_withdrawn_yet"
    message = N_("The approval still runs in Feishu after it was withdrawn.")
    hint = N_("It is withdrawn again by itself in a moment.")


class NumberTaken(OutsideRefused):
    """The uuid was used before, by whomever."""

    code = "feishu.number_taken"
    message = N_("Feishu already has another approval under the number of this one: {said_by}")
    hint = N_(
        "Another installation seems to use the same company in Feishu: give it a test company of its own."
    )


class AlreadySubscribed(OutsideRefused):
    """Events of this approval come already."""

    code = "feishu.already_subscribed"


# The vendor's table of contact errors was not to be had: these were seen. A code that is missing here parks the message.
NO_PERSON = frozenset({41012, 41050})
NO_DEPARTMENT = frozenset({40004, 40008})

READINGS: Mapping[int, Reading] = {
    **dict.fromkeys((99991661, 99991663, 99991664, 99991671), TokenRejected),
    99991403: QuotaUsedUp,
    **dict.fromkeys((99991400, 1000004, 1000005, 11232, 230020, TOO_OFTEN), OutsideUnavailable),
    **dict.fromkeys((99991672, 99991679), ScopeMissing),
    **dict.fromkeys((1395001, 20050, 20072), OutsideUnknown),
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
