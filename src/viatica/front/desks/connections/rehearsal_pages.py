"""The step of the rehearsal: one test approval watched in place, and the command that plays a whole life."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext

from viatica.front.desks.connections import changes, rehearsal
from viatica.front.desks.connections.form_pages import Shown
from viatica.front.desks.connections.rehearsal import ENDED, FAILED, SENT, Seen, Trial
from viatica.front.forms import write_once
from viatica.front.viewer import SignedIn
from viatica.kernel import clock
from viatica.kernel.errors import OutsideError, ViaticaError
from viatica.spine.models import Connection


def rehearse(request: SignedIn, connection: Connection, show: Shown, here: str) -> HttpResponse:
    wrong: ViaticaError | None = None
    if request.method == "POST":
        changes.need_all(request.viewer, connection)
        try:
            return _do(request, connection, here)
        except ViaticaError as error:
            if error.status in (403, 404):
                raise
            wrong = error
    trial = rehearsal.current(connection)
    seen, decides = Seen(), True
    if trial is not None and trial.was_made:
        try:
            decides = rehearsal.decides(connection)
            seen = rehearsal.look(connection, trial, ask="look" in request.GET or trial.is_over)
        except OutsideError as error:
            wrong = wrong or error
    context: dict[str, Any] = {
        "wrong": wrong,
        "trial": trial,
        "seen": seen,
        "decides": decides,
        "is_open": trial is not None and trial.was_made and not trial.is_over,
        "people": rehearsal.people(request.viewer, connection),
        "asks_only_one": connection.settings.get("approvers", "ours") == "ours",
        "command": _command(connection),
    }
    return show("rehearsal", context, status=wrong.status if wrong and request.method == "POST" else 200)


def _do(request: SignedIn, connection: Connection, here: str) -> HttpResponse:
    if request.POST.get("what") == "end":
        trial = rehearsal.current(connection)
        if trial is not None and trial.was_made and not trial.is_over:
            rehearsal.take_away(connection, trial)
            _keep(request, connection, ENDED, {"number": trial.number})
        return HttpResponseRedirect(here)
    begun: list[Trial] = []

    def run(at: datetime) -> str:
        chosen = request.POST.get("person", "")
        begun.append(
            rehearsal.begin(
                viewer=request.viewer, connection=connection, at=at, via="web",
                identity_id=int(chosen) if chosen.isdecimal() and len(chosen) < 18 else 0,
            )
        )  # fmt: skip
        return here

    answer = write_once(request, run)
    for trial in begun:  # none, when this very form was sent before
        _make(request, connection, trial)
    return answer


def _make(request: SignedIn, connection: Connection, trial: Trial) -> None:
    try:
        made = rehearsal.make(connection, trial)
    except ViaticaError as error:
        said = f"{error.said(gettext)} {error.advice(gettext)}"
        _keep(request, connection, FAILED, {"number": trial.number, "said": said})
        return
    _keep(request, connection, SENT, {"number": trial.number, **made})


def _keep(request: SignedIn, connection: Connection, fact: str, data: dict[str, Any]) -> None:
    changes.record(connection, fact, request.viewer, clock.now(), "web", data)


def _command(connection: Connection) -> str:
    mode = " --mode B" if rehearsal.way_of(connection) == "desk" else ""
    return f"viatica rehearse --oa {connection.kind}{mode} --here"
