"""WeCom's own approvals (审批应用) as the approval office wants them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from viatica.connectors.wecom import attachments, events, filling, mapping, translate
from viatica.connectors.wecom.client import WeComClient
from viatica.connectors.wecom.errors import (
    BUSY_S,
    SYSTEM,
    CannotComment,
    CannotWithdraw,
    MayNotApprove,
    TooManyForms,
)
from viatica.connectors.wecom.mapping import FormMap
from viatica.connectors.wecom.translate import Form
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

WINDOW = timedelta(days=31)
NARROWEST = timedelta(minutes=1)
SKEW = timedelta(minutes=5)  # how far WeCom's clock may stand from ours


class WeComApproval:
    """Fills `approval.ports.ApprovalPort` for one connection."""

    kind = "wecom"

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.client = WeComClient.of(connection)
        self.maps = mapping.form_maps(connection.settings)
        is_ours = any(one.flow_is_ours for one in self.maps.values())
        self.can = Capabilities(
            withdraw=False,
            comment=False,
            add_signer=False,
            given_approvers=is_ours,
            cc=is_ours,
            callback="push",
            list_window_days=WINDOW.days,
            may_be_undone=True,
        )

    def submit(self, order: CaseOrder) -> InstanceId:
        layout = mapping.form_map(self.connection.settings, order.kind)
        # A form that cannot be filled is refused before its files go up.
        filling.form_body(order, layout)
        media_ids = attachments.upload(self.client, order, layout)
        return InstanceId(self.client.apply(filling.form_body(order, layout, media_ids)))

    def look(self, case: CaseRef) -> CaseState | None:
        """By WeCom's number, or by ours in the forms its applicant handed in since."""
        if case.instance_id is None:
            return self._find(case)
        found = self.form(case.instance_id)
        if found is not None:
            return found.state
        if self._is_listed(case):
            raise OutsideUnavailable(system=SYSTEM, said_by=case.instance_id, retry_after=BUSY_S)
        return CaseState(case.instance_id, None, CaseStatus.GONE)

    def form(self, sp_no: str) -> Form | None:
        """One form as it stands; None when WeCom says that there is no such."""
        info = self.client.form(sp_no)
        return None if info is None else translate.form(info, self._number_ids(), self._zone())

    def _number_ids(self) -> Mapping[str, str]:
        return {one.template_id: one.fields[mapping.NUMBER].id for one in self.maps.values()}

    def _zone(self) -> str:
        return next((one.zone for one in self.maps.values()), mapping.ZONE)

    def _find(self, case: CaseRef) -> CaseState | None:
        for sp_no in self._handed_in(case):
            found = self.form(sp_no)
            if found is not None and found.state.number == case.number:
                return found.state
        return None

    def _is_listed(self, case: CaseRef) -> bool:
        """WeCom has no word for *gone* of its own: one that its list still tells of is not."""
        return case.instance_id in set(self._handed_in(case))

    def _handed_in(self, case: CaseRef) -> Iterator[str]:
        """What its applicant, if we know them, handed in with its form since the case was opened."""
        start, end = case.opened_at - SKEW, clock.now() + SKEW
        for layout in self._layouts(case.kind):
            try:
                yield from self._numbers(layout, start, end, case.applicant_userid)
            except MayNotApprove:
                if not case.applicant_userid:
                    raise
                # They have left: WeCom no longer takes their name as a filter.
                yield from self._numbers(layout, start, end, "")

    def _layouts(self, kind: str) -> list[FormMap]:
        """Of one kind; of all when it is not known. One template may serve several kinds."""
        wanted = [one for one in self.maps.values() if kind in ("", one.kind)]
        return list({one.template_id: one for one in wanted}.values())

    def withdraw(self, case: CaseRef, reason: str) -> None:
        """Only the applicant can, in WeCom. Raises CannotWithdraw unless it has been done."""
        state = self.look(case)
        if state is not None and state.status not in (CaseStatus.WITHDRAWN, CaseStatus.GONE):
            raise CannotWithdraw(system=SYSTEM, said_by=case.number)

    def comment(self, case: CaseRef, text: str) -> None:
        raise CannotComment(system=SYSTEM, said_by=case.number)

    def hear(self, event: dict[str, Any]) -> list[ApprovalNews]:
        return events.news(event, self.connection.pk)

    def list_since(self, start: datetime, end: datetime) -> Iterator[InstanceId]:
        for layout in self._layouts(""):
            yield from map(InstanceId, self._numbers(layout, start, min(end, clock.now() + SKEW), ""))

    def _numbers(self, layout: FormMap, start: datetime, end: datetime, userid: str) -> Iterator[str]:
        """Forms handed in within [start, end), in windows of at most 31 days, narrower ones where there are too many."""
        filters = {"template_id": layout.template_id} | ({"creator": userid} if userid else {})
        since = start
        while since < end:
            until = min(since + WINDOW, end)
            yield from self._window(since, until, filters)
            since = until

    def _window(self, since: datetime, until: datetime, filters: Mapping[str, str]) -> list[str]:
        try:
            # Both of its ends belong to a window over there, in whole seconds.
            last = int(until.timestamp()) - 1
            first = min(int(since.timestamp()), last)
            return list(self.client.form_numbers(start_s=first, end_s=last, filters=filters))
        except TooManyForms:
            if until - since <= NARROWEST:
                raise
            middle = since + (until - since) / 2
            return self._window(since, middle, filters) + self._window(middle, until, filters)
