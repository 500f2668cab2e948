"""Feishu's native approvals as the approval office wants them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from viatica.connectors.errors import BUSY_PAUSE_S, AlreadyEnded, NoSuchInstance
from viatica.connectors.feishu import attachments, translate
from viatica.connectors.feishu.client import FeishuClient
from viatica.connectors.feishu.errors import SYSTEM, NotWithdrawnYet, NumberTaken
from viatica.connectors.feishu.translate import Instance
from viatica.kernel import clock
from viatica.kernel.errors import OutsideUnavailable
from viatica.offices.approval.ports import (
    ApprovalNews,
    Capabilities,
    CaseOrder,
    CaseRef,
    CaseState,
    CaseStatus,
    InstanceId,
)
from viatica.spine.models import Connection

WINDOW = timedelta(hours=10)
REACH = timedelta(days=30)
SKEW = timedelta(minutes=5)  # how far Feishu's clock may stand from ours


class FeishuApproval:
    """Fills `approval.ports.ApprovalPort` for one connection."""

    kind = "feishu"

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.client = FeishuClient.of(connection)
        self.maps = translate.form_maps(connection.settings)
        # The flow is Feishu's; only nodes that ask whom the applicant names can be filled from here.
        self.can = Capabilities(
            withdraw=True,
            comment=True,
            add_signer=False,
            given_approvers=any(one.approver_nodes for one in self.maps.values()),
            cc=any(one.cc_node for one in self.maps.values()),
            callback="push",
            list_window_days=REACH.days,
            may_be_undone=True,
        )

    def submit(self, order: CaseOrder) -> InstanceId:
        mapping = translate.form_map(self.connection.settings, order.kind)
        codes = attachments.upload(self.client, tuple(order.form.attachments), mapping)
        try:
            return InstanceId(self.client.create_instance(translate.instance_body(order, mapping, codes)))
        except NumberTaken as taken:
            return self._ours(order, mapping.approval_code, taken)

    def _ours(self, order: CaseOrder, approval_code: str, taken: NumberTaken) -> InstanceId:
        """The instance an earlier attempt made. Raises `taken` when it is somebody else's."""
        found = self.instance(order.number)
        if found is None:
            raise OutsideUnavailable(
                system=SYSTEM, said_by=str(taken.params["said_by"]), retry_after=BUSY_PAUSE_S
            ) from taken
        if (found.approval_code, found.originator_userid) != (approval_code, order.applicant.userid):
            raise taken
        return found.state.instance_id

    def look(self, case: CaseRef) -> CaseState | None:
        """By Feishu's code or, where its answer was lost, by our number, which is the instance's uuid."""
        found = self.instance(case.instance_id or case.number)
        if found is not None:
            return standing(found)
        return CaseState(case.instance_id, None, CaseStatus.GONE) if case.instance_id else None

    def instance(self, code_or_number: str) -> Instance | None:
        """One instance as it stands; None when Feishu has no such."""
        data = self.client.instance(code_or_number)
        return None if data is None else translate.instance(data)

    def withdraw(self, case: CaseRef, reason: str) -> None:
        """Look, cancel, look: cancelling one that was approved would not end it but undo its approval."""
        found = self._running(case)
        if found is None:
            return
        userid = case.applicant_userid or found.originator_userid
        self.client.cancel(found.approval_code, found.state.instance_id, userid=userid)
        if self._running(case) is not None:
            raise NotWithdrawnYet(system=SYSTEM, said_by=case.number, retry_after=BUSY_PAUSE_S)

    def _running(self, case: CaseRef) -> Instance | None:
        """None when it is withdrawn or gone. Raises AlreadyEnded, NoSuchInstance."""
        found = self.instance(case.instance_id or case.number)
        if found is None:
            if case.instance_id is None:
                raise NoSuchInstance(system=SYSTEM, said_by=case.number)
            return None
        match found.state.status:
            case CaseStatus.RUNNING:
                return found
            case CaseStatus.WITHDRAWN | CaseStatus.GONE:
                return None
            case ended:
                raise AlreadyEnded(system=SYSTEM, said_by=ended.value)

    def comment(self, case: CaseRef, text: str) -> None:
        found = self.instance(case.instance_id or case.number)
        if found is None:
            raise NoSuchInstance(system=SYSTEM, said_by=case.number)
        userid = case.applicant_userid or found.originator_userid
        self.client.comment(found.state.instance_id, userid=userid, text=text)

    def hear(self, event: dict[str, Any]) -> list[ApprovalNews]:
        return translate.news(event, self.connection.pk)

    def list_since(self, start: datetime, end: datetime) -> Iterator[InstanceId]:
        """In windows of at most ten hours, none beginning a month ago or in the future."""
        now = clock.now()
        start, end = max(start, now - REACH), min(end, now + SKEW)
        # One approval may serve several kinds of document.
        for approval_code in dict.fromkeys(one.approval_code for one in self.maps.values()):
            since = start
            while since < end:
                until = min(since + WINDOW, end)
                codes = self.client.instance_codes(approval_code, start_ms=_ms(since), end_ms=_ms(until))
                yield from map(InstanceId, codes)
                since = until

    def subscribe(self) -> list[str]:
        """Have the events of every mapped approval sent here. The kinds whose events were not sent before.

        Choosing the events in the console is not enough; asking again changes nothing.
        """
        codes = {one.approval_code: one.kind for one in self.maps.values()}
        return [kind for code, kind in codes.items() if self.client.subscribe(code)]


def standing(found: Instance) -> CaseState:
    """What it means for us: one whose approval was undone runs once more, but what was approved stands no longer."""
    if found.is_reverted and found.state.status is CaseStatus.RUNNING:
        return replace(found.state, status=CaseStatus.WITHDRAWN)
    return found.state


def _ms(at: datetime) -> int:
    return int(at.astimezone(UTC).timestamp() * 1000)
