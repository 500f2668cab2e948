"""Before money goes: does each approval an OA gave still stand there? Some products let it be taken back later."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

import structlog
from django.db.models import Q
from django.utils.translation import gettext

from viatica.kernel.errors import OutsideError, Refused
from viatica.kernel.refs import Ref
from viatica.kernel.words import N_
from viatica.offices.approval import news
from viatica.offices.approval.deliveries import case_ref, userid_of
from viatica.offices.approval.models import Case, State
from viatica.offices.approval.ports import CaseStatus, port_for
from viatica.spine.models import Connection, Issue

log = structlog.get_logger(__name__)

MOST_SECONDS = 60.0
TOO_MANY = N_("there are too many papers to ask about at once; make smaller batches")
NOT_FOUND = N_("it is not to be found there")
NOT_APPROVED = N_("it is not approved there")


class Undone(Refused):
    code = "approval.undone"
    message = N_("The approval of {numbers} was taken back in {system}.")
    hint = N_(
        "Take these papers out of the payment and ask their applicants; they have to be approved again."
    )


class NotRechecked(Refused):
    code = "approval.not_rechecked"
    status = 503
    message = N_("{system} does not confirm that the approval of {numbers} still stands: {reason}.")
    hint = N_("Try again in a few minutes; nothing was paid. The connection's page shows what is wrong.")


def verify_before_payment(refs: Sequence[Ref], at: datetime) -> None:
    """Ask the OAs, outside any transaction, and refuse papers whose approval no longer stands.

    A connection's setting `recheck` says what happens when it cannot say so: “required” (the default) refuses,
    “when_reachable” lets the paper pass. Raises Undone, NotRechecked.
    """
    cases = _approved_there(refs)
    until = time.monotonic() + MOST_SECONDS
    for case in cases:
        if case.undone_at is None and port_for(_connection(case)).can.may_be_undone:
            _look_again(case, at, until)
    undone = [case for case in cases if case.undone_at is not None]
    if undone:
        systems = dict.fromkeys(_connection(case).name for case in undone)
        raise Undone(numbers="、".join(case.number for case in undone), system="、".join(systems))
    # Taken back once, and approved again since.
    mended = Issue.objects.filter(
        kind=news.UNDONE_KIND, ref__in=[str(ref) for ref in refs], closed_at__isnull=True
    )
    mended.update(closed_at=at)


def _approved_there(refs: Iterable[Ref]) -> list[Case]:
    """The newest case of each paper, if an OA approved it. One statement."""
    keys: defaultdict[str, list[str]] = defaultdict(list)
    for ref in refs:
        keys[ref.kind].append(ref.key)
    chosen = Q(pk__in=[])
    for kind, of_kind in keys.items():
        chosen |= Q(ref_kind=kind, ref_key__in=of_kind)
    newest = (
        Case.objects.filter(chosen)
        .order_by("ref_kind", "ref_key", "-id")
        .distinct("ref_kind", "ref_key")
        .select_related("connection")
        .defer("form")
    )
    return [case for case in newest if case.connection is not None and case.state == State.APPROVED]


def _connection(case: Case) -> Connection:
    assert case.connection is not None  # chosen by it
    return case.connection


def _look_again(case: Case, at: datetime, until: float) -> None:
    connection = _connection(case)
    if time.monotonic() > until:
        raise NotRechecked(numbers=case.number, system=connection.name, reason=gettext(TOO_MANY))
    try:
        state = port_for(connection).look(case_ref(case, userid_of(case, connection)))
    except OutsideError as error:
        _go_without(case, str(error.params["said_by"]), error)
        return
    if state is None:
        _go_without(case, gettext(NOT_FOUND))
    elif state.status is CaseStatus.RUNNING:
        _go_without(case, gettext(NOT_APPROVED))
    elif state.status is not CaseStatus.APPROVED:
        news.settle(connection_id=connection.pk, state=state, at=at)
        case.refresh_from_db(fields=["undone_at"])


def _go_without(case: Case, reason: str, cause: OutsideError | None = None) -> None:
    connection = _connection(case)
    if connection.settings.get("recheck", "required") != "when_reachable":
        raise NotRechecked(numbers=case.number, system=connection.name, reason=reason) from cause
    log.warning("approval.not_rechecked", case=str(case.ref), connection=connection.slug)
