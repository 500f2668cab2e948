"""Who did what to a connection."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext

from viatica.front import timeline
from viatica.front.desks.connections import mapping, products
from viatica.kernel.words import N_
from viatica.spine.models import Connection, Fact

MOST = 30
WORDS = {
    "connection.created": N_("began to set it up"),
    "connection.changed": N_("changed what it is used for: {uses}"),
    "connection.entered": N_("entered {changed}"),
    "connection.checked": N_("ran the live check"),
    "connection.mapped": N_("mapped a form: {kind}"),
    "connection.leads": N_("gave the department {department} to {entity}"),
    "connection.switched_on": N_("switched it on for {on}"),
    "connection.switched_off": N_("switched it off"),
    "connection.entities": N_("changed whom it serves: + {on} − {off}"),
    "connection.rehearsal_begun": N_("began to rehearse it with {number}"),
    "connection.rehearsal_sent": N_("had the test approval {number} made"),
    "connection.rehearsal_failed": N_("could not have the test approval {number} made: {said}"),
    "connection.rehearsal_ended": N_("ended the rehearsal with {number}"),
    "directory.applied": N_("applied the directory"),
    "directory.discarded": N_("left a reading of the directory at that"),
    "directory.decided": N_("said who {userid} is"),
}


@dataclass(frozen=True, slots=True)
class Act:
    at: datetime
    who: str
    did: str


def of(connection: Connection) -> list[Act]:
    """Newest first. Two statements."""
    rows = list(
        Fact.objects.filter(ref_kind="connection", ref_key=connection.slug).order_by("-at", "-id")[:MOST]
    )
    names = timeline.names_of({row.actor for row in rows})
    return [Act(row.at, names.get(row.actor, row.actor), _words(row.fact, row.data or {})) for row in rows]


def _words(fact: str, data: dict[str, Any]) -> str:
    said = gettext(WORDS[fact]) if fact in WORDS else fact
    if fact == "connection.switched_on" and not data.get("on"):
        said = gettext("switched it on")
    return said.format_map(_Values(data)).strip()


class _Values(dict[str, Any]):
    def __getitem__(self, key: str) -> str:
        value = super().get(key, "")
        values = value if isinstance(value, list) else [value]
        return "、".join(str(products.WORDS.get(one) or mapping.KINDS.get(one) or one) for one in values)
