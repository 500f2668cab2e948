"""DingTalk, put together: what the offices get, and what the worker does with an event."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from viatica.connectors.dingtalk import directory, doctor, translate
from viatica.connectors.dingtalk.approvals import DingTalkApproval
from viatica.connectors.dingtalk.callbacks import door
from viatica.connectors.dingtalk.client import CALLS, DingTalkSetup
from viatica.connectors.dingtalk.desk import DingTalkDesk
from viatica.connectors.dingtalk.directory import DingTalkDirectory
from viatica.connectors.dingtalk.errors import SYSTEM
from viatica.connectors.dingtalk.forms import DingTalkForms
from viatica.connectors.dingtalk.guide import GUIDE
from viatica.connectors.dingtalk.messages import DingTalkMessages, DingTalkTodo
from viatica.connectors.dingtalk.people import DingTalkSignIn
from viatica.connectors.dingtalk.stream import stream
from viatica.connectors.registry import Connector
from viatica.connectors.settling import Settling
from viatica.offices.approval.ports import CaseState, CaseStatus
from viatica.offices.approval.reconciling import reconcile
from viatica.offices.company.directory.running import changed
from viatica.spine.models import Connection
from viatica.spine.outcomes import Done, Outcome

KIND = "dingtalk"


def translate_event(connection: Connection, body: dict[str, Any], at: datetime) -> Outcome:
    """Approvals are looked at, changes of the address book read again; other kinds of event stay stored, and that is all."""
    if change := directory.change(body):
        is_ours = "directory" in connection.uses
        return (
            changed(connection, change, at=at) if is_ours else Done({"ignored": translate.event_type(body)})
        )
    return SETTLING.settle(connection, body, at) or Done({"ignored": translate.event_type(body)})


def _look(connection: Connection, instance_id: str) -> CaseState | None:
    """One that takes an approval back tells, once it is approved itself, of the instance that was approved before."""
    port = DingTalkApproval(connection)
    found = port.instance(instance_id)
    if found is None:
        return None
    if found.revokes and found.state.status is CaseStatus.APPROVED:
        undone = port.instance(found.revokes)
        return replace(undone.state, status=CaseStatus.WITHDRAWN) if undone else found.state
    return port.standing(found)


SETTLING = Settling(
    instance_of=translate.event_instance,
    news=translate.news,
    look=_look,
)
CONNECTOR = Connector(
    kind=KIND,
    name=SYSTEM,
    door=door,
    translate=translate_event,
    approval=DingTalkApproval,
    desk=DingTalkDesk,
    messages=DingTalkMessages,
    todos=DingTalkTodo,
    sign_in=DingTalkSignIn,
    reconcile=reconcile,
    check=doctor.check,
    directory=DingTalkDirectory,
    stream=stream,
    quotas=(CALLS,),
    defaults=DingTalkSetup.usual,
    forms=DingTalkForms,
    guide=GUIDE,
)

__all__ = [
    "CONNECTOR", "DingTalkApproval", "DingTalkDesk", "DingTalkDirectory", "DingTalkMessages", "DingTalkSignIn",
    "DingTalkTodo",
]  # fmt: skip
