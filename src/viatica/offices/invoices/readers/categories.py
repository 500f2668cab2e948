"""From what was bought to what it was for: a hint, which the owner may change.

The values are those of `company.categories.Category`; readers stay free of Django, so they are texts here.
"""

from __future__ import annotations

from collections.abc import Iterable

from .reading import Item, Kind, Trip

BY_KIND = {
    Kind.RAIL: "rail",
    Kind.AIR: "air",
    Kind.TOLL: "taxi",
    Kind.TAXI_RECEIPT: "taxi",
    Kind.COACH_TICKET: "coach",
}
BY_VEHICLE: tuple[tuple[tuple[str, ...], str], ...] = (
    (("飞机", "航空"), "air"),
    (("火车", "高铁", "动车", "铁路"), "rail"),
    (("长途汽车", "客车", "公路", "轮船", "船"), "coach"),
    (("出租", "网约", "汽车", "轿车", "地铁", "公交"), "taxi"),
)
# The first group found in the line's name wins; the asterisked class and the name are both looked at.
BY_WORDS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("代订机票", "机票", "航空运输", "航空旅客", "民航", "客票行程", "退票费(机票)"), "air"),
    (("火车票", "铁路", "高铁"), "rail"),
    (("住宿", "酒店", "客房", "宾馆", "房费"), "lodging"),
    (("会议", "会展", "展览", "培训", "教育服务"), "conference"),
    (("餐饮", "餐费", "膳食"), "meals"),
    (("长途", "公路旅客", "客运站", "轮渡", "水路"), "coach"),
    (("客运服务", "出租", "网约", "打车", "通行费", "停车", "旅客运输", "运输服务"), "taxi"),
    (("电信", "通信", "话费", "宽带"), "communication"),
    (("办公", "文具", "纸制品", "打印", "耗材", "计算机配套"), "office"),
)


def hint(kind: Kind, items: Iterable[Item], trips: Iterable[Trip]) -> str | None:
    """The category most likely meant, or None when nothing tells."""
    if kind in BY_KIND:
        return BY_KIND[kind]
    for trip in trips:
        for words, category in BY_VEHICLE:
            if any(word in trip.vehicle for word in words):
                return category
    for item in items:
        for words, category in BY_WORDS:
            if any(word in item.name for word in words):
                return category
    return None
