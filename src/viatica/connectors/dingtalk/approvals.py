"""DingTalk's official OA approval as the approval office wants it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from viatica.connectors.dingtalk import translate
from viatica.connectors.dingtalk.client import DingTalkClient
from viatica.connectors.dingtalk.errors import SYSTEM, TERMINATE_BAN_S, TooEarlyToWithdraw
from viatica.connectors.dingtalk.translate import FormMap, Instance
from viatica.connectors.errors import AlreadyEnded, NoSuchInstance
from viatica.kernel import clock
from viatica.kernel.errors import OutsideRefused
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

WINDOW = timedelta(days=120)
REACH = timedelta(days=365)
SKEW = timedelta(minutes=5)  # how far DingTalk's clock may stand from ours
SHORTEST_WAIT_S = 2.0


class DingTalkApproval:
    """Fills `approval.ports.ApprovalPort` for one connection."""

    kind = "dingtalk"
    can = Capabilities(
        withdraw=True,
        comment=True,
        add_signer=False,
        given_approvers=True,
        cc=True,
        callback="push",
        list_window_days=WINDOW.days,
        may_be_undone=True,
    )

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.client = DingTalkClient.of(connection)
        self.maps = translate.form_maps(connection.settings)

    def submit(self, order: CaseOrder) -> InstanceId:
        mapping = translate.form_map(self.connection.settings, order.kind)
        body = translate.instance_body(order, mapping)
        if "deptId" not in body and not order.approvers:
            body["deptId"] = self._department_of(order.applicant.userid)
        return InstanceId(self.client.create_instance(body))

    def _department_of(self, userid: str) -> int:
        """Somebody's first department; DingTalk asks for one when its own flow decides."""
        dept_ids = translate.user(self.client.user(userid)).dept_ids
        return translate.workflow_dept(dept_ids[0] if dept_ids else translate.ROOT_IN_DIRECTORY)

    def look(self, case: CaseRef) -> CaseState | None:
        if case.instance_id is not None:
            found = self.instance(case.instance_id)
            return self.standing(found) if found else CaseState(case.instance_id, None, CaseStatus.GONE)
        return self._find(case)

    def standing(self, found: Instance) -> CaseState:
        """What has been approved may be taken back by an instance of its own, which is then attached to it."""
        state = found.state
        if state.status is CaseStatus.APPROVED and any(map(self._is_revocation, found.attached)):
            return replace(state, status=CaseStatus.WITHDRAWN)
        return state

    def _is_revocation(self, instance_id: str) -> bool:
        found = self.instance(instance_id)
        return found is not None and bool(found.revokes) and found.state.status is CaseStatus.APPROVED

    def _find(self, case: CaseRef) -> CaseState | None:
        """By our number: what its applicant started with this form since the case was opened."""
        mapping = translate.form_map(self.connection.settings, case.kind)
        start = case.opened_at - SKEW
        originator = (case.applicant_userid,) if case.applicant_userid else ()
        for instance_id in self._ids(mapping, start, start + WINDOW, originator):
            found = self.instance(instance_id)
            if found is not None and found.state.number == case.number:
                return self.standing(found)
        return None

    def instance(self, instance_id: str) -> Instance | None:
        """One instance as it stands; None when DingTalk has no such."""
        result = self.client.instance(instance_id)
        labels = {one.number_label: None for one in self.maps.values()}
        return None if result is None else translate.instance(instance_id, result, labels)

    def withdraw(self, case: CaseRef, reason: str) -> None:
        instance_id = self._id_of(case)
        try:
            self.client.terminate(instance_id, userid=case.applicant_userid, remark=reason)
        except AlreadyEnded as refusal:
            self._judge(instance_id, case, refusal)

    def _judge(self, instance_id: InstanceId, case: CaseRef, refusal: AlreadyEnded) -> None:
        """DingTalk says the same to *too early* and to *too late*: the instance tells which."""
        found = self.instance(instance_id)
        match found.state.status if found else CaseStatus.GONE:
            case CaseStatus.WITHDRAWN | CaseStatus.GONE:
                return
            case CaseStatus.RUNNING:
                age_s = (clock.now() - case.opened_at).total_seconds()
                left = max(SHORTEST_WAIT_S, TERMINATE_BAN_S - age_s)
                said = str(refusal.params["said_by"])
                raise TooEarlyToWithdraw(system=SYSTEM, said_by=said, retry_after=left) from refusal
            case _:
                raise refusal

    def comment(self, case: CaseRef, text: str) -> None:
        if not case.applicant_userid:
            raise OutsideRefused(system=SYSTEM, said_by="commentUserId")
        self.client.comment(self._id_of(case), userid=case.applicant_userid, text=text)

    def _id_of(self, case: CaseRef) -> InstanceId:
        if case.instance_id is not None:
            return case.instance_id
        found = self._find(case)
        if found is None:
            raise NoSuchInstance(system=SYSTEM, said_by=case.number)
        return found.instance_id

    def hear(self, event: dict[str, Any]) -> list[ApprovalNews]:
        return translate.news(event, self.connection.pk)

    def list_since(self, start: datetime, end: datetime) -> Iterator[InstanceId]:
        # One template may serve several kinds of document.
        for mapping in {one.process_code: one for one in self.maps.values()}.values():
            for instance_id in self._ids(mapping, start, end, ()):
                yield InstanceId(instance_id)

    def _ids(
        self, mapping: FormMap, start: datetime, end: datetime, originator: tuple[str, ...]
    ) -> Iterator[str]:
        """In windows of at most 120 days, none beginning more than a year ago or in the future."""
        now = clock.now()
        start, end = max(start, now - REACH + SKEW), min(end, now + SKEW)
        while start < end:
            until = min(start + WINDOW, end)
            yield from self.client.instance_ids(
                mapping.process_code, start_ms=_ms(start), end_ms=_ms(until), userids=originator
            )
            start = until


def _ms(at: datetime) -> int:
    return int(at.astimezone(UTC).timestamp() * 1000)
