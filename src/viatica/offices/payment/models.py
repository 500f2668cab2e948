from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from viatica.kernel.money import Money
from viatica.offices.company.models import Employee, LegalEntity


class BatchState(models.TextChoices):
    OPEN = "open", _("Being prepared")
    EXPORTED = "exported", _("Given to the bank")
    PAID = "paid", _("Paid")


class PaymentBatch(models.Model):
    """Orders that go to the bank together. `total` and `orders_count` are re-added by SQL on every change."""

    number = models.CharField(max_length=24, unique=True)
    entity = models.ForeignKey(LegalEntity, on_delete=models.PROTECT, related_name="+")
    currency = models.CharField(max_length=3)
    state = models.CharField(max_length=8, choices=BatchState.choices, default=BatchState.OPEN)
    total = models.DecimalField(max_digits=18, decimal_places=2, default=0)
    orders_count = models.PositiveIntegerField(default=0)
    maker = models.ForeignKey(Employee, on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField()
    file_digest = models.CharField(
        max_length=64, blank=True, help_text="SHA-256 of the file given to the bank."
    )
    exported_at = models.DateTimeField(null=True)
    checker = models.ForeignKey(Employee, null=True, on_delete=models.PROTECT, related_name="+")
    paid_at = models.DateTimeField(null=True)
    version = models.PositiveIntegerField(default=1)

    class Meta:
        indexes = [models.Index(fields=["entity", "state"], name="batch_desk")]
        constraints = [
            models.CheckConstraint(
                condition=Q(state=BatchState.PAID, paid_at__isnull=False, checker__isnull=False)
                | (~Q(state=BatchState.PAID) & Q(paid_at=None, checker=None)),
                name="batch_paid_by_someone",
            ),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def money(self) -> Money:
        return Money(self.total, self.currency)


class OrderState(models.TextChoices):
    WAITING = "waiting", _("Waiting for a batch")
    BATCHED = "batched", _("In a batch")
    PAID = "paid", _("Paid")
    CANCELLED = "cancelled", _("Cancelled")


class PaymentOrder(models.Model):
    """One amount owed to one employee for one paper; the account as it was when the order was made."""

    ref = models.CharField(max_length=80)
    number = models.CharField(max_length=40, help_text="The paper's number.")
    entity = models.ForeignKey(LegalEntity, on_delete=models.PROTECT, related_name="+")
    payee = models.ForeignKey(Employee, on_delete=models.PROTECT, related_name="+")
    payee_name = models.CharField(max_length=60)
    bank_name = models.CharField(max_length=120, blank=True)
    bank_account = models.CharField(max_length=40, blank=True)
    amount = models.DecimalField(max_digits=18, decimal_places=2)
    currency = models.CharField(max_length=3)
    state = models.CharField(max_length=10, choices=OrderState.choices, default=OrderState.WAITING)
    batch = models.ForeignKey(PaymentBatch, null=True, on_delete=models.PROTECT, related_name="orders")
    ordered_at = models.DateTimeField()
    paid_at = models.DateTimeField(null=True)
    version = models.PositiveIntegerField(default=1)

    class Meta:
        indexes = [
            models.Index(fields=["entity", "ordered_at"], condition=Q(state="waiting"), name="order_desk"),
            models.Index(fields=["ref"], name="order_ref"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["ref"], condition=~Q(state="cancelled"), name="one_live_order"),
            models.CheckConstraint(condition=Q(amount__gt=0), name="order_amount_positive"),
            models.CheckConstraint(
                condition=Q(state__in=["batched", "paid"], batch__isnull=False)
                | Q(state__in=["waiting", "cancelled"], batch=None),
                name="order_batched_or_not",
            ),
            models.CheckConstraint(
                condition=Q(state="paid", paid_at__isnull=False) | (~Q(state="paid") & Q(paid_at=None)),
                name="order_paid_at_some_time",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.money}"

    @property
    def money(self) -> Money:
        return Money(self.amount, self.currency)
