from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.utils import translation

from viatica.documents.expense.models import ReportState
from viatica.documents.travel.models import TravelState
from viatica.front import shown
from viatica.front.chips import CHIPS, chip
from viatica.kernel.money import Money
from viatica.offices.payment.models import BatchState

NOW = datetime(2026, 11, 24, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    ("amount", "currency", "said"),
    [
        ("1280.50", "CNY", "¥1,280.50"),
        ("-20", "CNY", "−¥20.00"),
        ("0", "CNY", "¥0.00"),
        ("1234567", "JPY", "JPY 1,234,567"),
        ("9.90", "HKD", "HK$9.90"),
    ],
)
def test_money(amount: str, currency: str, said: str) -> None:
    assert shown.money(Money(amount, currency)) == said


def test_a_column_says_its_currency_once() -> None:
    assert shown.figure(Decimal("-1280.5")) == "−1,280.50"
    assert shown.figure(Decimal("1280"), "JPY") == "1,280"


@pytest.mark.parametrize(
    ("at", "chinese", "english"),
    [
        (datetime(2026, 11, 24, 6, 5, tzinfo=UTC), "今天 14:05", "today 14:05"),
        (datetime(2026, 11, 22, 16, 30, tzinfo=UTC), "昨天 00:30", "yesterday 00:30"),
        (datetime(2026, 11, 3, 1, tzinfo=UTC), "11月3日", "3 Nov"),
        (datetime(2025, 12, 31, 18, tzinfo=UTC), "1月1日", "1 Jan"),
        (datetime(2025, 11, 3, 1, tzinfo=UTC), "2025年11月3日", "3 Nov 2025"),
    ],
)
def test_moments_as_people_say_them(at: datetime, chinese: str, english: str) -> None:
    with translation.override("zh-hans"):
        assert shown.moment(at, NOW) == chinese
    with translation.override("en"):
        assert shown.moment(at, NOW) == english


def test_the_exact_time_is_the_company_s() -> None:
    assert shown.exact(datetime(2026, 11, 24, 16, 0, 1, tzinfo=UTC)) == "2026-11-25 00:00:01"


def test_a_span_of_one_day_is_one_day() -> None:
    with translation.override("zh-hans"):
        assert shown.span(date(2026, 11, 3), date(2026, 11, 3), date(2026, 11, 24)) == "11月3日"
        assert shown.span(date(2026, 11, 3), date(2026, 11, 5), date(2026, 11, 24)) == "11月3日 – 11月5日"


def test_durations() -> None:
    with translation.override("zh-hans"):
        assert [shown.duration(timedelta(minutes=m)) for m in (0, 61, 240, 4320)] == [
            "1 分钟", "61 分钟", "4 小时", "3 天",
        ]  # fmt: skip


def test_amounts_inside_messages_are_written_for_people() -> None:
    assert shown.spoken({"cap": "600.00 CNY", "day": "2026-11-03", "n": 2}) == {
        "cap": "¥600.00", "day": "2026-11-03", "n": 2,
    }  # fmt: skip


def test_every_state_has_its_chip() -> None:
    for state in (*ReportState.values, *TravelState.values, *BatchState.values):
        assert chip(state).tone in {"quiet", "accent", "news", "good", "warn", "bad"}


def test_a_chip_s_word_is_the_state_s_own() -> None:
    with translation.override("zh-hans"):
        for states in (ReportState, TravelState):
            for state in states:
                assert str(CHIPS[state.value].word) == str(state.label)
        assert [str(CHIPS[name].word) for name in ("draft", "in_approval", "returned", "to_audit", "to_pay", "paid")] == [
            "草稿", "审批中", "已退回", "待审核", "待付款", "已付款",
        ]  # fmt: skip


def test_amounts_within_a_finished_sentence() -> None:
    assert (
        shown.amounts("报销单 BX202611-000001 已付款：2451.60 CNY")
        == "报销单 BX202611-000001 已付款：¥2,451.60"
    )
    assert shown.amounts("XM2026 CNY 12.345 CNY") == "XM2026 CNY 12.345 CNY"
