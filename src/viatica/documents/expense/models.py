from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from viatica.documents.numbers import next_number
from viatica.documents.travel.models import TravelRequest
from viatica.kernel.money import Money
from viatica.kernel.refs import Ref
from viatica.offices.company.categories import Category
from viatica.offices.company.models import City, CostCenter, Department, Employee, LegalEntity, Project
from viatica.offices.invoices.models import Invoice


class ReportState(models.TextChoices):
    DRAFT = "draft", _("Draft")
    IN_APPROVAL = "in_approval", _("In approval")
    RETURNED = "returned", _("Sent back")
    REJECTED = "rejected", _("Rejected")
    TO_AUDIT = "to_audit", _("To audit")
    TO_PAY = "to_pay", _("To pay")
    PAID = "paid", _("Paid")


EDITABLE = (ReportState.DRAFT, ReportState.RETURNED)


class ExpenseReport(models.Model):
    """What one person claims. The total is the sum of its lines, computed here and nowhere else."""

    KIND = "expense_report"

    # The lines as they were last written or read with this very object; None: nobody looked yet.
    known_lines: list[ExpenseLine] | None = None

    number = models.CharField(
        max_length=24, unique=True, db_default=next_number("expense_report_number", "Asia/Shanghai")
    )
    owner = models.ForeignKey(Employee, on_delete=models.PROTECT, related_name="expense_reports")
    entity = models.ForeignKey(LegalEntity, on_delete=models.PROTECT, related_name="+")
    department = models.ForeignKey(Department, on_delete=models.PROTECT, related_name="+")
    cost_center = models.ForeignKey(
        CostCenter, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    project = models.ForeignKey(Project, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    trip = models.ForeignKey(
        TravelRequest, null=True, blank=True, on_delete=models.PROTECT, related_name="expense_reports"
    )
    title = models.CharField(max_length=200)
    currency = models.CharField(max_length=3)
    total_amount = models.DecimalField(max_digits=18, decimal_places=2, default=0)
    line_count = models.PositiveSmallIntegerField(default=0)
    state = models.CharField(max_length=16, choices=ReportState.choices, default=ReportState.DRAFT)
    version = models.PositiveIntegerField(default=1)
    content_hash = models.CharField(
        max_length=64, blank=True, help_text="Of what was submitted; empty once edited."
    )
    findings = models.JSONField(default=list, help_text="What the policy said when it was submitted.")
    pairs = ArrayField(models.CharField(max_length=2), default=list)
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()
    submitted_at = models.DateTimeField(null=True, blank=True)
    concluded_at = models.DateTimeField(null=True, blank=True)
    audited_at = models.DateTimeField(null=True, blank=True)
    paid_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["owner", "-id"], name="report_of_owner"),
            models.Index(fields=["department", "-id"], name="report_of_department"),
            models.Index(fields=["entity", "state", "-id"], name="report_of_entity"),
            models.Index(fields=["state", "-id"], name="report_in_state"),
            models.Index(fields=["submitted_at"], name="report_by_submission"),
            GinIndex(fields=["pairs"], name="report_words"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(total_amount__gte=0), name="report_total_not_negative")
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def ref(self) -> Ref:
        return Ref(self.KIND, str(self.pk))

    @property
    def total(self) -> Money:
        return Money(self.total_amount, self.currency)

    @property
    def is_editable(self) -> bool:
        return self.state in EDITABLE


class ExpenseLine(models.Model):
    """One expense. `amount` is what counts, in the report's currency; what was paid and the rate are kept beside it."""

    report = models.ForeignKey(ExpenseReport, on_delete=models.CASCADE, related_name="lines")
    no = models.PositiveSmallIntegerField()
    category = models.CharField(max_length=16, choices=Category.choices)
    day = models.DateField()
    city = models.ForeignKey(City, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    nights = models.PositiveSmallIntegerField(default=0)
    paid_amount = models.DecimalField(max_digits=18, decimal_places=2)
    paid_currency = models.CharField(max_length=3)
    rate = models.DecimalField(max_digits=18, decimal_places=8, default=1)
    rate_day = models.DateField(null=True, blank=True)
    rate_source = models.CharField(max_length=60, blank=True)
    amount = models.DecimalField(max_digits=18, decimal_places=2)
    tax_amount = models.DecimalField(
        max_digits=18, decimal_places=2, default=0, help_text="Deductible input tax."
    )
    note = models.CharField(max_length=200, blank=True)
    reason = models.CharField(max_length=200, blank=True, help_text="Why the standard was exceeded.")
    invoice = models.ForeignKey(Invoice, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    recognised = ArrayField(
        models.CharField(max_length=16),
        default=list,
        help_text="Fields read from the invoice and not touched since.",
    )

    class Meta:
        ordering = ["no"]
        indexes = [models.Index(fields=["day"], include=["report", "category", "amount"], name="line_by_day")]
        constraints = [
            models.UniqueConstraint(
                fields=["report", "no"], name="line_no_once", deferrable=models.Deferrable.DEFERRED
            ),
            models.UniqueConstraint(
                fields=["report", "invoice"], name="invoice_on_one_line", condition=Q(invoice__isnull=False)
            ),
            models.CheckConstraint(condition=Q(amount__gt=0, paid_amount__gt=0), name="line_amount_positive"),
            models.CheckConstraint(
                condition=Q(tax_amount__gte=0, tax_amount__lte=models.F("amount")), name="line_tax_within"
            ),
        ]
