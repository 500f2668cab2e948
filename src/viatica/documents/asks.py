"""Whoever is asked about a paper hears of it: a task, a reminder (催办), a copy (抄送)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from viatica.kernel.words import N_
from viatica.offices.approval.ports import Asked, Why
from viatica.offices.notices import services as notices

SUBJECTS = {
    Why.OPENED: N_("{number} waits for your decision: {title}"),
    Why.URGED: N_("Reminder {times}: {number} waits for your decision: {title}"),
    Why.COPIED: N_("A copy for you: {number} {title}"),
}


def tell(asked: Sequence[Asked]) -> None:
    """An OA that shows the task itself also announces it; a reminder we send in any case."""
    told: defaultdict[tuple[Why, int], list[Asked]] = defaultdict(list)
    for one in asked:
        if not (one.in_oa and one.why is Why.OPENED):
            told[one.why, one.times].append(one)
    for (why, times), alike in told.items():
        first = alike[0]
        notices.tell_many(
            employee_ids=[one.employee_id for one in alike],
            subject=SUBJECTS[why],
            params={"number": first.number, "title": first.title, "times": times},
            ref=first.ref,
            at=first.at,
            kind=f"case.{why}",
        )
