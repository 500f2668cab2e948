"""DingTalk, put together: what the offices get, and what the worker does with an event."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from viatica.connectors.dingtalk import doctor, people, translate
from viatica.connectors.dingtalk.approvals import DingTalkApproval
from viatica.connectors.dingtalk.callbacks import HEARD_AT, Looks, door
from viatica.connectors.dingtalk.errors import SYSTEM
from viatica.connectors.dingtalk.messages import DingTalkMessages, DingTalkTodo
from viatica.connectors.dingtalk.people import DingTalkSignIn
from viatica.connectors.registry import Connector
from viatica.kernel import clock
from viatica.kernel.words import N_
from viatica.offices.approval.news import settle
from viatica.offices.approval.ports import ApprovalNews, CaseState, CaseStatus, InstanceId, What
from viatica.offices.approval.reconciling import reconcile
from viatica.spine import issues
from viatica.spine.models import Connection
from viatica.spine.outcomes import Done, Later, Outcome

KIND = "dingtalk"
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
        if _looks.covers(connection.pk, instance_id, heard_at):
            return Done({"covered": instance_id})
        return _look_and_settle(connection, instance_id, body, heard_at, at)


def _look_and_settle(
    connection: Connection, instance_id: str, body: dict[str, Any], heard_at: datetime, at: datetime
) -> Outcome:
    began_at = clock.now()
    found = DingTalkApproval(connection).instance(instance_id)
    state = found.state if found else CaseState(InstanceId(instance_id), None, CaseStatus.GONE)
    if _lags(translate.news(body, connection.pk), state) and began_at - heard_at < TRUTH_MAY_LAG:
        return Later(LOOK_AGAIN_S, f"{instance_id} has ended, but still reads {state.status}")
    if found and found.revokes and state.status is CaseStatus.APPROVED:
        _report_revocation(connection, found.revokes, instance_id, at)
    heard = settle(connection_id=connection.pk, state=state, at=at)
    _looks.note(connection.pk, instance_id, began_at)
    return Done({"settled": str(heard), "status": str(state.status)})


def _lags(news: list[ApprovalNews], state: CaseState) -> bool:
    """Whether the event tells of an end that the instance does not show yet."""
    return state.status is CaseStatus.RUNNING and any(one.what in ENDS for one in news)


def _report_revocation(connection: Connection, revoked: str, by: str, at: datetime) -> None:
    """In DingTalk an approved instance can be taken back by another one; money may have moved: a person decides."""
    issues.raise_issue(
        key=f"dingtalk.revoked:{connection.slug}:{revoked}",
        kind="dingtalk.revoked",
        message=N_("An approval that had ended was revoked in DingTalk (instance {instance}, by {by})."),
        params={"instance": revoked, "by": by},
        ref=None,
        at=at,
    )


CONNECTOR = Connector(
    kind=KIND,
    name=SYSTEM,
    door=door,
    translate=translate_event,
    approval=DingTalkApproval,
    messages=DingTalkMessages,
    todos=DingTalkTodo,
    sign_in=DingTalkSignIn,
    reconcile=reconcile,
    check=doctor.check,
    link_people=people.link_people,
)

__all__ = ["CONNECTOR", "DingTalkApproval", "DingTalkMessages", "DingTalkSignIn", "DingTalkTodo"]
