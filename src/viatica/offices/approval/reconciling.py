"""Both sides compared: our cases looked up in the OA, its instances looked up here, and what its desk shows of ours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice

from django.db.models import F

from viatica.offices.approval import desk_reconciling, leaving, news
from viatica.offices.approval.deliveries import case_ref, userid_of
from viatica.offices.approval.models import Case, Sent, State
from viatica.offices.approval.ports import ApprovalPort, CaseRef, CaseState, CaseStatus, InstanceId, port_for
from viatica.spine import outbox
from viatica.spine.models import Connection
from viatica.spine.reconcile import Drift, ReconcileReport

PAGE = 100
MOST_LOOKS = 200  # an OA rations calls; settings["reconcile_looks"] of the connection changes it
WINDOW = timedelta(days=2)


def reconcile(connection: Connection, at: datetime) -> ReconcileReport:
    """Look up our open cases, longest unchecked first, then instances of the last two days that we do not know; and
    what the desk shows of the cases that run here.

    What `settle` can apply is healed, what the desk lacks is shown again; the rest is told as drift.
    """
    report = ReconcileReport(connection.slug, 0)
    ours = _open_there(connection)
    compared = 0
    if ours or "approval" in connection.uses:
        port = port_for(connection)
        compared += _ours(connection, port, ours, at, report)
        compared += _theirs(connection, port, at, report)
    compared += desk_reconciling.compare(connection, _looks(connection), at, report)
    leaving.review(connection, at)
    return ReconcileReport(connection.slug, compared, report.healed, report.unhealed)


def _looks(connection: Connection) -> int:
    return int(connection.settings.get("reconcile_looks", MOST_LOOKS))


def _open_there(connection: Connection) -> list[Case]:
    cases = (
        Case.objects.filter(connection=connection, is_agreed=False, sent__in=(Sent.TRYING, Sent.SENT))
        .select_related("connection")
        .defer("form")
        .order_by(F("checked_at").asc(nulls_first=True), "id")[: _looks(connection)]
    )
    return list(cases)


def _ours(
    connection: Connection, port: ApprovalPort, found: Sequence[Case], at: datetime, report: ReconcileReport
) -> int:
    for case in found:
        state = port.look(case_ref(case, userid_of(case, connection)))
        _compare(case, state, at, report)
        Case.objects.filter(pk=case.pk).update(checked_at=at)
    return len(found)


def _compare(case: Case, state: CaseState | None, at: datetime, report: ReconcileReport) -> None:
    theirs = state.status.value if state else "missing"
    drift = Drift(str(case.ref), case.state, theirs, "status")
    if state is None:
        if case.is_active and case.sent == Sent.SENT:
            report.unhealed.append(drift)
        elif not case.is_active:
            Case.objects.filter(pk=case.pk).update(is_agreed=True)
        return
    assert case.connection is not None
    news.settle(connection_id=case.connection.pk, state=state, at=at)
    ours, is_agreed = Case.objects.values_list("state", "is_agreed").get(pk=case.pk)
    if ours == State.ACTIVE or is_agreed:
        if ours != case.state or case.instance_id is None:
            report.healed.append(drift)
        return
    if state.status is CaseStatus.RUNNING and port_for(case.connection).can.withdraw:
        # Ended here, running there: our withdrawal has not arrived. Send it again; a second one does no harm.
        outbox.put(
            kind="approval.withdraw", lane=str(case.ref), payload={"case": case.pk, "reason": ""}, at=at,
            connection_id=case.connection.pk, key=f"approval.withdraw:{case.pk}:{at:%Y%m%d%H}",
        )  # fmt: skip
        report.healed.append(drift)
    else:
        report.unhealed.append(drift)


def _theirs(connection: Connection, port: ApprovalPort, at: datetime, report: ReconcileReport) -> int:
    """Instances started over there of which we know nothing."""
    count = 0
    for page in _pages(port.list_since(at - WINDOW, at)):
        known = set(
            Case.objects.filter(connection=connection, instance_id__in=page).values_list(
                "instance_id", flat=True
            )
        )
        for instance_id in page:
            count += 1
            if instance_id not in known:
                _adopt(connection, port, instance_id, at, report)
    return count


def _adopt(
    connection: Connection, port: ApprovalPort, instance_id: InstanceId, at: datetime, report: ReconcileReport
) -> None:
    """Ours, if its form holds the number of a case that waits for its instance; else somebody made it over there."""
    state = port.look(CaseRef("", "", at - WINDOW, instance_id))
    if state is None:
        return
    case = news.find(connection.pk, state) if state.number else None
    if case is None:
        report.unhealed.append(
            Drift(f"{connection.slug}/{instance_id}", "unknown", state.status.value, "instance")
        )
    elif case.instance_id is None:
        news.settle(connection_id=connection.pk, state=state, at=at)
        report.healed.append(Drift(str(case.ref), case.state, state.status.value, "instance"))
    elif state.status is not CaseStatus.WITHDRAWN:  # a second instance that was withdrawn harms nobody
        report.unhealed.append(Drift(str(case.ref), case.instance_id, instance_id, "second_instance"))


def _pages(ids: Iterable[InstanceId]) -> Iterator[list[InstanceId]]:
    every = iter(ids)
    while page := list(islice(every, PAGE)):
        yield page
