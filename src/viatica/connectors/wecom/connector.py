"""WeCom, put together: what the offices get, and what the worker does with an event."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from viatica.connectors.registry import Connector
from viatica.connectors.settling import Settling
from viatica.connectors.wecom import desk, directory, doctor, events, mapping
from viatica.connectors.wecom.approvals import WeComApproval
from viatica.connectors.wecom.callbacks import door
from viatica.connectors.wecom.client import WeComSetup
from viatica.connectors.wecom.desk import WeComDesk
from viatica.connectors.wecom.directory import WeComDirectory
from viatica.connectors.wecom.errors import BUSY_S, SYSTEM
from viatica.connectors.wecom.forms import WeComForms
from viatica.connectors.wecom.guide import GUIDE
from viatica.connectors.wecom.messages import WeComMessages
from viatica.connectors.wecom.people import WeComSignIn
from viatica.kernel.errors import OutsideUnavailable
from viatica.kernel.words import N_
from viatica.offices.approval.desk import decide_from_desk
from viatica.offices.approval.ports import CaseState
from viatica.offices.approval.reconciling import reconcile
from viatica.offices.company.directory.running import changed
from viatica.spine.models import Connection
from viatica.spine.outcomes import Done, Outcome
from viatica.spine.quotas import Quota

KIND = "wecom"


def translate_event(connection: Connection, body: dict[str, Any], at: datetime) -> Outcome:
    """Approvals are looked at, clicks are decisions, changes of the address book are read again."""
    if decisions := desk.decisions(body):
        return Done({"desk": [str(one) for one in decide_from_desk(connection, decisions, at)]})
    if change := directory.change(body):
        return (
            changed(connection, change, at=at)
            if "directory" in connection.uses
            else Done({"ignored": "contacts"})
        )
    if events.event_instance(body) and not _is_ours(connection, body):
        return Done({"ignored": events.event_template(body)})
    return SETTLING.settle(connection, body, at) or Done({"ignored": events.event_type(body)})


def _is_ours(connection: Connection, body: dict[str, Any]) -> bool:
    """Events come for every template ticked over there; others' forms may not even be read."""
    maps = mapping.form_maps(connection.settings)
    return events.event_template(body) in {one.template_id for one in maps.values()}


def _look(connection: Connection, sp_no: str) -> CaseState:
    """A form an event tells of is there, whatever is said a moment later."""
    found = WeComApproval(connection).form(sp_no)
    if found is None:
        raise OutsideUnavailable(system=SYSTEM, said_by=sp_no, retry_after=BUSY_S)
    return found.state


# 账号上限 × 200 person-times a day for each app (访问频率限制): the limit is the company's own.
QUOTAS = (Quota("messages_a_day", N_("messages to people a day")),)
SETTLING = Settling(
    instance_of=events.event_instance,
    news=events.news,
    look=_look,
    is_reversal=events.is_reversal,
)
CONNECTOR = Connector(
    kind=KIND,
    name=SYSTEM,
    door=door,
    translate=translate_event,
    approval=WeComApproval,
    desk=WeComDesk,
    messages=WeComMessages,
    sign_in=WeComSignIn,
    directory=WeComDirectory,
    reconcile=reconcile,
    check=doctor.check,
    defaults=WeComSetup.usual,
    forms=WeComForms,
    guide=GUIDE,
    quotas=QUOTAS,
)

__all__ = ["CONNECTOR", "WeComApproval", "WeComDesk", "WeComDirectory", "WeComMessages", "WeComSignIn"]
