from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from viatica.kernel.money import Money
from viatica.offices.company.models import City, CurrencyRate
from viatica.offices.company.tests.cast import Company
from viatica.offices.policy import is_blocked, queries, services
from viatica.offices.policy.findings import ClaimFacts, Finding, LineFacts
from viatica.offices.policy.models import Standard

DAY = date(2026, 11, 3)


def standard(amount: str, category: str = "lodging", **values: Any) -> Standard:
    values = {"per": "night", "valid_from": date(2026, 1, 1), **values}
    return Standard.objects.create(category=category, amount=amount, **values)


def line(amount: str, index: int = 1, **values: Any) -> LineFacts:
    values = {"category": "lodging", "day": DAY, "tier": "t1", **values}
    return LineFacts(index=index, money=values.pop("money", Money(amount, "CNY")), **values)


def check(company: Company, *lines: LineFacts, rank: int = 2) -> list[Finding]:
    return services.check(ClaimFacts(company.entity.pk, company.zhang.grade_id, rank, list(lines)))


def caps(company: Company, *lines: LineFacts, rank: int = 2) -> list[str]:
    """The cap each finding compares with: which standard counted."""
    return [finding.params["cap"] for finding in check(company, *lines, rank=rank)]


def test_a_hotel_is_compared_per_night(company: Company) -> None:
    row = standard("600", tier="t1", control="reason")
    assert check(company, line("1800", nights=3)) == []
    (found,) = check(company, line("1900", nights=3))
    assert found == Finding(
        rule="policy.over_cap",
        line_index=1,
        field="reason",
        control="reason",
        message=services.OVER_NIGHT,
        params={
            "cap": "600.00 CNY", "per_night": "633.33 CNY", "nights": 3, "actual": "1900.00 CNY", "excess": "100.00 CNY",
        },
        limit=Money("1800", "CNY"),
        actual=Money("1900", "CNY"),
        excess=Money("100", "CNY"),
        is_met=False,
        standard_id=row.pk,
    )  # fmt: skip
    assert found.message.format(**found.params) == (
        "633.33 CNY a night is over the standard of 600.00 CNY a night; 100.00 CNY too much for 3 nights."
    )
    assert Finding.parse(found.json()) == found


@pytest.mark.parametrize("nights", [None, 0, 1])
def test_unknown_nights_are_one(company: Company, nights: int | None) -> None:
    standard("600")
    assert check(company, line("600", nights=nights)) == []
    assert caps(company, line("600.01", nights=nights)) == ["600.00 CNY"]


def test_a_reason_is_asked_for_once(company: Company) -> None:
    standard("600", control="reason")
    without, blank, given = (check(company, line("700", reason=reason)) for reason in ("", "  ", "展会期间"))
    assert (is_blocked(without), is_blocked(blank), is_blocked(given)) == (True, True, False)
    assert given[0].is_met
    assert given[0].excess == Money("100", "CNY")


@pytest.mark.parametrize(("control", "blocked"), [("note", False), ("block", True)])
def test_a_note_never_blocks_and_a_block_takes_no_reason(
    company: Company, control: str, blocked: bool
) -> None:
    standard("600", control=control)
    (found,) = check(company, line("700", reason="展会期间"))
    assert (found.control, found.field, found.is_met, found.blocks) == (control, "amount", False, blocked)


def test_no_standard_no_finding(company: Company) -> None:
    standard("600", tier="t1")
    standard("1", category="air", entity=company.other)
    assert (
        check(company, line("99999", tier=None), line("99999", tier="t2"), line("99999", category="air"))
        == []
    )
    assert check(company) == []


def test_the_most_specific_standard_counts(company: Company) -> None:
    beijing, shanghai = (
        City.objects.create(name="北京", tier="t1"),
        City.objects.create(name="上海", tier="t1"),
    )
    standard("100")
    assert caps(company, line("9999")) == ["100.00 CNY"]
    standard("200", rank_from=1, rank_to=3)
    assert caps(company, line("9999")) == ["200.00 CNY"]
    assert caps(company, line("9999"), rank=4) == ["100.00 CNY"]
    standard("300", tier="t1")
    standard("350", city=beijing)
    assert caps(
        company, line("9999", 1), line("9999", 2, city_id=beijing.pk), line("9999", 3, city_id=shanghai.pk),
        line("9999", 4, tier="t2"),
    ) == ["300.00 CNY", "350.00 CNY", "300.00 CNY", "200.00 CNY"]  # fmt: skip
    standard("400", entity=company.entity)
    assert caps(company, line("9999", city_id=beijing.pk)) == ["400.00 CNY"]


def test_the_standard_of_the_day_of_spending_counts(company: Company) -> None:
    standard("500", valid_to=date(2026, 7, 1))
    standard("600", valid_from=date(2026, 7, 1))
    days = [date(2025, 12, 31), date(2026, 1, 1), date(2026, 6, 30), date(2026, 7, 1)]
    assert caps(company, *(line("9999", n, day=day) for n, day in enumerate(days))) == [
        "500.00 CNY", "500.00 CNY", "600.00 CNY",
    ]  # fmt: skip


def test_a_per_day_standard_adds_the_lines_of_the_day(company: Company) -> None:
    standard("100", category="meals", per="day", control="reason")
    lunch, dinner = line("60", 1, category="meals"), line("60", 2, category="meals", reason="客户同餐")
    next_day = line("100", 3, category="meals", day=date(2026, 11, 4))
    (found,) = check(company, lunch, dinner, next_day)
    assert (found.line_index, found.limit, found.actual, found.excess, found.is_met) == (
        2, Money("100", "CNY"), Money("120", "CNY"), Money("20", "CNY"), True,
    )  # fmt: skip
    assert found.params["day"] == "2026-11-03"


def test_a_receipt_is_needed_above_an_amount(company: Company) -> None:
    standard("200", category="taxi", rule="receipt", per="item", control="block")
    assert check(company, line("200", category="taxi", has_receipt=False), line("900", category="taxi")) == []
    (found,) = check(company, line("200.01", category="taxi", has_receipt=False))
    assert (found.rule, found.field, found.limit, found.blocks) == (
        "policy.receipt_needed", "receipt", Money("200", "CNY"), True,
    )  # fmt: skip


def test_a_standard_in_another_currency_is_converted_at_the_days_rate(company: Company) -> None:
    standard("100", tier="abroad", currency="USD", control="block")
    abroad = line("720", tier="abroad")
    (found,) = check(company, abroad)
    assert (found.rule, found.control, found.blocks) == ("policy.no_rate", "note", False)
    CurrencyRate.objects.create(currency="USD", base="CNY", day=DAY, rate="7.1", source="PBOC")
    CurrencyRate.objects.create(currency="USD", base="CNY", day=date(2026, 11, 4), rate="9", source="PBOC")
    (found,) = check(company, abroad)
    assert (found.limit, found.excess) == (Money("710", "CNY"), Money("10", "CNY"))


def test_one_statement_for_any_number_of_lines(company: Company) -> None:
    services.seed_typical(valid_from=date(2026, 1, 1), heads_from=5)
    lines = [
        line("900", n, category=("lodging", "meals", "air")[n % 3], has_receipt=False) for n in range(120)
    ]
    with CaptureQueriesContext(connection) as statements:
        check(company, *lines)
    assert len(statements) == 1


def test_the_typical_standard(company: Company) -> None:
    made = services.seed_typical(valid_from=date(2026, 1, 1), heads_from=5)
    assert made == len(queries.standards(entity_id=company.entity.pk, day=DAY)) == 6 + 6 + 11
    assert services.seed_typical(valid_from=date(2026, 1, 1), heads_from=5) == 0
    hotels = [line("9999", n, tier=tier) for n, tier in enumerate(("t1", "t2", "t3"))]
    assert caps(company, *hotels, rank=4) == ["600.00 CNY", "500.00 CNY", "400.00 CNY"]
    assert caps(company, *hotels, rank=5) == ["800.00 CNY", "650.00 CNY", "550.00 CNY"]


@pytest.mark.parametrize(
    ("constraint", "values"),
    [
        ("standard_amount_not_negative", {"amount": Decimal(-1)}),
        ("standard_ranks_in_order", {"rank_from": 3, "rank_to": 2}),
        ("standard_ends_after_start", {"valid_to": date(2026, 1, 1)}),
    ],
)
def test_a_row_makes_sense(company: Company, constraint: str, values: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        standard(**{"amount": "1", **values})
    assert not Standard.objects.exists()
