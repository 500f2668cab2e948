"""Commands on invoices: take in a file, enter a paper, mend what was read, discard, claim, release."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext

from viatica.kernel.errors import Conflict, Refused
from viatica.kernel.money import Money
from viatica.kernel.refs import Ref
from viatica.kernel.words import N_
from viatica.offices.archive import services as archive
from viatica.offices.company.categories import Category
from viatica.offices.company.models import Employee, LegalEntity
from viatica.offices.invoices import readers
from viatica.offices.invoices.models import Claim, Invoice, InvoiceFile, InvoiceState
from viatica.offices.invoices.readers import amounts, categories, sniff
from viatica.offices.invoices.readers.reading import (
    NUMBERED_ALONE,
    STRUCTURED,
    WARNINGS,
    Kind,
    Level,
    NotAnInvoice,
    ReadingWarning,
    ReadResult,
    Source,
    TooLarge,
    identity,
)
from viatica.spine import facts

MOST_KEPT_ITEMS = 300
LONG_AGO = timedelta(days=365)
RANK = {source: place for place, source in enumerate(Source)}
UNNUMBERED = (Kind.TAXI_RECEIPT, Kind.FIXED_AMOUNT, Kind.COACH_TICKET, Kind.OTHER)
VAT_PAPER = (
    Kind.ELECTRONIC_SPECIAL, Kind.ELECTRONIC_ORDINARY, Kind.TOLL, Kind.PAPER_SPECIAL, Kind.PAPER_ORDINARY, Kind.ROLL,
)  # fmt: skip


class AlreadyClaimed(Conflict):
    code = "invoice.already_claimed"
    message = N_("Invoice {number} is already claimed on {document}.")
    hint = N_("Take it out of this document; if the other one is wrong, withdraw that first.")


class ClaimedByThis(Conflict):
    code = "invoice.twice_in_document"
    message = N_("Invoice {number} is in this document twice.")
    hint = N_("Take one of the two lines out.")


class NotClaimable(Refused):
    code = "invoice.not_claimable"
    message = N_("Invoice {number} cannot be claimed: {reason}")
    hint = N_("Ask the seller for a right invoice, or correct the value if it was misread; then try again.")


class NotYours(Refused):
    code = "invoice.not_held"
    message = N_("One of the invoices is no longer there.")
    hint = N_("Reload the page and choose from the invoices you hold.")


class InUse(Conflict):
    code = "invoice.in_use"
    message = N_("Invoice {number} is claimed on {document} and cannot be changed.")
    hint = N_("Withdraw that document first.")


class FieldIsCertain(Refused):
    code = "invoice.field_is_certain"
    message = N_("This value comes from the invoice's own data and cannot be changed.")
    hint = N_("If the invoice itself is wrong, ask the seller to cancel it and issue a right one.")


class EntryRefused(Refused):
    """The family of mistakes in what was typed."""

    code = "invoice.entry"
    hint = N_("Compare with the paper and correct the marked value.")


class NumberWrong(EntryRefused):
    code = "invoice.number_wrong"
    message = N_("“{number}” is not the number of such an invoice: {expected} digits are expected.")


class CodeWrong(EntryRefused):
    code = "invoice.code_wrong"
    message = N_("“{code}” is not an invoice code: 10 or 12 digits are expected.")


class TotalWrong(EntryRefused):
    code = "invoice.total_wrong"
    message = N_("The total {total} must be above zero and below one billion.")


class TaxWrong(EntryRefused):
    code = "invoice.tax_wrong"
    message = N_("The tax {tax} must be between zero and the total {total}.")


class DateWrong(EntryRefused):
    code = "invoice.date_wrong"
    message = N_("The date {issued} is in the future or before 2000.")


class SellerMissing(EntryRefused):
    code = "invoice.seller_missing"
    message = N_("Who issued it is missing.")
    hint = N_(
        "Write the name printed on it; for a fare without a name, write the company of the taxi or coach."
    )


# ── taking in a file ──────────────────────────────────────────────────────────


def take_in(
    *, data: bytes, name: str, owner: Employee, entity: LegalEntity, at: datetime, via: str = "web"
) -> Invoice:
    """Read, check and keep a file. The same invoice again, in whatever form, is the same row of the same owner.

    Raises readers.Unreadable and its kin; then nothing is kept.
    """
    name = archive.safe_name(name)
    read = readers.read(data, name)
    found = Invoice.objects.filter(owner=owner, identity=read.identity, state=InvoiceState.HELD).first()
    with transaction.atomic():
        stored = archive.keep(data=data, name=name, media_type=read.media_type, owner_id=owner.pk, at=at)
        if found is None:
            invoice, is_new = _insert(_row(read, owner, entity, at, stored.digest, name))
        else:
            invoice, is_new = found, False
        _, is_new_file = InvoiceFile.objects.get_or_create(
            invoice=invoice, file=stored, defaults={"name": name, "created_at": at}
        )
        if is_new:
            _record(
                invoice, "invoice.taken_in", owner, via, at, {"name": name, "total": invoice.money.json()}
            )
        elif is_new_file:
            _take_surer(invoice, read, stored.digest, name, at)
            _record(invoice, "invoice.file_added", owner, via, at, {"name": name})
    return invoice


def _insert(row: Invoice) -> tuple[Invoice, bool]:
    """The row, or the one that was faster: a double click hands in the same file twice at once."""
    try:
        with transaction.atomic():
            row.save(force_insert=True)
        return row, True
    except IntegrityError:
        existing = Invoice.objects.get(owner_id=row.owner_id, identity=row.identity, state=InvoiceState.HELD)
        return existing, False


def _row(
    read: ReadResult, owner: Employee, entity: LegalEntity, at: datetime, digest: str, name: str
) -> Invoice:
    invoice = Invoice(owner=owner, entity=entity, created_at=at, identity=read.identity)
    _write_reading(invoice, read, digest, name)
    _check(invoice, read.warnings, at)
    return invoice


def _write_reading(invoice: Invoice, read: ReadResult, digest: str, name: str) -> None:
    invoice.kind = read.kind
    invoice.code = read.code
    invoice.number = read.number
    invoice.issued = read.issued
    invoice.seller_name = read.seller_name[:200]
    invoice.seller_tax_id = read.seller_tax_id
    invoice.buyer_name = read.buyer_name[:200]
    invoice.buyer_tax_id = read.buyer_tax_id
    invoice.net, invoice.tax, invoice.total = read.net.amount, read.tax.amount, read.total.amount
    invoice.currency = read.total.currency
    invoice.category_hint = read.category_hint or ""
    invoice.file_id = digest
    qr = read.qr
    invoice.fields = {
        "file_name": name,
        "sources": {field: str(source) for field, source in read.sources.items()},
        "items": [item.json() for item in read.items[:MOST_KEPT_ITEMS]],
        "item_count": len(read.items),
        "trips": [trip.json() for trip in read.trips[:MOST_KEPT_ITEMS]],
        "check_code": read.check_code,
        "remark": read.remark,
        "is_red": read.is_red,
        "qr": {"amount": str(qr.amount), "says_total": qr.says_total, "checksum_holds": qr.checksum_holds}
        if qr
        else None,
    }


def _take_surer(invoice: Invoice, read: ReadResult, digest: str, name: str, at: datetime) -> None:
    """A surer form (XML after PDF) replaces what was read, unless a document already relies on it."""
    now = min(
        (RANK[Source(source)] for source in invoice.fields.get("sources", {}).values()), default=len(RANK)
    )
    new = min((RANK[source] for source in read.sources.values()), default=len(RANK))
    if new >= now or live_claim(invoice.identity) is not None:
        return
    _write_reading(invoice, read, digest, name)
    _check(invoice, read.warnings, at)
    invoice.save()


# ── entering a paper by hand, and mending what was misread ────────────────────


@dataclass(frozen=True, slots=True)
class PaperInvoice:
    """What a person reads off a paper. `code` and `number` may be empty for kinds that print none."""

    kind: Kind
    issued: date
    total: Money
    seller_name: str
    number: str = ""
    code: str = ""
    tax: Money | None = None
    buyer_name: str = ""
    buyer_tax_id: str = ""
    category: Category | None = None


def enter_by_hand(
    *,
    paper: PaperInvoice,
    owner: Employee,
    entity: LegalEntity,
    at: datetime,
    via: str = "web",
    photo: bytes = b"",
    photo_name: str = "",
) -> Invoice:
    """Keep a paper invoice, with a photograph when there is one. Raises the EntryRefused family."""
    paper = _tidied(paper)
    _refuse_wrong_entry(paper, at)
    row = Invoice(owner=owner, entity=entity, created_at=at, identity=_paper_identity(paper))
    _write_paper(row, paper)
    row.fields = {
        "sources": dict.fromkeys(("kind", "number", "code", "issued", "total", "tax", "seller_name"), "hand")
    }
    _check(row, [ReadingWarning("invoice.entered_by_hand")], at)
    with transaction.atomic():
        if photo:
            _attach_photo(row, photo, photo_name, owner, at)
        invoice, is_new = _insert(row)
        if is_new and row.file_id:
            InvoiceFile.objects.create(
                invoice=invoice, file_id=row.file_id, name=row.fields["file_name"], created_at=at
            )
        if is_new:
            _record(invoice, "invoice.entered", owner, via, at, {"total": invoice.money.json()})
    return invoice


def _attach_photo(row: Invoice, photo: bytes, name: str, owner: Employee, at: datetime) -> None:
    if len(photo) > readers.LARGEST:
        raise TooLarge(name=name, limit=readers.LARGEST // 1024 // 1024)
    found, media_type = sniff.sniff(photo)
    if found not in (sniff.Format.PICTURE, sniff.Format.PDF, sniff.Format.OFD, sniff.Format.XML):
        raise NotAnInvoice(name=name)
    name = archive.safe_name(name)
    stored = archive.keep(data=photo, name=name, media_type=media_type, owner_id=owner.pk, at=at)
    row.file_id = stored.digest
    row.fields["file_name"] = name


def correct(
    *, invoice: Invoice, paper: PaperInvoice, actor: Employee, at: datetime, via: str = "web"
) -> Invoice:
    """Mend values that were misread. Values from the invoice's own data stay; a claimed invoice stays whole.

    Raises FieldIsCertain naming the field, InUse, NotYours and the EntryRefused family.
    """
    paper = _tidied(paper)
    _refuse_wrong_entry(paper, at)
    with transaction.atomic():
        held = (
            Invoice.objects.select_for_update()
            .filter(pk=invoice.pk, owner=actor, state=InvoiceState.HELD)
            .first()
        )
        if held is None:
            raise NotYours(field="invoice")
        _refuse_in_use(held)
        changed = _changed_fields(held, paper)
        for name in changed:
            if held.source_of(name) in STRUCTURED:
                raise FieldIsCertain(field=name)
        if not changed:
            return held
        _write_paper(held, paper)
        held.identity = _paper_identity(paper)
        held.fields["sources"] = held.fields.get("sources", {}) | dict.fromkeys(changed, Source.HAND.value)
        kept = [ReadingWarning("invoice.entered_by_hand"), *_corrected_doubts(held)]
        _check(held, kept, at)
        try:
            with transaction.atomic():
                held.save()
        except IntegrityError as error:
            raise ClaimedByThis(field="number", number=held.number) from error
        _record(held, "invoice.corrected", actor, via, at, {"fields": changed})
    return held


def _corrected_doubts(invoice: Invoice) -> Iterable[ReadingWarning]:
    """What still holds after a correction: a QR code that contradicts the typed total keeps the invoice back."""
    if invoice.fields.get("is_red"):
        yield ReadingWarning("invoice.red", "total")
    qr = invoice.fields.get("qr")
    if qr:
        field_name = "total" if qr["says_total"] else "net"
        stated = Money(invoice.total if qr["says_total"] else invoice.net, invoice.currency)
        if str(Money(qr["amount"], invoice.currency)) != str(stated):
            yield ReadingWarning(
                "invoice.qr_disagrees", field_name, {"qr": qr["amount"], "stated": str(stated.amount)}
            )


def _tidied(paper: PaperInvoice) -> PaperInvoice:
    def plain(text: str) -> str:
        return "".join(text.split()).upper()

    return replace(
        paper,
        number=plain(paper.number)[:40],
        code=plain(paper.code)[:16],
        seller_name=" ".join(paper.seller_name.split())[:200],
        buyer_name=" ".join(paper.buyer_name.split())[:200],
        buyer_tax_id=plain(paper.buyer_tax_id)[:32],
    )


def _refuse_wrong_entry(paper: PaperInvoice, at: datetime) -> None:
    digits = paper.number.isascii() and paper.number.isdigit()
    if paper.kind in NUMBERED_ALONE and not (digits and len(paper.number) == 20):
        raise NumberWrong(field="number", number=paper.number, expected=20)
    if paper.kind in VAT_PAPER:
        if not (digits and len(paper.number) == 8):
            raise NumberWrong(field="number", number=paper.number, expected=8)
        if not (paper.code.isascii() and paper.code.isdigit() and len(paper.code) in (10, 12)):
            raise CodeWrong(field="code", code=paper.code)
    if not paper.number and paper.kind not in UNNUMBERED:
        raise NumberWrong(field="number", number="", expected=10)
    if not paper.seller_name:
        raise SellerMissing(field="seller_name")
    if not 0 < paper.total.amount < amounts.LARGEST_INVOICE:
        raise TotalWrong(field="total", total=paper.total)
    if paper.tax is not None and not (Money.zero(paper.total.currency) <= paper.tax < paper.total):
        raise TaxWrong(field="tax", tax=paper.tax, total=paper.total)
    if not date(2000, 1, 1) <= paper.issued <= today(at):
        raise DateWrong(field="issued", issued=paper.issued)


def _paper_identity(paper: PaperInvoice) -> str:
    """A number printed by one seller alone is told apart by the seller; without a number nothing can be told."""
    if not paper.number:
        return f"paper-{uuid.uuid4().hex}"
    if paper.kind is Kind.OTHER:
        return f"{paper.seller_name[:70]}-{paper.number}"
    return identity(paper.kind, paper.code, paper.number)


def _write_paper(invoice: Invoice, paper: PaperInvoice) -> None:
    tax = paper.tax or Money.zero(paper.total.currency)
    invoice.kind, invoice.code, invoice.number = paper.kind, paper.code, paper.number
    invoice.issued = paper.issued
    invoice.seller_name = paper.seller_name
    invoice.buyer_name, invoice.buyer_tax_id = paper.buyer_name, paper.buyer_tax_id
    invoice.net, invoice.tax, invoice.total = (paper.total - tax).amount, tax.amount, paper.total.amount
    invoice.currency = paper.total.currency
    hint = categories.BY_KIND.get(Kind(paper.kind), "")
    invoice.category_hint = paper.category.value if paper.category else (invoice.category_hint or hint)


def _changed_fields(invoice: Invoice, paper: PaperInvoice) -> list[str]:
    tax = paper.tax or Money.zero(paper.total.currency)
    pairs: dict[str, tuple[Any, Any]] = {
        "kind": (invoice.kind, paper.kind),
        "code": (invoice.code, paper.code),
        "number": (invoice.number, paper.number),
        "issued": (invoice.issued, paper.issued),
        "seller_name": (invoice.seller_name, paper.seller_name),
        "buyer_name": (invoice.buyer_name, paper.buyer_name),
        "buyer_tax_id": (invoice.buyer_tax_id, paper.buyer_tax_id),
        "tax": (Money(invoice.tax, invoice.currency), tax),
        "total": (invoice.money, paper.total),
    }
    return [name for name, (old, new) in pairs.items() if old != new]


def discard(*, invoice: Invoice, actor: Employee, at: datetime, via: str = "web") -> None:
    """Put away an invoice no document uses. Raises InUse, NotYours."""
    with transaction.atomic():
        held = (
            Invoice.objects.select_for_update()
            .filter(pk=invoice.pk, owner=actor, state=InvoiceState.HELD)
            .first()
        )
        if held is None:
            raise NotYours(field="invoice")
        _refuse_in_use(held)
        held.state = InvoiceState.DISCARDED
        held.save(update_fields=["state"])
        _record(held, "invoice.discarded", actor, via, at, {})


def _refuse_in_use(invoice: Invoice) -> None:
    claim = Claim.objects.filter(invoice=invoice, released_at__isnull=True).first()
    if claim is not None:
        raise InUse(field="invoice", number=invoice.number, document=claim.number or claim.ref)


# ── checks against what the company knows ─────────────────────────────────────


def today(at: datetime) -> date:
    """The day in the company's zone."""
    return timezone.localdate(at, timezone.get_default_timezone())


def _check(invoice: Invoice, found: Iterable[ReadingWarning], at: datetime) -> None:
    """Write the warnings: those of the reading, and those that need the calendar, our companies, other invoices."""
    warnings = [*found, *_calendar(invoice, at), *_buyer(invoice), *_others(invoice)]
    invoice.warnings = [warning.json() for warning in warnings]
    stops = [w.code for w in warnings if w.level is Level.STOP and w.code != "invoice.in_the_future"]
    # A date in the future stops being one, so the claim compares it anew instead.
    invoice.blocked_by = stops[0] if stops else ""


def _calendar(invoice: Invoice, at: datetime) -> Iterable[ReadingWarning]:
    day = today(at)
    if invoice.issued > day:
        yield ReadingWarning("invoice.in_the_future", "issued", {"issued": invoice.issued.isoformat()})
    elif invoice.issued < day - LONG_AGO:
        yield ReadingWarning("invoice.long_ago", "issued", {"issued": invoice.issued.isoformat()})


def _buyer(invoice: Invoice) -> Iterable[ReadingWarning]:
    if not invoice.buyer_name and not invoice.buyer_tax_id:
        return
    rule = Q(pk__in=[])
    if invoice.buyer_tax_id:
        rule |= Q(tax_id=invoice.buyer_tax_id)
    else:
        rule |= Q(name__in=_spellings(invoice.buyer_name))
    ours = list(LegalEntity.objects.filter(rule)[:2])
    if not ours:
        buyer = invoice.buyer_name or invoice.buyer_tax_id
        yield ReadingWarning("invoice.buyer_not_ours", "buyer_name", {"buyer": buyer})
    elif invoice.entity_id not in {entity.pk for entity in ours}:
        names = {"buyer": ours[0].name, "entity": invoice.entity.name}
        yield ReadingWarning("invoice.buyer_other_entity", "buyer_name", names)


def _spellings(name: str) -> list[str]:
    """Brackets are printed in both widths."""
    return [name, name.replace("(", "（").replace(")", "）"), name.replace("（", "(").replace("）", ")")]


def _others(invoice: Invoice) -> Iterable[ReadingWarning]:
    """Seen with the system's eyes; says only that another exists, never whose it is."""
    held = Invoice.objects.filter(state=InvoiceState.HELD)
    if held.filter(identity=invoice.identity).exclude(owner_id=invoice.owner_id).exists():
        yield ReadingWarning("invoice.held_by_another", "number")
    alike = (
        held.filter(
            issued=invoice.issued, total=invoice.total, currency=invoice.currency, owner_id=invoice.owner_id
        )
        .filter(seller_name=invoice.seller_name)
        .exclude(identity=invoice.identity)
        .exclude(pk=invoice.pk or 0)
        .first()
    )
    if alike is not None and invoice.seller_name:
        yield ReadingWarning("invoice.looks_alike", None, {"number": alike.number or "–"})


# ── claiming ──────────────────────────────────────────────────────────────────

_CLAIM = """
INSERT INTO invoices_claim (invoice_id, identity, ref, number, at)
SELECT id, identity, %(ref)s, %(number)s, %(at)s
  FROM invoices_invoice
 WHERE id = ANY(%(ids)s) AND state = 'held' AND blocked_by = '' AND issued <= %(today)s
 ORDER BY identity
    ON CONFLICT (identity) WHERE released_at IS NULL DO NOTHING
RETURNING invoice_id
"""


def claim(*, invoice_ids: Sequence[int], ref: Ref, at: datetime, number: str = "") -> None:
    """Claim all for the document `ref` (`number` is what people call it), or none, by one INSERT.

    A claim being made elsewhere is waited for; identities are taken in one order, so two documents never wait
    for each other. Claiming again what `ref` already has is no error. The claim rows are the record: the
    document's command records its own fact. Raises AlreadyClaimed, ClaimedByThis, NotClaimable, NotYours; the
    caller's transaction must then be rolled back.
    """
    wanted = list(invoice_ids)
    if len(set(wanted)) != len(wanted):
        twice = Invoice.objects.filter(pk=next(i for i in wanted if wanted.count(i) > 1)).first()
        raise ClaimedByThis(field="invoice", number=twice.number if twice else "")
    if not wanted:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            _CLAIM, {"ids": wanted, "ref": str(ref), "number": number, "at": at, "today": today(at)}
        )
        claimed = {row[0] for row in cursor.fetchall()}
    if len(claimed) < len(wanted):
        _explain(set(wanted) - claimed, ref, at)


def _explain(missing: set[int], ref: Ref, at: datetime) -> None:
    """Raise why the first of `missing` could not be claimed; nothing when `ref` already has them all."""
    invoices = {row.pk: row for row in Invoice.objects.filter(pk__in=missing, state=InvoiceState.HELD)}
    live = {
        row.identity: row
        for row in Claim.objects.filter(
            identity__in=[invoice.identity for invoice in invoices.values()], released_at__isnull=True
        )
    }
    for invoice_id in sorted(missing):
        invoice = invoices.get(invoice_id)
        if invoice is None:
            raise NotYours(field="invoice")
        other = live.get(invoice.identity)
        if other is None:
            reason = _reason(invoice, at)
            if reason is None:  # the one who had it gave it back in this moment
                raise Conflict(field="invoice")
            raise NotClaimable(field="invoice", number=invoice.number, reason=reason)
        if other.ref != str(ref):
            raise AlreadyClaimed(field="invoice", number=invoice.number, document=other.number or other.ref)
        if other.invoice_id != invoice_id:
            raise ClaimedByThis(field="invoice", number=invoice.number)


def hindrances(*, invoice_ids: Sequence[int], ref: Ref, at: datetime) -> list[Refused]:
    """Why `claim` would refuse some of these now; empty when it would not. Two statements; nothing is kept."""
    invoices = list(Invoice.objects.filter(pk__in=invoice_ids).order_by("pk"))
    live = Claim.objects.filter(
        identity__in=[invoice.identity for invoice in invoices], released_at__isnull=True
    ).exclude(ref=str(ref))
    elsewhere = {claim.identity: claim.number or claim.ref for claim in live} if invoices else {}
    found: list[Refused] = []
    for invoice in invoices:
        if invoice.state != InvoiceState.HELD:
            found.append(NotYours(field="invoice"))
        elif invoice.identity in elsewhere:
            document = elsewhere[invoice.identity]
            found.append(AlreadyClaimed(field="invoice", number=invoice.number, document=document))
        elif reason := _reason(invoice, at):
            found.append(NotClaimable(field="invoice", number=invoice.number, reason=reason))
    return found


def _reason(invoice: Invoice, at: datetime) -> Reason | None:
    if invoice.issued > today(at):
        return Reason(
            ReadingWarning("invoice.in_the_future", "issued", {"issued": invoice.issued.isoformat()})
        )
    stop = next((w for w in warning_rows(invoice) if w.code == invoice.blocked_by), None)
    return Reason(stop) if stop else None


@dataclass(frozen=True, slots=True)
class Reason:
    """A warning as part of a sentence, translated when the sentence is."""

    warning: ReadingWarning

    def __str__(self) -> str:
        return gettext(self.warning.message).format(**self.warning.params)


def release(*, ref: Ref, at: datetime) -> int:
    """Free the invoices of `ref`; how many. For a withdrawn, rejected or deleted document, never after payment."""
    return Claim.objects.filter(ref=str(ref), released_at__isnull=True).update(released_at=at)


def live_claim(of_identity: str) -> Claim | None:
    return Claim.objects.filter(identity=of_identity, released_at__isnull=True).first()


# ── small things ──────────────────────────────────────────────────────────────


def warning_rows(invoice: Invoice) -> list[ReadingWarning]:
    """The kept warnings as values: `level`, `message` (a msgid) and `params` for a page to show."""
    return [
        ReadingWarning(w["code"], w["field"], w["params"]) for w in invoice.warnings if w["code"] in WARNINGS
    ]


def _record(
    invoice: Invoice, fact: str, actor: Employee, via: str, at: datetime, data: dict[str, Any]
) -> None:
    facts.record(ref=invoice.ref, fact=fact, actor=f"employee:{actor.pk}", via=via, at=at, data=data)


__all__ = ["PaperInvoice", "claim", "correct", "discard", "enter_by_hand", "hindrances", "release", "take_in"]
