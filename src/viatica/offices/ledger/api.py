"""`/api/v1/vouchers`: the books of the entities you watch over."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Query, Router, Schema
from pydantic import Field, StringConstraints

from viatica.offices.access import shapes
from viatica.offices.access.doors import viewer
from viatica.offices.ledger import queries
from viatica.offices.ledger.models import Voucher

router = Router(tags=["vouchers"])


class EntryOut(Schema):
    account: str
    name: str
    debit: str
    credit: str


class VoucherOut(Schema):
    id: int
    entity: str
    month: date
    number: int
    day: date
    summary: str
    document: str
    purpose: str
    total: str
    currency: str
    is_reversed: bool
    lines: list[EntryOut]


class Listing(shapes.Listing):
    document: Annotated[str, StringConstraints(max_length=40)] = Field(
        "", description="Number of the paper they were posted for."
    )


class VoucherPage(Schema):
    items: list[VoucherOut]
    next: int | None = Field(description="Pass it as `before` to get the next page.")


@router.get("", response=VoucherPage, summary="Vouchers, newest first")
def list_vouchers(request: HttpRequest, listing: Query[Listing]) -> dict[str, Any]:
    rows = queries.vouchers(viewer(request)).prefetch_related("lines")
    if listing.document:
        rows = rows.filter(document_number=listing.document)
    if listing.before:
        rows = rows.filter(pk__lt=listing.before)
    found = list(rows[: listing.size + 1])
    return {
        "items": [_out(voucher) for voucher in found[: listing.size]],
        "next": found[listing.size - 1].pk if len(found) > listing.size else None,
    }


def _out(voucher: Voucher) -> VoucherOut:
    return VoucherOut(
        id=voucher.pk,
        entity=voucher.entity.code,
        month=voucher.month,
        number=voucher.number,
        day=voucher.day,
        summary=voucher.summary,
        document=voucher.document_number,
        purpose=voucher.purpose,
        total=str(voucher.total),
        currency=voucher.currency,
        is_reversed=voucher.reversed_at is not None,
        lines=[
            EntryOut(
                account=line.account_code,
                name=line.account_name,
                debit=str(line.debit),
                credit=str(line.credit),
            )
            for line in voucher.lines.all()
        ],
    )
