"""`/api/v1/invoices`: hand in files or papers, look, discard."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from ninja import File, Query, Router, Schema, Status
from ninja.files import UploadedFile
from pydantic import Field, StringConstraints

from viatica.kernel.money import Money
from viatica.offices.access.doors import viewer, write_once
from viatica.offices.access.shapes import Id
from viatica.offices.access.viewer import Viewer
from viatica.offices.archive import services as archive
from viatica.offices.company.categories import Category
from viatica.offices.company.models import Employee
from viatica.offices.invoices import queries, services
from viatica.offices.invoices.models import Invoice
from viatica.offices.invoices.readers.reading import Kind

router = Router(tags=["invoices"])
Amount = Annotated[str, StringConstraints(pattern=r"^\d{1,16}(\.\d{1,2})?$")]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Short = Annotated[str, StringConstraints(max_length=200)]


class InvoiceOut(Schema):
    id: int
    kind: str
    code: str
    number: str
    issued: date
    seller_name: str
    buyer_name: str
    buyer_tax_id: str
    net: str
    tax: str
    total: str
    currency: str
    category_hint: str
    sources: dict[str, str] = Field(description="Where each value came from: xml, ofd_tag, text, qr, hand …")
    warnings: list[dict[str, Any]]
    blocked_by: str = Field(description="Code of what forbids a claim; empty when nothing does.")
    has_file: bool


class PaperIn(Schema):
    kind: Kind
    issued: date
    total: Amount
    currency: Currency = "CNY"
    seller_name: Short
    number: Annotated[str, StringConstraints(max_length=40)] = ""
    code: Annotated[str, StringConstraints(max_length=16)] = ""
    tax: Amount | None = None
    buyer_name: Short = ""
    buyer_tax_id: Annotated[str, StringConstraints(max_length=32)] = ""
    category: Category | None = None


class Listing(Schema):
    unclaimed: bool = False
    number: Annotated[str, StringConstraints(max_length=40)] = ""


@router.get("", response=list[InvoiceOut], summary="Invoices you may see, newest first (200 at most)")
def list_invoices(request: HttpRequest, listing: Query[Listing]) -> Any:
    asker = viewer(request)
    if listing.number:
        return [_out(invoice) for invoice in queries.by_number(listing.number, asker)]
    rows = (
        queries.mine_unclaimed(asker)
        if listing.unclaimed
        else queries.visible(asker).order_by("-created_at", "-pk")
    )
    return [_out(invoice) for invoice in rows[:200]]


@router.post("", response={201: InvoiceOut}, summary="Hand in one invoice file (XML, OFD, PDF)")
def take_in(request: HttpRequest, file: File[UploadedFile]) -> Any:
    def run(asker: Viewer, at: datetime) -> InvoiceOut:
        owner = _owner(asker)
        data = file.read()
        return _out(
            services.take_in(
                data=data, name=file.name or "", owner=owner, entity=owner.entity, at=at, via="api"
            )
        )

    return Status(201, write_once(request, run))


@router.post("/by-hand", response={201: InvoiceOut}, summary="Enter a paper invoice")
def enter_by_hand(request: HttpRequest, body: PaperIn) -> Any:
    def run(asker: Viewer, at: datetime) -> InvoiceOut:
        owner = _owner(asker)
        paper = _paper(body)
        return _out(services.enter_by_hand(paper=paper, owner=owner, entity=owner.entity, at=at, via="api"))

    return Status(201, write_once(request, run))


@router.get("/{int:invoice_id}", response=InvoiceOut, summary="One invoice")
def get_invoice(request: HttpRequest, invoice_id: Id) -> InvoiceOut:
    return _out(queries.get(invoice_id, viewer(request)))


@router.put(
    "/{int:invoice_id}", response=InvoiceOut, summary="Mend what was misread, while no paper claims it"
)
def correct(request: HttpRequest, invoice_id: Id, body: PaperIn) -> Any:
    def run(asker: Viewer, at: datetime) -> InvoiceOut:
        invoice = queries.get(invoice_id, asker)
        return _out(
            services.correct(invoice=invoice, paper=_paper(body), actor=_owner(asker), at=at, via="api")
        )

    return write_once(request, run)


@router.get(
    "/{int:invoice_id}/file",
    summary="The file as it was handed in",
    openapi_extra={"responses": {200: {"content": {"*/*": {"schema": {}}}}}},
)
def invoice_file(request: HttpRequest, invoice_id: Id) -> HttpResponse:
    invoice = queries.get(invoice_id, viewer(request))
    if invoice.file is None:
        raise queries.NoSuchInvoice()
    answer = HttpResponse(archive.open_file(invoice.digest), content_type=invoice.file.media_type)
    answer["Content-Disposition"] = "attachment"
    return answer


@router.delete("/{int:invoice_id}", response={204: None}, summary="Put away an invoice no document uses")
def discard(request: HttpRequest, invoice_id: Id) -> Any:
    def run(asker: Viewer, at: datetime) -> None:
        services.discard(invoice=queries.get(invoice_id, asker), actor=_owner(asker), at=at, via="api")

    write_once(request, run)
    return Status(204, None)


def _paper(body: PaperIn) -> services.PaperInvoice:
    return services.PaperInvoice(
        kind=body.kind,
        issued=body.issued,
        total=Money(body.total, body.currency),
        seller_name=body.seller_name,
        number=body.number,
        code=body.code,
        tax=Money(body.tax, body.currency) if body.tax else None,
        buyer_name=body.buyer_name,
        buyer_tax_id=body.buyer_tax_id,
        category=body.category,
    )


def _owner(asker: Viewer) -> Employee:
    return Employee.objects.select_related("entity").get(pk=asker.employee_id)


def _out(invoice: Invoice) -> InvoiceOut:
    return InvoiceOut(
        id=invoice.pk,
        kind=invoice.kind,
        code=invoice.code,
        number=invoice.number,
        issued=invoice.issued,
        seller_name=invoice.seller_name,
        buyer_name=invoice.buyer_name,
        buyer_tax_id=invoice.buyer_tax_id,
        net=str(invoice.net),
        tax=str(invoice.tax),
        total=str(invoice.total),
        currency=invoice.currency,
        category_hint=invoice.category_hint,
        sources=invoice.fields.get("sources", {}),
        warnings=invoice.warnings,
        blocked_by=invoice.blocked_by,
        has_file=bool(invoice.file_id),
    )
