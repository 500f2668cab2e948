"""The forms of a report: its head and its lines, as the drafts the journey takes."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from viatica.documents.expense.models import ExpenseLine, ExpenseReport
from viatica.documents.expense.services import LineDraft
from viatica.front.choices import CURRENCIES, city_id
from viatica.front.forms import DayField, MoneyField, blame
from viatica.kernel.errors import ViaticaError
from viatica.kernel.money import Money
from viatica.offices.company.categories import Category

# The journey's words for fields → the form's.
NAMES = {"amount": "paid", "paid": "paid", "lines": ""}


class HeadForm(forms.Form):
    title = forms.CharField(label=_("What for"), max_length=200)
    project = forms.CharField(
        label=_("Project"), max_length=160, required=False, widget=forms.TextInput(attrs={"list": "projects"})
    )


class LineForm(forms.Form):
    category = forms.ChoiceField(label=_("Category"), choices=Category.choices)
    day = DayField(label=_("Day"))
    paid = MoneyField(label=_("Amount, tax included"))
    currency = forms.ChoiceField(label=_("Currency"), choices=[(code, code) for code in CURRENCIES])
    city = forms.CharField(
        label=_("City"), max_length=60, required=False,
        widget=forms.TextInput(attrs={"list": "cities", "autocomplete": "off"}),
    )  # fmt: skip
    nights = forms.IntegerField(
        label=_("Nights"), min_value=0, max_value=366, required=False,
        widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
    )  # fmt: skip
    tax = MoneyField(label=_("Deductible tax"), required=False, min_value=0)
    note = forms.CharField(label=_("Note"), max_length=200, required=False)
    reason = forms.CharField(
        label=_("Reason, when over the standard"),
        max_length=200,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    rate = forms.DecimalField(
        label=_("Exchange rate"), max_digits=18, decimal_places=8, min_value=0, required=False,
        help_text=_("Empty: the company's rate of that day."),
    )  # fmt: skip

    def draft(self, line: ExpenseLine | None, report: ExpenseReport) -> LineDraft:
        """The line as typed; what still equals the invoice stays marked as recognised. Raises UnknownChoice."""
        typed = self.cleaned_data
        currency = typed["currency"]
        rate = typed["rate"] if currency != report.currency and typed["rate"] else None
        return LineDraft(
            category=typed["category"],
            day=typed["day"],
            paid=Money(typed["paid"], currency),
            city_id=city_id(typed["city"], field="lines.0.city") if typed["city"] else None,
            nights=typed["nights"] or 0,
            tax=Money(typed["tax"], currency) if typed["tax"] else None,
            note=typed["note"],
            reason=typed["reason"],
            invoice_id=line.invoice_id if line else None,
            rate=rate,
            recognised=self._untouched(line) if line else [],
        )

    def _untouched(self, line: ExpenseLine) -> list[str]:
        return [name for name in line.recognised if name not in self.changed_data]

    def blame(self, error: ViaticaError) -> None:
        blame(self, error, NAMES)


def line_form(data: QueryDict | None, line: ExpenseLine | None, report: ExpenseReport) -> LineForm:
    return LineForm(
        data, initial=line_values(line, report) if line else {"currency": report.currency, "nights": None}
    )


def line_values(line: ExpenseLine, report: ExpenseReport) -> dict[str, Any]:
    tax = line.tax_amount if line.paid_currency == report.currency else None
    return {
        "category": line.category,
        "day": line.day,
        "paid": line.paid_amount,
        "currency": line.paid_currency,
        "city": line.city.name if line.city else "",
        "nights": line.nights or None,
        "tax": tax or None,
        "note": line.note,
        "reason": line.reason,
        "rate": line.rate if line.paid_currency != report.currency else None,
    }


def recognised_fields(line: ExpenseLine | None) -> list[str]:
    """Names of the form's fields that still show what the invoice says."""
    return line.recognised if line else []
