"""The one map from a state to its chip: a word and a tone. Pages, lists and papers all ask here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True, slots=True)
class Chip:
    """`tone`: quiet, accent, news, good, warn or bad. The word always says it; the colour only helps."""

    word: Any
    tone: str


CHIPS = {
    "draft": Chip(_("Draft"), "quiet"),
    "in_approval": Chip(_("In approval"), "news"),
    "active": Chip(_("In approval"), "news"),
    "returned": Chip(_("Sent back"), "warn"),
    "rejected": Chip(_("Rejected"), "bad"),
    "approved": Chip(_("Approved"), "good"),
    "cancelled": Chip(_("Cancelled"), "quiet"),
    "withdrawn": Chip(_("Withdrawn"), "quiet"),
    "to_audit": Chip(_("To audit"), "news"),
    "to_pay": Chip(_("To pay"), "accent"),
    "paid": Chip(_("Paid"), "good"),
    "attention": Chip(_("Needs attention"), "bad"),
    # Payment batches
    "open": Chip(_("Open"), "news"),
    "exported": Chip(_("Given to the bank"), "accent"),
    # Connections
    "healthy": Chip(_("Healthy"), "good"),
    "slow": Chip(_("Catching up"), "warn"),
    "failing": Chip(_("Not answering"), "bad"),
    "off": Chip(_("Switched off"), "quiet"),
    "setting_up": Chip(_("Being set up"), "news"),
}


def chip(state: str) -> Chip:
    """A state without a chip is a mistake of ours: raises KeyError."""
    return CHIPS[str(state)]
