"""Whatever is reserved, consumed, released and reversed in whatever order: the books re-add and nothing is negative."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from viatica.kernel.money import Money
from viatica.kernel.refs import Ref
from viatica.offices.budget import books, services
from viatica.offices.budget.charges import Charge
from viatica.offices.budget.models import Budget
from viatica.offices.company.tests.cast import Company

AT = datetime(2026, 11, 24, 8, tzinfo=UTC)
ROOM = Decimal(100)
PAPERS = [Ref("expense_report", str(n)) for n in range(3)]

papers = st.sampled_from(PAPERS)
cents = st.integers(0, 6000).map(lambda n: Decimal(n) / 100)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("reserve"), papers, cents, cents, st.none() | papers),
        st.tuples(st.sampled_from(["consume", "release", "reverse"]), papers),
    ),
    max_size=25,
)


class Model:
    """The same in plain sums: paper → (hotel, air) held and spent."""

    def __init__(self) -> None:
        nothing = (Decimal(0), Decimal(0))
        self.held = dict.fromkeys(PAPERS, nothing)
        self.spent = dict.fromkeys(PAPERS, nothing)

    def used(self, budget: int, without: Ref | None = None) -> Decimal:
        held = sum((pair[budget] for paper, pair in self.held.items() if paper != without), Decimal(0))
        return held + sum((pair[budget] for pair in self.spent.values()), Decimal(0))

    def reserve(
        self, paper: Ref, hotel: Decimal, air: Decimal, instead_of: Ref | None
    ) -> type[Exception] | None:
        # The air budget is soft: it never refuses.
        if hotel and self.used(0, instead_of) + hotel > ROOM:
            return services.BudgetShort
        if (hotel or air) and any(self.held[paper]) and paper != instead_of:
            return services.AlreadyReserved
        if instead_of:
            self.held[instead_of] = (Decimal(0), Decimal(0))
        if hotel or air:
            self.held[paper] = (hotel, air)
        return None

    def settle(self, kind: str, paper: Ref) -> None:
        held, spent = self.held[paper], self.spent[paper]
        if kind == "reverse":
            self.spent[paper] = (Decimal(0), Decimal(0))
            return
        self.held[paper] = (Decimal(0), Decimal(0))
        if kind == "consume":
            self.spent[paper] = (held[0] + spent[0], held[1] + spent[1])


def charge(company: Company, category: str, amount: Decimal) -> Charge:
    money = Money(amount, "CNY")
    return Charge(
        company.entity.pk, company.east.pk, company.east.path, None, None, category, date(2026, 11, 1), money
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps)
def test_the_books_always_re_add(company: Company, steps: list[tuple[object, ...]]) -> None:
    with transaction.atomic():
        play(company, steps)
        transaction.set_rollback(True)


def play(company: Company, steps: list[tuple[object, ...]]) -> None:
    whole = {"entity": company.entity, "start": date(2026, 1, 1), "end": date(2027, 1, 1), "amount": ROOM}
    hotels = Budget.objects.create(name="hotels", category="lodging", control="hard", **whole)
    flights = Budget.objects.create(name="flights", category="air", control="soft", **whole)
    model = Model()
    for step in steps:
        match step:
            case (
                "reserve",
                Ref() as paper,
                Decimal() as hotel,
                Decimal() as air,
                (None | Ref()) as instead_of,
            ):
                charges = [charge(company, "lodging", hotel), charge(company, "air", air)]
                expected = model.reserve(paper, hotel, air, instead_of)
                said: type[Exception] | None = None
                try:
                    with transaction.atomic():
                        services.reserve(
                            charges=charges, ref=paper, at=AT, actor="system", instead_of=instead_of
                        )
                except (services.BudgetShort, services.AlreadyReserved) as error:
                    said = type(error)
                assert said is expected
            case (str() as kind, Ref() as paper):
                model.settle(kind, paper)
                getattr(services, kind)(ref=paper, at=AT)
    for number, budget in enumerate((hotels, flights)):
        budget.refresh_from_db()
        assert budget.reserved == sum(pair[number] for pair in model.held.values())
        assert budget.consumed == sum(pair[number] for pair in model.spent.values())
    assert hotels.left.amount >= 0
    assert books.disagreements(AT) == []
    balances = {
        balance.ref: (balance.held.amount, balance.spent.amount)
        for balance in books.balances("expense_report")
    }
    for paper in PAPERS:
        assert balances.get(str(paper), (0, 0)) == (sum(model.held[paper]), sum(model.spent[paper]))
