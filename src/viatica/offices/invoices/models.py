from __future__ import annotations

from typing import Any

from django.core import signing
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from viatica.kernel.money import Money
from viatica.kernel.refs import Ref
from viatica.offices.archive.models import StoredFile
from viatica.offices.company.categories import Category
from viatica.offices.company.models import Employee, LegalEntity
from viatica.offices.invoices.readers.reading import KIND_NAMES, Kind

PICTURE_SALT = "invoices.picture"
TAX_IS_STATED = (
    Kind.DIGITAL_SPECIAL, Kind.ELECTRONIC_SPECIAL, Kind.PAPER_SPECIAL, Kind.RAIL, Kind.AIR, Kind.TOLL,
)  # fmt: skip
NEVER_DEDUCTIBLE = ("餐饮服务", "居民日常服务", "娱乐服务", "贷款服务")


class InvoiceState(models.TextChoices):
    HELD = "held", _("Held")
    DISCARDED = "discarded", _("Discarded")


class Invoice(models.Model):
    """An invoice someone handed in or entered. The same ticket as PDF, OFD and XML is one row with three files.

    `identity` is fiscal (see readers.reading.identity): two people may hold the same, only one document claims it.
    `fields` keeps lines, trips, the QR code and the source of each value; `blocked_by` is the code of the first
    warning that forbids a claim.
    """

    REF_KIND = "invoice"

    kind = models.CharField(max_length=24, choices=[(kind.value, _(KIND_NAMES[kind])) for kind in Kind])
    code = models.CharField(max_length=16, blank=True, help_text="发票代码")
    number = models.CharField(max_length=40, blank=True, help_text="发票号码")
    identity = models.CharField(max_length=120)
    issued = models.DateField()
    seller_name = models.CharField(max_length=200, blank=True)
    seller_tax_id = models.CharField(max_length=32, blank=True)
    buyer_name = models.CharField(max_length=200, blank=True)
    buyer_tax_id = models.CharField(max_length=32, blank=True)
    net = models.DecimalField(max_digits=18, decimal_places=2)
    tax = models.DecimalField(max_digits=18, decimal_places=2)
    total = models.DecimalField(max_digits=18, decimal_places=2)
    currency = models.CharField(max_length=3, default="CNY")
    category_hint = models.CharField(max_length=16, blank=True, choices=Category.choices)
    fields = models.JSONField(default=dict)
    warnings = models.JSONField(default=list)
    blocked_by = models.CharField(max_length=40, blank=True)
    # The surest file; the column holds the digest itself.
    file = models.ForeignKey(
        StoredFile, to_field="digest", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    owner = models.ForeignKey(Employee, on_delete=models.PROTECT, related_name="+")
    entity = models.ForeignKey(LegalEntity, on_delete=models.PROTECT, related_name="+")
    state = models.CharField(max_length=12, choices=InvoiceState.choices, default=InvoiceState.HELD)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "identity"], condition=Q(state="held"), name="invoice_held_once_by_each"
            ),
            models.CheckConstraint(condition=~Q(identity=""), name="invoice_has_identity"),
            models.CheckConstraint(condition=Q(state__in=InvoiceState.values), name="invoice_state_known"),
        ]
        indexes = [
            models.Index(fields=["identity"], name="invoice_identity"),
            models.Index(fields=["number"], name="invoice_number"),
            models.Index(fields=["owner", "-created_at"], name="invoice_newest_of_owner"),
            models.Index(fields=["issued", "total"], name="invoice_alike"),
        ]

    def __str__(self) -> str:
        return self.number or self.identity

    @property
    def ref(self) -> Ref:
        return Ref(self.REF_KIND, str(self.pk))

    @property
    def money(self) -> Money:
        return Money(self.total, self.currency)

    @property
    def tax_money(self) -> Money:
        return Money(self.tax, self.currency)

    @property
    def digest(self) -> str:
        """Of the surest file; empty for one entered without a picture."""
        return self.file_id or ""

    @property
    def is_deductible(self) -> bool:
        """Whether its tax is input VAT by its kind and lines; the ledger may know more. Source: 财税〔2016〕36号 art. 27."""
        if self.kind not in TAX_IS_STATED or self.tax <= 0:
            return False
        names = [str(item.get("name", "")) for item in self.fields.get("items", [])]
        return not any(word in name for name in names for word in NEVER_DEDUCTIBLE)

    @property
    def picture_token(self) -> str:
        """Lets an OA fetch the picture without a sign-in; `queries.by_picture_token` reads it."""
        return signing.Signer(salt=PICTURE_SALT).sign(str(self.pk)).replace(":", "~")

    def source_of(self, field: str) -> str:
        """Where a value came from: xml, xbrl, ofd_attachment, ofd_tag, ofd_data, text, qr, computed, hand or ""."""
        sources: dict[str, Any] = self.fields.get("sources", {})
        return str(sources.get(field, ""))


class InvoiceFile(models.Model):
    """One form in which the invoice was handed in."""

    invoice = models.ForeignKey(Invoice, on_delete=models.CASCADE, related_name="files")
    file = models.ForeignKey(StoredFile, to_field="digest", on_delete=models.PROTECT, related_name="+")
    name = models.CharField(max_length=200)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["invoice", "file"], name="invoice_file_once")]


class Claim(models.Model):
    """An invoice used by a document, from `at` until `released_at`. Rows are never deleted: they are the history.

    `number` is the document's, told to whoever claims the same invoice later.
    """

    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="claims")
    identity = models.CharField(max_length=120)
    ref = models.CharField(max_length=64)
    number = models.CharField(max_length=40, blank=True)
    at = models.DateTimeField()
    released_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            # Across owners, entities and files: one live claim for one fiscal identity in the whole company.
            models.UniqueConstraint(
                fields=["identity"], condition=Q(released_at__isnull=True), name="invoice_claimed_once"
            ),
        ]
        indexes = [models.Index(fields=["ref"], name="claim_of_document")]

    def __str__(self) -> str:
        return f"{self.identity} → {self.ref}"
