from __future__ import annotations

import tracemalloc
from collections import Counter

import pytest

from simulators.feishu.company import Company
from simulators.stage.crowd import Crowd


def test_everybody_sits_in_one_department_and_every_department_has_a_head() -> None:
    crowd = Crowd(1003, 40)
    rooms = list(crowd.rooms())
    seats = Counter(number for room in rooms for number in crowd.numbers_in(room.number))
    assert seats == Counter(range(1003))
    for room in rooms:
        assert room.head is not None
        assert crowd.person(room.head).is_head
        assert crowd.person(room.head).room == room.number
        assert room.parent is None or room.parent < room.number  # parents first


def test_managers_lead_up_to_the_top() -> None:
    crowd = Crowd(5000, 300)
    for number in range(0, 5000, 113):
        steps = 0
        boss = crowd.person(number).manager
        while boss is not None:
            assert crowd.person(boss).is_head
            boss, steps = crowd.person(boss).manager, steps + 1
        assert steps <= 4


def test_logins_lead_back() -> None:
    crowd = Crowd(100, 10)
    assert [crowd.find(crowd.person(number).login) for number in range(100)] == list(range(100))
    assert [crowd.find(login) for login in ("p0000100", "p1", "zhangsan", "P0000001")] == [None] * 4


def test_names_are_many_and_some_are_rare() -> None:
    names = Counter(Crowd(20_000, 100).person(number).name for number in range(20_000))
    assert len(names) > 4000
    assert any("𠮷" in name for name in names)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_lucky_are_different_people_who_lead_nobody(seed: int) -> None:
    crowd = Crowd(10_000, 100)
    lucky = crowd.lucky(50, seed=seed)
    assert len(set(lucky)) == 50
    assert min(lucky) >= 100
    assert lucky != crowd.lucky(50, seed=seed + 1)
    assert sorted(crowd.lucky(20_000, seed=seed)) == list(range(100, 10_000))


@pytest.mark.parametrize(("people", "departments"), [(-1, 1), (10_000_000, 1), (5, 0), (5, 6)])
def test_sizes_that_make_no_sense(people: int, departments: int) -> None:
    with pytest.raises(ValueError, match="people must be"):
        Crowd(people, departments)


def test_a_million_people_weigh_next_to_nothing() -> None:
    company = Company()
    tracemalloc.start()
    try:
        company.gather(Crowd(1_000_000, 1000))
        assert sum(1 for _ in company.users.unseen()) == 1_000_000
        assert len(company.members_of("B000500")) == 1000
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(company.users) == 1_000_000
    assert kept < 2 * 1024 * 1024
