"""连接: every outside system with one word of health; what stopped, why, and sending it again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.db.models import Count, Max, Min, Q
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET, require_POST

from viatica.connectors import registry
from viatica.front import shown
from viatica.front.forms import write_once
from viatica.front.viewer import SignedIn, signed_in
from viatica.kernel import clock
from viatica.kernel.errors import NotFound, ViaticaError
from viatica.offices.access.models import Role
from viatica.offices.access.queries import administered
from viatica.offices.access.viewer import Viewer
from viatica.spine import issues, reconcile, replays
from viatica.spine.models import Attempt, Connection, InboxEvent, Issue, OutboxMessage, ReconcileRun, State

MOST = 100
USES = {
    "approval": _("Approval"), "todo": _("To-dos"), "messages": _("Messages"), "directory": _("Directory"),
    "sign_in": _("Sign-in"),
}  # fmt: skip


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

    @property
    def word(self) -> str:
        """A key of the chips: off, failing, attention, slow or healthy."""
        now = clock.now()
        if not self.connection.is_active:
            return "off"
        if self.connection.open_until and self.connection.open_until > now:
            return "failing"
        if self.parked or (self.run and self.run.unhealed):
            return "attention"
        if self.oldest and (now - self.oldest).total_seconds() > 120:
            return "slow"
        return "healthy"

    @property
    def uses(self) -> list[Any]:
        return [USES.get(use, use) for use in self.connection.uses]

    @property
    def drift(self) -> int:
        return len(self.run.unhealed) if self.run else 0


def healths(rows: Any) -> list[Health]:
    """Five statements, however many connections there are."""
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
    return [
        Health(
            connection=one,
            waiting=queue.get(one.pk, {}).get("waiting", 0),
            parked=queue.get(one.pk, {}).get("parked", 0) + heard.get(one.pk, {}).get("parked", 0),
            oldest=queue.get(one.pk, {}).get("oldest"),
            last_done=done.get(one.pk),
            heard=heard.get(one.pk, {}).get("last"),
            run=runs.get(one.pk),
        )
        for one in connections
    ]


@signed_in
@require_GET
def page(request: SignedIn) -> HttpResponse:
    context = {
        "here": "connections",
        "healths": healths(administered(request.viewer)),
        "issues": issues_for(request.viewer)[:MOST],
    }
    return render(request, "front/connections.html", context)


def issues_for(viewer: Viewer) -> list[Issue]:
    """Open issues, latest first: all of them, or those that name a connection of an entity they administer."""
    found = issues.open_issues()
    if viewer.entities(Role.ADMINISTRATOR) is None:
        return found
    names = {one.name for one in administered(viewer)}
    return [one for one in found if one.params.get("connection") in names]


def _connection(request: SignedIn, slug: str) -> Connection:
    return connection_of(request.viewer, slug)


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


@signed_in
@require_GET
def one(request: SignedIn, slug: str) -> HttpResponse:
    connection = _connection(request, slug)
    (health,) = healths([connection])
    stopped = replays.parked(connection_id=connection.pk)[:MOST]
    context = {
        "here": "connections",
        "health": health,
        "connection": connection,
        "stopped": with_details(stopped),
        "hook": reverse("spine:hook", args=[connection.slug]),
        "checks": request.session.pop("checks", None),
    }
    return render(request, "front/connection.html", context)


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


@signed_in
@require_POST
def replay(request: SignedIn, slug: str) -> HttpResponse:
    """One message again, or all of them, or one given up for good: each is a fact."""
    connection = _connection(request, slug)
    back = reverse("front:connection", args=[slug])
    what = request.POST.get("what", "")
    box, _colon, key = request.POST.get("message", "").partition(":")
    message_id = int(key) if key.isdecimal() else 0
    say: dict[str, Any] = {"actor": request.viewer.actor, "via": "web"}

    def run(at: datetime) -> str:
        if what == "all":
            count = replays.replay_all(connection_id=connection.pk, at=at, **say)
            text = ngettext("{count} message goes out again.", "{count} messages go out again.", count)
            messages.success(request, text.format(count=count))
        elif what == "drop":
            has_message(connection, "out", message_id)
            reason = request.POST.get("reason", "").strip()[:300] or gettext("given up by an administrator")
            replays.drop(message_id=message_id, at=at, reason=reason, **say)
            messages.success(request, gettext("Message {id} was given up.").format(id=message_id))
        else:
            has_message(connection, box, message_id)
            replays.replay(message_id=message_id, box="in" if box == "in" else "out", at=at, **say)
            messages.success(request, gettext("Message {id} goes out again.").format(id=message_id))
        return back

    try:
        return write_once(request, run)
    except ViaticaError as error:
        if error.status in (403, 404):
            raise
        messages.warning(request, shown.refusal(error))
        return HttpResponseRedirect(back)


@signed_in
@require_POST
def compare(request: SignedIn, slug: str) -> HttpResponse:
    """Reconcile now: both sides are compared, what is safe is healed."""
    connection = _connection(request, slug)
    found = reconcile.run(connection, clock.now())
    if not found:
        messages.warning(request, gettext("It could not be compared now; see the issues."))
    for report in found:
        text = gettext("{compared} compared, {healed} healed, {unhealed} need a person.")
        messages.success(
            request,
            text.format(compared=report.compared, healed=len(report.healed), unhealed=len(report.unhealed)),
        )
    return HttpResponseRedirect(reverse("front:connection", args=[slug]))


@signed_in
@require_POST
def check(request: SignedIn, slug: str) -> HttpResponse:
    """Credentials, permissions and forms, asked of the product itself."""
    connection = _connection(request, slug)
    checker = registry.of(connection.kind).check
    if checker is None:
        messages.warning(request, gettext("This kind of connection has nothing to check."))
    else:
        request.session["checks"] = [
            {"ok": one.ok, "said": _filled(one.said, one.params), "remedy": _filled(one.remedy, one.params)}
            for one in checker(connection)
        ]
    return HttpResponseRedirect(reverse("front:connection", args=[slug]))


def _filled(msgid: str, params: tuple[tuple[str, str], ...]) -> str:
    return shown.words(msgid, dict(params)) if msgid else ""
