"""A crowd: as many invented people in as many departments as a benchmark wants, the same every time.

Nobody is kept. A person is worked out from a number when somebody asks, so a million of them weigh nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕"
FIRST = "志文晓建明海雨思子佳梦嘉宇欣俊雅博静天诗"
LAST = "强伟芳敏杰娟涛霞勇燕军丽平华刚玲辉鑫琳𠮷"
ROOMS = ("研发", "销售", "市场", "财务", "人力", "采购", "生产", "质量", "物流", "客服", "法务", "行政")
TITLES = ("工程师", "主管", "专员", "客户经理", "分析师", "顾问", "助理", "高级工程师")
BELOW_EACH = 8  # departments under a department
LOGIN = re.compile(r"p(\d{7})")


@dataclass(frozen=True, slots=True)
class Room:
    """A department of the crowd; `parent` is a number, None on the first level; `head` a number of a person."""

    number: int
    name: str
    parent: int | None
    head: int | None


@dataclass(frozen=True, slots=True)
class Stranger:
    """A person of the crowd; `room` and `manager` are numbers."""

    number: int
    login: str
    name: str
    room: int
    title: str
    manager: int | None
    is_head: bool

    @property
    def mobile(self) -> str:
        return mobile_of(self.number)

    @property
    def email(self) -> str:
        return f"{self.login}@crowd.example.com"

    @property
    def employee_number(self) -> str:
        return f"N{self.number:07d}"


@dataclass(frozen=True, slots=True)
class Crowd:
    """Person n sits in department n modulo `departments`; the first in each leads it."""

    people: int
    departments: int
    seed: int = 0

    def __post_init__(self) -> None:
        if not (0 <= self.people < 10_000_000 and 1 <= self.departments <= max(self.people, 1)):
            raise ValueError(
                "people must be under 10,000,000, departments between 1 and the number of people"
            )

    def room(self, number: int) -> Room:
        parent = number // BELOW_EACH - 1
        name = f"{ROOMS[number % len(ROOMS)]}{number + 1}部"
        head = number if number < self.people else None
        return Room(number, name, parent if parent >= 0 else None, head)

    def rooms(self) -> Iterator[Room]:
        """Parents first."""
        return map(self.room, range(self.departments if self.people else 0))

    def person(self, number: int) -> Stranger:
        room = number % self.departments
        is_head = number < self.departments
        boss = self.room(room).parent if is_head else room
        luck = _mixed(number, self.seed)
        given = FIRST[luck // 41 % len(FIRST)] + LAST[luck // 997 % len(LAST)]
        return Stranger(
            number,
            login_of(number),
            SURNAMES[luck % len(SURNAMES)] + given,
            room,
            "经理" if is_head else TITLES[luck // 7 % len(TITLES)],
            boss,
            is_head,
        )

    def numbers_in(self, room: int) -> range:
        return range(room, self.people, self.departments)

    def find(self, login: str) -> int | None:
        """The number behind a login, if there is such a person."""
        match = LOGIN.fullmatch(login)
        return int(match[1]) if match and int(match[1]) < self.people else None

    def lucky(self, count: int, *, seed: int) -> list[int]:
        """`count` different people who lead nobody, spread over the whole crowd; another seed, other people."""
        wanted = range(self.departments, self.people)
        count = min(count, len(wanted))
        step = len(wanted) // count if count else 1
        return [wanted[place * step + _mixed(place, seed) % step] for place in range(count)]


def login_of(number: int) -> str:
    return f"p{number:07d}"


def mobile_of(number: int) -> str:
    return f"199{number:08d}"


def _mixed(number: int, seed: int) -> int:
    """A number that looks like a thrown die (Knuth's multiplicative hash)."""
    return ((number + 1) * 2_654_435_761 ^ (seed + 1) * 40_503) % 2**32
