from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from viatica.documents.numbers import next_number
from viatica.kernel.money import Money
from viatica.kernel.refs import Ref
from viatica.offices.company.categories import Category
from viatica.offices.company.models import City, CostCenter, Department, Employee, LegalEntity, Project


class TravelState(models.TextChoices):
    DRAFT = "draft", _("Draft")
    IN_APPROVAL = "in_approval", _("In approval")
    RETURNED = "returned", _("Sent back")
    REJECTED = "rejected", _("Rejected")
    APPROVED = "approved", _("Approved")
    CANCELLED = "cancelled", _("Cancelled")


EDITABLE = (TravelState.DRAFT, TravelState.RETURNED)


class TravelRequest(models.Model):
    """A trip. `version` grows with every change; a writer names the one it saw."""

    KIND = "travel_request"

    number = models.CharField(
        max_length=24, unique=True, db_default=next_number("travel_request_number", "Asia/Shanghai")
    )
    owner = models.ForeignKey(Employee, on_delete=models.PROTECT, related_name="trips")
    entity = models.ForeignKey(LegalEntity, on_delete=models.PROTECT, related_name="+")
    department = models.ForeignKey(Department, on_delete=models.PROTECT, related_name="+")
    cost_center = models.ForeignKey(
        CostCenter, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    project = models.ForeignKey(Project, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    purpose = models.CharField(max_length=200)
    currency = models.CharField(max_length=3)
    estimate_amount = models.DecimalField(max_digits=18, decimal_places=2)
    state = models.CharField(max_length=16, choices=TravelState.choices, default=TravelState.DRAFT)
    version = models.PositiveIntegerField(default=1)
    content_hash = models.CharField(
        max_length=64, blank=True, help_text="Of what was submitted; empty once edited."
    )
    pairs = ArrayField(models.CharField(max_length=2), default=list)
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()
    submitted_at = models.DateTimeField(null=True, blank=True)
    concluded_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["owner", "-id"], name="trip_of_owner"),
            models.Index(fields=["department", "-id"], name="trip_of_department"),
            models.Index(fields=["entity", "state", "-id"], name="trip_of_entity"),
            GinIndex(fields=["pairs"], name="trip_words"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(estimate_amount__gte=0), name="trip_estimate_not_negative")
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def ref(self) -> Ref:
        return Ref(self.KIND, str(self.pk))

    @property
    def estimate(self) -> Money:
        return Money(self.estimate_amount, self.currency)

    @property
    def is_editable(self) -> bool:
        return self.state in EDITABLE


class TravelLeg(models.Model):
    """One stay: from `leaves_on` to `returns_on`, both days included, as people write them."""

    request = models.ForeignKey(TravelRequest, on_delete=models.CASCADE, related_name="legs")
    no = models.PositiveSmallIntegerField()
    origin = models.CharField(max_length=60, blank=True)
    city = models.ForeignKey(City, on_delete=models.PROTECT, related_name="+")
    leaves_on = models.DateField()
    returns_on = models.DateField()

    class Meta:
        ordering = ["no"]
        constraints = [
            models.UniqueConstraint(fields=["request", "no"], name="leg_no_once"),
            models.CheckConstraint(condition=Q(returns_on__gte=F("leaves_on")), name="leg_ends_after_start"),
        ]


class TravelEstimate(models.Model):
    """What the trip is expected to cost, by category, in the request's currency."""

    request = models.ForeignKey(TravelRequest, on_delete=models.CASCADE, related_name="estimates")
    category = models.CharField(max_length=16, choices=Category.choices)
    amount = models.DecimalField(max_digits=18, decimal_places=2)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["request", "category"], name="estimate_once_a_category"),
            models.CheckConstraint(condition=Q(amount__gt=0), name="estimate_positive"),
        ]
