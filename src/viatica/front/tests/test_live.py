"""Pages that change by themselves: what happens while one is drawn is shown by its next question."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from viatica.front.tests.conftest import House, text_of


class Meanwhile:
    """Somebody else acts right after a table was first read."""

    def __init__(self, table: str, act: Callable[[], None]) -> None:
        self.table = table
        self.act: Callable[[], None] | None = act

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        answer = execute(sql, params, many, context)
        if self.act and f'FROM "{self.table}"' in sql:
            act, self.act = self.act, None
            act()
        return answer


@pytest.mark.parametrize(
    ("kind", "table", "who"),
    [
        ("report", "expense_expensereport", "owner"),
        ("trip", "travel_travelrequest", "owner"),
        ("approval", "approval_item", "approver"),
    ],
)
def test_a_decision_while_the_page_is_drawn_is_not_missed(
    house: House, kind: str, table: str, who: str
) -> None:
    paper = house.trip(approve=False) if kind == "trip" else house.report()
    item = house.item(paper)
    page = {
        "report": f"/reports/{paper.number}", "trip": f"/trips/{paper.number}", "approval": f"/approvals/{item}",
    }[kind]  # fmt: skip
    browser = house.client(who)
    with connection.execute_wrapper(Meanwhile(table, lambda: house.decide(paper))):
        drawn = browser.get(page)
    asked = re.search(r'hx-get="([^"]+)"', drawn.content.decode())
    if asked:
        fresh = browser.get(asked[1])
        assert fresh.status_code == 200, "the page would keep what it read before the decision"
        assert "审批中" not in text_of(fresh)
    else:
        assert "审批中" not in text_of(drawn)
