"""The list of connections and one of them: its health, what stopped, and sending it again."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_GET, require_POST

from viatica.connectors.guide import Hears, Ours
from viatica.front import shown
from viatica.front.desks.connections import checks, exchange_pages, history, path, products
from viatica.front.desks.connections.health import (
    MOST,
    connection_of,
    has_message,
    healths,
    issues_for,
    used,
    with_details,
)
from viatica.front.forms import write_once
from viatica.front.viewer import SignedIn, signed_in
from viatica.kernel import clock
from viatica.kernel.errors import ViaticaError
from viatica.offices.access.queries import administered
from viatica.spine import quotas, reconcile, replays
from viatica.spine.models import Connection, Issue


@signed_in
@require_GET
def page(request: SignedIn) -> HttpResponse:
    context = {
        "here": "connections",
        "healths": healths(administered(request.viewer)),
        "issues": issues_for(request.viewer)[:MOST],
    }
    return render(request, "front/connections.html", context)


@signed_in
@require_GET
def one(request: SignedIn, slug: str) -> HttpResponse:
    connection = connection_of(request.viewer, slug)
    (health,) = healths([connection])
    context = {
        "here": "connections",
        "health": health,
        "connection": connection,
        "stopped": with_details(replays.parked(connection_id=connection.pk)[:MOST]),
        "hook": path.address(Ours.HOOK, connection) if products.hears(connection) is Hears.CALLBACKS else "",
        "checked": checks.last(connection),
        "uses": used(connection),
        "quotas": quotas.standing(connection, clock.now()),
        "mending": [row for row in issues_for(request.viewer) if _is_about(row, connection)][:MOST],
        "exchanges": exchange_pages.latest(connection, 8),
        "history": history.of(connection),
        "serves": list(connection.entities.order_by("pk")) if connection.is_active else [],
    }
    return render(request, "front/connection.html", context)


def _is_about(issue: Issue, connection: Connection) -> bool:
    return bool(issue.params.get("connection") == connection.name)


@signed_in
@require_POST
def replay(request: SignedIn, slug: str) -> HttpResponse:
    """One message again, or all of them, or one given up for good: each is a fact."""
    connection = connection_of(request.viewer, slug)
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
    connection = connection_of(request.viewer, slug)
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
    """Credentials, permissions and forms, asked of the product itself; kept until the next time."""
    connection = connection_of(request.viewer, slug)
    back = reverse("front:connection", args=[slug])
    try:
        found = checks.ask(connection)
    except checks.NothingToCheck as error:
        messages.warning(request, shown.refusal(error))
        return HttpResponseRedirect(back)

    def run(at: datetime) -> str:
        checks.keep(connection, found, request.viewer, at, "web")
        return back

    return write_once(request, run)
