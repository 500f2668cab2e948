"""Between the company here and an OA there: a relay one turns by hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from viatica.kernel.refs import Ref
from viatica.offices.approval import deliveries, services
from viatica.offices.approval.news import Heard
from viatica.offices.approval.ports import ApprovalNews, InstanceId
from viatica.offices.approval.tests.toy import ToyOA
from viatica.offices.company.models import OutsideIdentity
from viatica.spine import facts
from viatica.spine.models import Connection, OutboxMessage
from viatica.spine.outcomes import Delivery

if TYPE_CHECKING:
    from viatica.offices.approval.tests.conftest import Desk


@dataclass
class Bridge:
    """The desk here, the OA there, and a relay one turns by hand."""

    desk: Desk
    oa: ToyOA
    connection: Connection
    delivered: int = 0

    def link(self, *names: str) -> None:
        for name in names:
            person = self.desk[name]
            OutsideIdentity.objects.get_or_create(
                employee=person, connection=self.connection, defaults={"userid": f"u-{name}", "dept_id": "1"}
            )

    def messages(self) -> list[OutboxMessage]:
        return list(OutboxMessage.objects.filter(pk__gt=self.delivered).order_by("id"))

    def deliver(self, *, earlier_unknown: bool = False) -> list[Any]:
        """Everything that waits, in order; the first that fails stays and is raised."""
        outcomes = []
        for message in self.messages():
            outcomes.append(self.attempt(message, earlier_unknown=earlier_unknown))
            self.delivered = message.pk
        return outcomes

    def attempt(self, message: OutboxMessage, *, earlier_unknown: bool = False, attempt: int = 1) -> Any:
        handlers = {
            "approval.submit": deliveries.deliver_submit,
            "approval.withdraw": deliveries.deliver_withdraw,
            "approval.comment": deliveries.deliver_comment,
        }
        return handlers[message.kind](
            Delivery(
                message.pk,
                message.kind,
                message.lane,
                message.payload,
                message.connection_id,
                attempt,
                earlier_unknown,
            )
        )

    def hear(self, news: list[ApprovalNews] | None = None) -> list[Heard]:
        told = self.oa.news if news is None else news
        heard = [services.apply(one, at=self.desk.at) for one in list(told)]
        if news is None:
            self.oa.news.clear()
        return heard

    def instance(self, ref: Ref) -> Any:
        return self.oa.instances[InstanceId(self.desk.case(ref).instance_id or "")]

    def ignored(self, ref: Ref) -> list[str]:
        return [row.data["reason"] for row in facts.timeline(ref) if row.fact == "news.ignored"]


def submitted(bridge: Bridge, *steps: Any, key: str = "1") -> Ref:
    desk = bridge.desk
    desk.flow(
        *(steps or (desk.named("甲", step="经理"), desk.named("乙", "丙", mode="any_sign", step="总监")))
    )
    return desk.submit(key)
