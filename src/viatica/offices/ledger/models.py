from __future__ import annotations

import pgtrigger
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from viatica.kernel.money import Money
from viatica.offices.company.categories import Category
from viatica.offices.company.models import CostCenter, Department, Employee, LegalEntity, Project

PAYABLE, INPUT_TAX, BANK = "payable", "input_tax", "bank"
FIXED_ROLES = [(PAYABLE, _("Owed to employees")), (INPUT_TAX, _("Input tax")), (BANK, _("Bank deposits"))]
ROLE_NAMES = dict([*Category.choices, *FIXED_ROLES])


class AccountMapping(models.Model):
    """Which account a category, or one of the fixed roles, is booked to. No entity: for all without their own."""

    entity = models.ForeignKey(LegalEntity, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    role = models.CharField(max_length=16, choices=[*Category.choices, *FIXED_ROLES])
    code = models.CharField(max_length=32)
    name = models.CharField(max_length=120)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["entity", "role"], name="one_account_per_role", nulls_distinct=False
            )
        ]

    def __str__(self) -> str:
        return f"{self.role} → {self.code} {self.name}"


class VoucherCounter(models.Model):
    """The last number given in one entity and month. Locked while a voucher is posted: numbers have no gaps."""

    entity = models.ForeignKey(LegalEntity, on_delete=models.PROTECT, related_name="+")
    month = models.DateField()
    last = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["entity", "month"], name="one_voucher_counter")]


class Purpose(models.TextChoices):
    CLAIM = "claim", _("Expense voucher")
    PAYMENT = "payment", _("Payment voucher")


_BALANCED = """
    SELECT count(*), coalesce(sum(debit), 0), coalesce(sum(credit), 0) INTO seen, debits, credits
      FROM ledger_voucherline WHERE voucher_id = NEW.id;
    IF seen <> NEW.lines_count OR debits <> NEW.total OR credits <> NEW.total THEN
        RAISE EXCEPTION 'voucher % does not balance: % lines, debit %, credit %', NEW.id, seen, debits, credits
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
"""

_ONLY_MARKED_REVERSED = """
    IF TG_OP = 'UPDATE' THEN
        IF OLD.reversed_at IS NULL AND to_jsonb(NEW) - 'reversed_at' = to_jsonb(OLD) - 'reversed_at' THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'voucher % is posted: reverse it instead', OLD.id USING ERRCODE = 'check_violation';
"""

_NO_LATER_LINES = """
    IF EXISTS (
        SELECT 1 FROM ledger_voucher v
         WHERE v.id IN (SELECT voucher_id FROM added)
           AND v.lines_count < (SELECT count(*) FROM ledger_voucherline l WHERE l.voucher_id = v.id)
    ) THEN
        RAISE EXCEPTION 'a posted voucher takes no further lines' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
"""


class Voucher(models.Model):
    """A posted entry (记账凭证). The database holds: debits = credits = `total`, no change, no deletion.

    `number` runs without gaps within an entity and month. `reverses`: this is the red voucher (红字) of that one.
    """

    entity = models.ForeignKey(LegalEntity, on_delete=models.PROTECT, related_name="+")
    month = models.DateField(help_text="The first day of the accounting period.")
    number = models.PositiveIntegerField()
    day = models.DateField()
    summary = models.CharField(max_length=200)
    ref = models.CharField(max_length=80)
    purpose = models.CharField(max_length=8, choices=Purpose.choices)
    document_number = models.CharField(max_length=40)
    payee = models.ForeignKey(Employee, on_delete=models.PROTECT, related_name="+")
    total = models.DecimalField(max_digits=18, decimal_places=2)
    currency = models.CharField(max_length=3)
    lines_count = models.PositiveSmallIntegerField()
    reverses = models.OneToOneField("self", null=True, on_delete=models.PROTECT, related_name="reversed_by")
    reversed_at = models.DateTimeField(null=True)
    posted_by = models.CharField(max_length=80)
    posted_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["ref"], name="voucher_ref")]
        constraints = [
            models.UniqueConstraint(fields=["entity", "month", "number"], name="voucher_number_once"),
            models.UniqueConstraint(
                fields=["ref", "purpose"],
                condition=Q(reversed_at=None, reverses=None),
                name="one_live_voucher",
            ),
            models.CheckConstraint(condition=Q(number__gt=0), name="voucher_number_positive"),
            models.CheckConstraint(condition=Q(day__gte=F("month")), name="voucher_day_in_month"),
        ]
        triggers = [
            pgtrigger.Trigger(
                name="posted_is_final",
                when=pgtrigger.Before,
                operation=pgtrigger.Update | pgtrigger.Delete,
                func=_ONLY_MARKED_REVERSED,
            ),
            pgtrigger.Trigger(
                name="balanced",
                when=pgtrigger.After,
                operation=pgtrigger.Insert,
                timing=pgtrigger.Deferred,
                declare=[("seen", "bigint"), ("debits", "numeric"), ("credits", "numeric")],
                func=_BALANCED,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m} 记-{self.number:04d}"

    @property
    def money(self) -> Money:
        return Money(self.total, self.currency)


class VoucherLine(models.Model):
    """One side of one account. A red voucher keeps the sides and negates the amounts."""

    voucher = models.ForeignKey(Voucher, on_delete=models.PROTECT, related_name="lines")
    no = models.PositiveSmallIntegerField()
    account_code = models.CharField(max_length=32)
    account_name = models.CharField(max_length=120)
    debit = models.DecimalField(max_digits=18, decimal_places=2, default=0)
    credit = models.DecimalField(max_digits=18, decimal_places=2, default=0)
    category = models.CharField(max_length=16, blank=True, choices=Category.choices)
    department = models.ForeignKey(Department, null=True, on_delete=models.PROTECT, related_name="+")
    cost_center = models.ForeignKey(CostCenter, null=True, on_delete=models.PROTECT, related_name="+")
    project = models.ForeignKey(Project, null=True, on_delete=models.PROTECT, related_name="+")
    employee = models.ForeignKey(Employee, null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["voucher", "no"]
        constraints = [
            models.UniqueConstraint(fields=["voucher", "no"], name="voucher_line_once"),
            models.CheckConstraint(
                condition=Q(debit=0) ^ Q(credit=0),
                name="voucher_line_one_side",
            ),
        ]
        triggers = [
            pgtrigger.Protect(name="posted_is_final", operation=pgtrigger.Update | pgtrigger.Delete),
            pgtrigger.Trigger(
                name="no_later_lines",
                level=pgtrigger.Statement,
                when=pgtrigger.After,
                operation=pgtrigger.Insert,
                referencing=pgtrigger.Referencing(new="added"),  # type: ignore[no-untyped-call]  # pgtrigger leaves it unannotated
                func=_NO_LATER_LINES,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account_code} {self.account_name} {self.debit or ''}|{self.credit or ''}"
