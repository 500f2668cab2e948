"""Two and more at the same moment, on a real PostgreSQL, each in a transaction of their own."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import count
from threading import Barrier, Thread
from typing import Any

import pytest
from django.db import connection, transaction

from viatica.kernel.errors import Conflict
from viatica.offices.approval import errors, ports, services
from viatica.offices.approval.desk import decide_from_desk
from viatica.offices.approval.models import Item, ItemState
from viatica.offices.approval.ports import Verdict
from viatica.offices.approval.tests.conftest import Desk, listen, make_desk
from viatica.offices.approval.tests.toy_desk import ToyDesk
from viatica.offices.company.models import OutsideIdentity
from viatica.spine import relay
from viatica.spine.models import Connection

KEYS = (f"busy-{n}" for n in count())  # facts outlive a test's flush
NAMES = [f"审批人{n}" for n in range(8)]


def at_once(acts: list[Callable[[], Any]]) -> list[Any]:
    """What each returned or raised, all started together."""
    results: list[Any] = [None] * len(acts)
    barrier = Barrier(len(acts))

    def run(n: int) -> None:
        try:
            barrier.wait()
            with transaction.atomic():
                results[n] = acts[n]()
        except Exception as error:
            results[n] = error
        finally:
            connection.close()

    threads = [Thread(target=run, args=(n,)) for n in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.fixture
def busy_desk(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Desk:
    desk = make_desk()
    listen(desk, monkeypatch)
    return desk


def decide(desk: Desk, item: Item, verdict: str = "approve") -> Callable[[], Any]:
    assert item.approver is not None
    actor = item.approver

    def act() -> Any:
        return services.decide(
            item_id=item.pk,
            actor=actor,
            verdict=verdict,
            comment="阅",
            expected_version=item.version,
            at=desk.at,
        )

    return act


def test_eight_approve_at_once_and_one_succeeds(busy_desk: Desk) -> None:
    desk = busy_desk
    desk.flow(desk.named(*NAMES, mode="any_sign"))
    ref = desk.submit(next(KEYS))
    results = at_once([decide(desk, item) for item in desk.items(ref)])
    lost = [result for result in results if isinstance(result, Exception)]
    assert len(lost) == 7
    assert {type(error) for error in lost} == {errors.AlreadyHandled}
    winner = next(item for item in desk.items(ref) if item.state == ItemState.APPROVED)
    assert winner.approver is not None
    assert all(winner.approver.name in str(error) and "2026-11-24 10:00" in str(error) for error in lost)
    assert len(desk.conclusions) == 1
    assert desk.facts(ref).count("case.decided") == 1
    assert sorted(desk.states(ref).values()) == ["approved"] + ["cancelled"] * 7


def test_one_task_clicked_eight_times_counts_once(busy_desk: Desk) -> None:
    desk = busy_desk
    desk.flow(desk.named(NAMES[0]))
    ref = desk.submit(next(KEYS))
    results = at_once([decide(desk, desk.items(ref)[0])] * 8)
    assert sum(isinstance(result, Conflict) for result in results) == 7
    assert len(desk.conclusions) == 1


def test_eight_countersign_at_once_and_nobody_is_lost(busy_desk: Desk) -> None:
    """Each waits for all others, so the last one must see what the others did."""
    desk = busy_desk
    desk.flow(desk.named(*NAMES, mode="countersign"))
    ref = desk.submit(next(KEYS))
    results = at_once([decide(desk, item) for item in desk.items(ref)])
    assert [result for result in results if isinstance(result, Exception)] == []
    assert desk.case(ref).state == "approved"
    assert len(desk.conclusions) == 1
    assert desk.facts(ref).count("case.decided") == 8


def test_approve_and_withdraw_at_once_end_it_once(busy_desk: Desk) -> None:
    desk = busy_desk
    desk.flow(desk.named(NAMES[0]))
    for _ in range(5):
        desk.conclusions.clear()
        ref = desk.submit(next(KEYS))
        withdraw = partial(services.withdraw, ref=ref, actor=desk["owner"], at=desk.at)
        results = at_once([decide(desk, desk.items(ref)[0]), withdraw])
        assert sum(isinstance(result, Conflict) for result in results) == 1
        assert [conclusion.outcome for conclusion in desk.conclusions] == [desk.case(ref).state]


def test_opened_twice_at_once_is_one_live_case(busy_desk: Desk) -> None:
    desk = busy_desk
    desk.flow(desk.named(NAMES[0]))
    results = at_once([lambda: desk.submit("at-once")] * 4)
    assert sum(isinstance(result, errors.CaseIsLive) for result in results) == 3
    assert Item.objects.count() == 1


# On a desk


@pytest.fixture
def busy_hall(busy_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> tuple[Connection, ToyDesk]:
    there = Connection.objects.create(slug="toy", kind="toy", name="玩具OA", uses=["desk"])
    busy_desk.entity.connection = there
    busy_desk.entity.save()
    toy = ToyDesk(there.pk)
    monkeypatch.setattr(ports, "_desks", {"toy": lambda _: toy})
    for name in ("甲", "乙"):
        OutsideIdentity.objects.create(employee=busy_desk[name], connection=there, userid=f"u-{name}")
    return there, toy


def test_the_same_click_eight_times_at_once_counts_once(
    busy_desk: Desk, busy_hall: tuple[Connection, ToyDesk]
) -> None:
    there, toy = busy_hall
    busy_desk.flow(busy_desk.named("甲"))
    ref = busy_desk.submit(next(KEYS))
    relay.drain()
    told = toy.click(busy_desk.case(ref).number, "u-甲")
    results = at_once([partial(decide_from_desk, there, [told], busy_desk.at) for _ in range(8)])
    assert sorted(str(one) for (one,) in results) == ["applied", *["ignored"] * 7]
    assert len(busy_desk.conclusions) == 1
    assert busy_desk.facts(ref).count("case.decided") == 1
    assert busy_desk.facts(ref).count("news.ignored") == 1
    relay.drain()
    assert busy_desk.case(ref).is_agreed


def test_there_and_here_at_once_the_first_counts(
    busy_desk: Desk, busy_hall: tuple[Connection, ToyDesk]
) -> None:
    there, toy = busy_hall
    busy_desk.flow(busy_desk.named("甲", "乙", mode="any_sign"))
    for _ in range(5):
        ref = busy_desk.submit(next(KEYS))
        relay.drain()
        number = busy_desk.case(ref).number
        clicks = [toy.click(number, "u-甲"), toy.click(number, "u-乙", Verdict.REJECT)]
        acts = [partial(decide_from_desk, there, [told], busy_desk.at) for told in clicks]
        here = decide(busy_desk, busy_desk.item(ref, "甲"), "reject")
        results = at_once([*acts, here])
        won = [one for one in results if one == ["applied"] or not isinstance(one, (list, Exception))]
        assert len(won) == 1, results
        assert busy_desk.facts(ref).count("case.decided") == 1
        relay.drain()
        assert toy.paper(number).board.status.value == busy_desk.case(ref).state
        assert toy.list_of("u-甲") == toy.list_of("u-乙") == []
        assert busy_desk.case(ref).is_agreed
