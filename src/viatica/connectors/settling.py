"""What the worker makes of an approval event: it says *look*, and what the instance says is settled. Names no vendor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from viatica.connectors.looks import Looks
from viatica.kernel import clock
from viatica.offices.approval.news import settle
from viatica.offices.approval.ports import ApprovalNews, CaseState, CaseStatus, InstanceId, What
from viatica.spine.models import Connection
from viatica.spine.outcomes import Done, Later, Outcome

HEARD_AT = "viatica_heard_at"  # our own word in a stored event: when it came in
ENDS = frozenset({What.APPROVED, What.REJECTED, What.WITHDRAWN, What.DELETED})
TRUTH_MAY_LAG = timedelta(minutes=2)
LOOK_AGAIN_S = 3.0


@dataclass(frozen=True, slots=True)
class Settling:
    """The connector's part. `look` asks the OA. `is_reversal` events are looked at even when an earlier look covers them."""

    instance_of: Callable[[dict[str, Any]], str]
    news: Callable[[dict[str, Any], int], Sequence[ApprovalNews]]
    look: Callable[[Connection, str], CaseState | None]
    is_reversal: Callable[[dict[str, Any]], bool] = lambda body: False
    looks: Looks = field(default_factory=Looks)

    def settle(self, connection: Connection, body: dict[str, Any], at: datetime) -> Outcome | None:
        """None: an event of no instance. One look serves every event that had come in before it began."""
        instance_id = self.instance_of(body)
        if not instance_id:
            return None
        heard_at = datetime.fromisoformat(body[HEARD_AT]) if HEARD_AT in body else at
        with self.looks.turn(connection.pk, instance_id):
            if self.looks.covers(connection.pk, instance_id, heard_at) and not self.is_reversal(body):
                return Done({"covered": instance_id})
            return self._look_and_settle(connection, instance_id, body, heard_at, at)

    def _look_and_settle(
        self, connection: Connection, instance_id: str, body: dict[str, Any], heard_at: datetime, at: datetime
    ) -> Outcome:
        began_at = clock.now()
        state = self.look(connection, instance_id) or CaseState(
            InstanceId(instance_id), None, CaseStatus.GONE
        )
        if _lags(self.news(body, connection.pk), state) and began_at - heard_at < TRUTH_MAY_LAG:
            return Later(LOOK_AGAIN_S, f"{instance_id} has ended, but still reads {state.status}")
        heard = settle(connection_id=connection.pk, state=state, at=at)
        self.looks.note(connection.pk, instance_id, began_at)
        return Done({"settled": str(heard), "status": str(state.status)})


def _lags(news: Sequence[ApprovalNews], state: CaseState) -> bool:
    """Whether the event tells of an end that the instance does not show yet."""
    return state.status is CaseStatus.RUNNING and any(one.what in ENDS for one in news)
