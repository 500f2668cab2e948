"""Feishu, put together: what the offices get, and what the worker does with an event."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import structlog

from viatica.connectors.feishu import directory, doctor, external, translate
from viatica.connectors.feishu.approvals import FeishuApproval, standing
from viatica.connectors.feishu.callbacks import door
from viatica.connectors.feishu.client import FeishuSetup
from viatica.connectors.feishu.desk import FeishuDesk
from viatica.connectors.feishu.directory import FeishuDirectory
from viatica.connectors.feishu.errors import SYSTEM
from viatica.connectors.feishu.forms import FeishuForms
from viatica.connectors.feishu.guide import GUIDE
from viatica.connectors.feishu.messages import FeishuMessages
from viatica.connectors.feishu.people import FeishuSignIn
from viatica.connectors.feishu.stream import stream
from viatica.connectors.registry import Connector
from viatica.connectors.settling import Settling
from viatica.kernel.errors import OutsideError
from viatica.offices.approval import reconciling
from viatica.offices.approval.desk import decide_from_desk
from viatica.offices.approval.ports import CaseState
from viatica.offices.company.directory.running import changed
from viatica.spine.models import Connection
from viatica.spine.outcomes import Done, Outcome
from viatica.spine.reconcile import ReconcileReport

log = structlog.get_logger(__name__)

KIND = "feishu"


def translate_event(connection: Connection, body: dict[str, Any], at: datetime) -> Outcome:
    """Approvals are looked at, presses are decisions, changes of the contacts are read again; the rest stays stored."""
    if decisions := external.decisions(body):
        return Done({"desk": [str(one) for one in decide_from_desk(connection, decisions, at)]})
    if (change := directory.change(body)) and "directory" in connection.uses:
        return changed(connection, change, at=at)
    return SETTLING.settle(connection, body, at) or Done({"ignored": translate.event_type(body)})


def _look(connection: Connection, instance_id: str) -> CaseState | None:
    found = FeishuApproval(connection).instance(instance_id)
    return standing(found) if found else None


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


SETTLING = Settling(
    instance_of=translate.event_instance,
    news=translate.news,
    look=_look,
    is_reversal=translate.is_reversal,
)
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
    desk=FeishuDesk,
    directory=FeishuDirectory,
    defaults=FeishuSetup.usual,
    forms=FeishuForms,
    guide=GUIDE,
    stream=stream,
)

__all__ = ["CONNECTOR", "FeishuApproval", "FeishuDesk", "FeishuDirectory", "FeishuMessages", "FeishuSignIn"]
