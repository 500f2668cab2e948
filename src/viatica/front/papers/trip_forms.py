"""The form of a trip: what people type, as the draft the journey takes."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from viatica.documents.travel.models import TravelRequest
from viatica.documents.travel.services import LegDraft, TripDraft
from viatica.front.choices import city_id, project_id
from viatica.front.forms import DayField, MoneyField, blame
from viatica.kernel.errors import ViaticaError
from viatica.kernel.money import Money
from viatica.offices.company.categories import Category

USUAL = (Category.AIR, Category.RAIL, Category.LODGING, Category.TAXI, Category.MEALS, Category.OTHER)
MOST_LEGS = 20


class TripForm(forms.Form):
    purpose = forms.CharField(
        label=_("Why you travel"), max_length=200, widget=forms.TextInput(attrs={"autofocus": True})
    )
    project = forms.CharField(
        label=_("Project"), max_length=160, required=False, widget=forms.TextInput(attrs={"list": "projects"})
    )


class LegForm(forms.Form):
    city = forms.CharField(
        label=_("City"),
        max_length=60,
        widget=forms.TextInput(attrs={"list": "cities", "autocomplete": "off"}),
    )
    leaves_on = DayField(label=_("Leave on"))
    returns_on = DayField(label=_("Return on"))


class EstimateForm(forms.Form):
    """One amount for each usual category; the rest of a trip goes under Other."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for category in USUAL:
            self.fields[category.value] = MoneyField(label=category.label, required=False, min_value=0)


class TripForms:
    """The three parts of one page, filled from a trip or from what was sent."""

    def __init__(
        self, data: QueryDict | None = None, trip: TravelRequest | None = None, currency: str = "CNY"
    ) -> None:
        self.currency = currency
        self.data = data
        count = self._count(data, trip)
        self.trip = TripForm(data, initial=_trip_values(trip))
        self.legs = [LegForm(data, prefix=f"leg-{n}", initial=_leg_values(trip, n)) for n in range(count)]
        self.estimates = EstimateForm(data, prefix="cost", initial=_estimate_values(trip))

    @staticmethod
    def _count(data: QueryDict | None, trip: TravelRequest | None) -> int:
        if data is not None:
            sent = str(data.get("legs", "1"))
            return min(max(int(sent), 1), MOST_LEGS) if sent.isdecimal() and len(sent) < 3 else 1
        return max(len(trip.legs.all()), 1) if trip else 1

    def reshaped(self) -> TripForms | None:
        """The same page with one leg more or less, when that is what was asked; nothing is judged yet."""
        if self.data is None or not {"add_leg", "remove_leg"} & set(self.data):
            return None
        rows = [
            {name: self.data.get(f"leg-{n}-{name}", "") for name in LegForm.base_fields}
            for n in range(len(self.legs))
        ]
        if "add_leg" in self.data:
            last = rows[-1]
            rows.append({"city": "", "leaves_on": last["returns_on"], "returns_on": ""})
        elif (gone := str(self.data["remove_leg"])).isdecimal() and int(gone) < len(rows) > 1:
            rows.pop(int(gone))
        again = TripForms(currency=self.currency)
        again.trip = TripForm(initial={name: self.data.get(name, "") for name in TripForm.base_fields})
        again.legs = [LegForm(prefix=f"leg-{n}", initial=row) for n, row in enumerate(rows[:MOST_LEGS])]
        again.estimates = EstimateForm(
            prefix="cost",
            initial={category.value: self.data.get(f"cost-{category.value}", "") for category in USUAL},
        )
        return again

    def is_valid(self) -> bool:
        return all([self.trip.is_valid(), self.estimates.is_valid(), *[leg.is_valid() for leg in self.legs]])

    def draft(self) -> TripDraft:
        """Raises UnknownChoice for a city or project nobody knows."""
        return TripDraft(
            purpose=self.trip.cleaned_data["purpose"],
            project_id=project_id(self.trip.cleaned_data["project"]),
            legs=[
                LegDraft(
                    city_id=city_id(leg.cleaned_data["city"], field=f"legs.{n}.city"),
                    leaves_on=leg.cleaned_data["leaves_on"],
                    returns_on=leg.cleaned_data["returns_on"],
                )
                for n, leg in enumerate(self.legs)
            ],
            estimates={
                name: Money(amount, self.currency)
                for name, amount in self.estimates.cleaned_data.items()
                if amount
            },
        )

    def blame(self, error: ViaticaError) -> None:
        match (error.field or "").split("."):
            case ["legs", number, _field] if number.isdecimal() and int(number) < len(self.legs):
                blame(self.legs[int(number)], error)
            case ["estimates", _category]:
                blame(self.estimates, error)
            case _:
                blame(self.trip, error)

    @property
    def wrong(self) -> bool:
        return any(form.is_bound and form.errors for form in (self.trip, self.estimates, *self.legs))


def _trip_values(trip: TravelRequest | None) -> dict[str, Any]:
    return {"purpose": trip.purpose, "project": str(trip.project or "")} if trip else {}


def _leg_values(trip: TravelRequest | None, n: int) -> dict[str, Any]:
    legs = list(trip.legs.all()) if trip else []
    if n >= len(legs):
        return {}
    return {"city": legs[n].city.name, "leaves_on": legs[n].leaves_on, "returns_on": legs[n].returns_on}


def _estimate_values(trip: TravelRequest | None) -> dict[str, Any]:
    return {row.category: row.amount for row in trip.estimates.all()} if trip else {}
