"""Notices in their reader's language, and the states their cards show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.conf import settings
from django.utils import timezone, translation
from django.utils.formats import date_format
from django.utils.translation import gettext

from viatica.kernel.words import N_
from viatica.offices.notices.ports import Status, Tone

# By the last word of a notice's kind: “report.paid” → paid.
STATES: Mapping[str, tuple[str, Tone]] = {
    "opened": (N_("To decide"), Tone.NEUTRAL),
    "urged": (N_("Reminder"), Tone.WARNING),
    "copied": (N_("Copied to you"), Tone.NEUTRAL),
    "submitted": (N_("In approval"), Tone.NEUTRAL),
    "approved": (N_("Approved"), Tone.GOOD),
    "rejected": (N_("Rejected"), Tone.BAD),
    "returned": (N_("Sent back"), Tone.WARNING),
    "sent_back": (N_("Sent back"), Tone.WARNING),
    "withdrawn": (N_("Withdrawn"), Tone.NEUTRAL),
    "decided": (N_("Decided"), Tone.NEUTRAL),
    "waiting": (N_("Waiting for an added signer"), Tone.NEUTRAL),
    "handed_over": (N_("Handed over"), Tone.NEUTRAL),
    "cancelled": (N_("No longer needed"), Tone.NEUTRAL),
    "audited": (N_("To pay"), Tone.NEUTRAL),
    "paid": (N_("Paid"), Tone.GOOD),
}
OTHER = (N_("News"), Tone.NEUTRAL)


def status(kind: str) -> Status:
    """In the active language."""
    word, tone = STATES.get(kind.rpartition(".")[2], OTHER)
    return Status(gettext(word), tone)


def said(subject: str, params: Mapping[str, Any]) -> str:
    """In the active language."""
    return gettext(subject).format(**params)


def stamp(at: datetime) -> str:
    """In the active language and the company's zone: 11月24日 14:05."""
    local = timezone.localtime(at)
    return f"{date_format(local, 'MONTH_DAY_FORMAT')} {local:%H:%M}"


@contextmanager
def language_of(chosen: str) -> Iterator[None]:
    """`chosen` is the user's setting; empty: the company's."""
    with translation.override(chosen or settings.LANGUAGE_CODE):
        yield
