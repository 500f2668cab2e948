"""Whoever is asked about a paper hears of it: a task, a reminder (催办), a copy (抄送); and that it is over."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from viatica.kernel.words import N_
from viatica.offices.approval.ports import Asked, DeskStatus, Unasked, Why
from viatica.offices.notices import services as notices

SUBJECTS = {
    Why.OPENED: N_("{number} waits for your decision: {title}"),
    Why.URGED: N_("Reminder {times}: {number} waits for your decision: {title}"),
    Why.COPIED: N_("A copy for you: {number} {title}"),
}
NOT_DONE = (DeskStatus.CANCELLED, DeskStatus.WAITING)


def tell(asked: Sequence[Asked]) -> set[int]:
    """An OA that shows the task itself also announces it; a reminder we send in any case. The items told of in an OA."""
    told: defaultdict[tuple[Why, int], list[Asked]] = defaultdict(list)
    for one in asked:
        if not (one.in_oa and one.why is Why.OPENED):
            told[one.why, one.times].append(one)
    items: set[int] = set()
    for (why, times), alike in told.items():
        first = alike[0]
        reached = notices.ask_many(
            tasks=[notices.Task(one.employee_id, _todo(one), one.url) for one in alike],
            subject=SUBJECTS[why],
            params={"number": first.number, "title": first.title, "times": times},
            ref=first.ref,
            at=first.at,
            kind=f"case.{why}",
        )
        items |= {one.item_id for one in alike if one.item_id and one.employee_id in reached}
    return items


def _todo(one: Asked) -> str:
    """A reminder is a message even to who has a list of to-dos."""
    return _key(one.item_id, one.since) if one.item_id and one.why is Why.OPENED else ""


def _key(item_id: int, since: datetime) -> str:
    """A task that comes back is another thing to do: no list reopens what was taken from it."""
    return f"viatica-item-{item_id}-{since:%Y%m%d%H%M%S}"


def untell(unasked: Sequence[Unasked]) -> None:
    """Their to-dos and cards say what became of the task."""
    notices.settle(
        over=[
            notices.Over(
                one.employee_id, _key(one.item_id, one.since), f"case.{one.now}", one.now not in NOT_DONE
            )
            for one in unasked
        ],
        ref=unasked[0].ref,
        at=unasked[0].at,
    )
