"""How a connection is: read by its pages and by the API."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Max, Min, Q
from django.utils.translation import gettext_lazy as _

from viatica.front.desks.connections import products
from viatica.kernel import clock
from viatica.kernel.errors import NotFound
from viatica.offices.access.models import Role
from viatica.offices.access.queries import administered
from viatica.offices.access.viewer import Viewer
from viatica.spine import capabilities, issues, replays
from viatica.spine.models import (
    Attempt,
    Capability,
    Connection,
    Fact,
    InboxEvent,
    Issue,
    OutboxMessage,
    ReconcileRun,
    State,
)

MOST = 100
SLOW_AFTER_S = 120


@dataclass(frozen=True, slots=True)
class Health:
    """One connection as an operator sees it. `oldest`: since when the oldest message waits."""

    connection: Connection
    waiting: int
    parked: int
    oldest: datetime | None
    last_done: datetime | None
    heard: datetime | None
    run: ReconcileRun | None
    was_on: bool

    @property
    def word(self) -> str:
        """A key of the chips: setting_up, off, failing, attention, slow or healthy."""
        now = clock.now()
        if not self.connection.is_active:
            return "off" if self.was_on else "setting_up"
        if self.connection.open_until and self.connection.open_until > now:
            return "failing"
        if self.parked or (self.run and self.run.unhealed):
            return "attention"
        if self.oldest and (now - self.oldest).total_seconds() > SLOW_AFTER_S:
            return "slow"
        return "healthy"

    @property
    def uses(self) -> list[Any]:
        return [products.WORDS.get(use, use) for use in self.connection.uses]

    @property
    def has_guide(self) -> bool:
        return products.guide_if_any(self.connection.kind) is not None

    @property
    def product(self) -> str:
        return products.name_of(self.connection.kind)

    @property
    def drift(self) -> int:
        return len(self.run.unhealed) if self.run else 0


def healths(rows: Iterable[Connection]) -> list[Health]:
    """Six statements at most, however many connections there are."""
    connections = list(rows)
    ids = [one.pk for one in connections]
    unfinished = OutboxMessage.objects.filter(connection_id__in=ids, done_at__isnull=True)
    queue: dict[int, dict[str, Any]] = {
        row["connection_id"]: dict(row)
        for row in unfinished.order_by()
        .values("connection_id")
        .annotate(
            waiting=Count("pk", filter=Q(state__in=[State.WAITING, State.HELD])),
            parked=Count("pk", filter=Q(state=State.PARKED)),
            oldest=Min("at", filter=Q(state=State.WAITING)),
        )
    }
    done = dict(
        OutboxMessage.objects.filter(connection_id__in=ids, state=State.DONE)
        .order_by().values("connection_id").annotate(last=Max("done_at")).values_list("connection_id", "last")
    )  # fmt: skip
    heard: dict[int, dict[str, Any]] = {
        row["connection_id"]: dict(row)
        for row in InboxEvent.objects.filter(connection_id__in=ids)
        .order_by()
        .values("connection_id")
        .annotate(last=Max("at"), parked=Count("pk", filter=Q(state=State.PARKED)))
    }
    runs = {
        run.connection_id: run
        for run in ReconcileRun.objects.filter(connection_id__in=ids)
        .order_by("connection_id", "-at").distinct("connection_id")
    }  # fmt: skip
    were_on = _were_on([one for one in connections if not one.is_active])
    return [
        Health(
            connection=one,
            waiting=queue.get(one.pk, {}).get("waiting", 0),
            parked=queue.get(one.pk, {}).get("parked", 0) + heard.get(one.pk, {}).get("parked", 0),
            oldest=queue.get(one.pk, {}).get("oldest"),
            last_done=done.get(one.pk),
            heard=heard.get(one.pk, {}).get("last"),
            run=runs.get(one.pk),
            was_on=one.slug in were_on,
        )
        for one in connections
    ]


def _were_on(connections: list[Connection]) -> frozenset[str]:
    """Those that are off because somebody switched them off; the others were never on."""
    if not connections:
        return frozenset()
    rows = Fact.objects.filter(
        ref_kind="connection",
        ref_key__in=[one.slug for one in connections],
        fact="connection.switched_off",
    )
    return frozenset(rows.values_list("ref_key", flat=True))


@dataclass(frozen=True, slots=True)
class Used:
    """One thing a connection is used for: when it last went well, and since when it does not."""

    word: Any
    succeeded_at: datetime | None
    failed_at: datetime | None
    error: str

    @property
    def is_failing(self) -> bool:
        return self.failed_at is not None and (
            self.succeeded_at is None or self.failed_at > self.succeeded_at
        )


MACHINERY = {capabilities.CALLBACKS: _("Callbacks"), capabilities.RECONCILE: _("Comparison")}


def used(connection: Connection) -> list[Used]:
    """Its uses, and what they stand on; also those nothing has happened in yet. One statement."""
    known = {row.name: row for row in Capability.objects.filter(connection=connection)}
    words = {**{use: products.WORDS.get(use, use) for use in connection.uses}, **MACHINERY}
    return [
        Used(word, row.succeeded_at, row.failed_at, row.error) if row else Used(word, None, None, "")
        for name, word in words.items()
        for row in [known.get(name)]
    ]


def issues_for(viewer: Viewer) -> list[Issue]:
    """Open issues, latest first: all of them, or those that name a connection of an entity they administer."""
    found = issues.open_issues()
    if viewer.entities(Role.ADMINISTRATOR) is None:
        return found
    names = {one.name for one in administered(viewer)}
    return [one for one in found if one.params.get("connection") in names]


def connection_of(viewer: Viewer, slug: str) -> Connection:
    """Raises RoleNeeded, and NotFound for a connection the viewer does not administer."""
    found = administered(viewer).filter(slug=slug).first()
    if found is None:
        raise NotFound()
    return found


def has_message(connection: Connection, box: str, message_id: int) -> None:
    """Raises NotFound for a message of another connection."""
    rows = InboxEvent.objects if box == "in" else OutboxMessage.objects
    if not rows.filter(pk=message_id, connection_id=connection.pk).exists():
        raise NotFound()


@dataclass(frozen=True, slots=True)
class Stopped:
    """A parked message with what was sent and what each try gave."""

    parked: replays.Parked
    payload: str
    attempts: list[Attempt]


def with_details(stopped: list[replays.Parked]) -> list[Stopped]:
    out = {
        row.pk: row.payload
        for row in OutboxMessage.objects.filter(pk__in=[p.id for p in stopped if p.box == "out"])
    }
    into = {
        row.pk: row.body for row in InboxEvent.objects.filter(pk__in=[p.id for p in stopped if p.box == "in"])
    }
    tries: dict[tuple[str, int], list[Attempt]] = {}
    for attempt in Attempt.objects.filter(item_id__in=[p.id for p in stopped]).order_by("at"):
        tries.setdefault((attempt.box, attempt.item_id), []).append(attempt)
    return [
        Stopped(
            one,
            json.dumps((out if one.box == "out" else into).get(one.id, {}), ensure_ascii=False, indent=2)[
                :8000
            ],
            tries.get((one.box, one.id), [])[-10:],
        )
        for one in stopped
    ]
