from __future__ import annotations

import pghistory
import pgtrigger
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from viatica.kernel.money import Money
from viatica.kernel.periods import Period
from viatica.offices.company.categories import Category
from viatica.offices.company.models import CostCenter, Department, Employee, LegalEntity, Project


class Control(models.TextChoices):
    HARD = "hard", _("Stop at the limit")
    SOFT = "soft", _("Warn at the limit")


@pghistory.track(exclude=["reserved", "consumed"])
class Budget(models.Model):
    """Room for some spending of one entity. A dimension left empty covers everything of its kind.

    A department covers its whole subtree. `start` belongs to the period, `end` does not.
    `reserved` and `consumed` change only together with a BudgetEntry.
    """

    name = models.CharField(max_length=120)
    entity = models.ForeignKey(LegalEntity, on_delete=models.PROTECT, related_name="+")
    department = models.ForeignKey(
        Department, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    cost_center = models.ForeignKey(
        CostCenter, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    project = models.ForeignKey(Project, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    category = models.CharField(max_length=16, blank=True, choices=Category.choices)
    start = models.DateField()
    end = models.DateField()
    amount = models.DecimalField(max_digits=18, decimal_places=2)
    currency = models.CharField(max_length=3, default="CNY")
    control = models.CharField(max_length=4, choices=Control.choices, default=Control.HARD)
    owner = models.ForeignKey(
        Employee, null=True, blank=True, on_delete=models.SET_NULL, related_name="+",
        help_text="Whom to ask for room; none: the owner of the project or cost center, or the department's head.",
    )  # fmt: skip
    reserved = models.DecimalField(max_digits=18, decimal_places=2, default=0, editable=False)
    consumed = models.DecimalField(max_digits=18, decimal_places=2, default=0, editable=False)

    class Meta:
        indexes = [models.Index(fields=["entity", "department", "start"], name="budget_match")]
        constraints = [
            models.CheckConstraint(condition=Q(amount__gte=0), name="budget_amount_not_negative"),
            models.CheckConstraint(condition=Q(reserved__gte=0), name="budget_reserved_not_negative"),
            models.CheckConstraint(condition=Q(consumed__gte=0), name="budget_consumed_not_negative"),
            models.CheckConstraint(condition=Q(end__gt=F("start")), name="budget_ends_after_start"),
            models.CheckConstraint(condition=Q(control__in=Control.values), name="budget_control_known"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def period(self) -> Period:
        return Period(self.start, self.end)

    @property
    def total(self) -> Money:
        return Money(self.amount, self.currency)

    @property
    def left(self) -> Money:
        """Negative when a soft budget is overdrawn or the amount was lowered below what is used."""
        return Money(self.amount - self.reserved - self.consumed, self.currency)


class Kind(models.TextChoices):
    RESERVE = "reserve", _("Budget held")
    CONSUME = "consume", _("Budget spent")
    RELEASE = "release", _("Budget given back")
    REVERSE = "reverse", _("Budget spending undone")


class BudgetEntry(models.Model):
    """One movement, kept for ever. `amount` is positive; the kind says which way it goes.

    A reservation is settled at most once (consumed or released), and so is a consumption (reversed):
    `settles` is unique, which is why repeating a movement moves nothing.
    """

    budget = models.ForeignKey(Budget, on_delete=models.PROTECT, related_name="entries")
    ref = models.CharField(max_length=80)
    kind = models.CharField(max_length=8, choices=Kind.choices)
    amount = models.DecimalField(max_digits=18, decimal_places=2)
    settles = models.OneToOneField("self", null=True, on_delete=models.PROTECT, related_name="settled_by")
    actor = models.CharField(max_length=80)
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["ref"], name="budget_entry_ref")]
        constraints = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="budget_entry_amount_positive"),
            models.CheckConstraint(condition=Q(kind__in=Kind.values), name="budget_entry_kind_known"),
            models.CheckConstraint(
                condition=Q(kind=Kind.RESERVE, settles=None)
                | (~Q(kind=Kind.RESERVE) & Q(settles__isnull=False)),
                name="budget_entry_settles_unless_reserve",
            ),
        ]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.ref} {self.kind} {self.amount}"
