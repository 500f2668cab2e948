"""Feishu, put together: what the offices get, and what the worker does with an event."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import structlog

from viatica.connectors.feishu import doctor, people, translate
from viatica.connectors.feishu.approvals import FeishuApproval
from viatica.connectors.feishu.callbacks import HEARD_AT, door
from viatica.connectors.feishu.errors import SYSTEM
from viatica.connectors.feishu.looks import Looks
from viatica.connectors.feishu.messages import FeishuMessages
from viatica.connectors.feishu.people import FeishuSignIn
from viatica.connectors.registry import Connector
from viatica.kernel import clock
from viatica.kernel.errors import OutsideError
from viatica.kernel.words import N_
from viatica.offices.approval import reconciling
from viatica.offices.approval.news import find, settle
from viatica.offices.approval.ports import ApprovalNews, CaseState, CaseStatus, InstanceId, What
from viatica.spine import issues
from viatica.spine.models import Connection
from viatica.spine.outcomes import Done, Later, Outcome
from viatica.spine.reconcile import ReconcileReport

log = structlog.get_logger(__name__)

KIND = "feishu"
ENDS = frozenset({What.APPROVED, What.REJECTED, What.WITHDRAWN, What.DELETED})
TRUTH_MAY_LAG = timedelta(minutes=2)
LOOK_AGAIN_S = 3.0

_looks = Looks()


def translate_event(connection: Connection, body: dict[str, Any], at: datetime) -> Outcome:
    """An event says *look*; what the instance says is settled. Unknown kinds of event stay stored, and that is all.

    One look serves every event that had come in before it began.
    """
    instance_id = translate.event_instance(body)
    if not instance_id:
        return Done({"ignored": translate.event_type(body)})
    heard_at = datetime.fromisoformat(body[HEARD_AT]) if HEARD_AT in body else at
    with _looks.turn(connection.pk, instance_id):
        if _looks.covers(connection.pk, instance_id, heard_at) and not translate.is_reversal(body):
            return Done({"covered": instance_id})
        return _look_and_settle(connection, instance_id, body, heard_at, at)


def _look_and_settle(
    connection: Connection, instance_id: str, body: dict[str, Any], heard_at: datetime, at: datetime
) -> Outcome:
    began_at = clock.now()
    found = FeishuApproval(connection).instance(instance_id)
    state = found.state if found else CaseState(InstanceId(instance_id), None, CaseStatus.GONE)
    if _lags(translate.news(body, connection.pk), state) and began_at - heard_at < TRUTH_MAY_LAG:
        return Later(LOOK_AGAIN_S, f"{instance_id} has ended, but still reads {state.status}")
    if translate.is_reversal(body) or (found and found.is_reverted):
        _tell_reversal(connection, state, at)
    heard = settle(connection_id=connection.pk, state=state, at=at)
    _looks.note(connection.pk, instance_id, began_at)
    return Done({"settled": str(heard), "status": str(state.status)})


def _lags(news: list[ApprovalNews], state: CaseState) -> bool:
    """Whether the event tells of an end that the instance does not show yet."""
    return state.status is CaseStatus.RUNNING and any(one.what in ENDS for one in news)


def _tell_reversal(connection: Connection, state: CaseState, at: datetime) -> None:
    """In Feishu an approval that was given can be undone; money may have moved: a person decides.

    Approved once more, there is nothing left to decide.
    """
    case = find(connection.pk, state)
    if case is None or case.is_active:
        return
    key = f"feishu.reverted:{connection.slug}:{state.instance_id}"
    if state.status is CaseStatus.APPROVED:
        issues.close_issue(key, at)
        return
    issues.raise_issue(
        key=key,
        kind="feishu.reverted",
        message=N_(
            "The approval of {number} was undone in Feishu after it had been given (instance {instance})."
        ),
        params={"number": case.number, "instance": state.instance_id},
        ref=case.ref,
        at=at,
    )


def reconcile(connection: Connection, at: datetime) -> ReconcileReport:
    """Compare, and see to it that events keep coming: a subscription may have been ended over there."""
    try:
        fresh = FeishuApproval(connection).subscribe()
    except OutsideError as error:
        # Without events the comparison is all the more needed; `viatica doctor` names the remedy.
        log.warning("feishu.not_subscribed", connection=connection.slug, code=error.code)
    else:
        if fresh:
            log.info("feishu.subscribed", connection=connection.slug, kinds=fresh)
    return reconciling.reconcile(connection, at)


CONNECTOR = Connector(
    kind=KIND,
    name=SYSTEM,
    door=door,
    translate=translate_event,
    approval=FeishuApproval,
    messages=FeishuMessages,
    sign_in=FeishuSignIn,
    reconcile=reconcile,
    check=doctor.check,
    link_people=people.link_people,
)

__all__ = ["CONNECTOR", "FeishuApproval", "FeishuMessages", "FeishuSignIn"]
