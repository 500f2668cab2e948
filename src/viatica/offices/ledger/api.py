"""`/api/v1/vouchers`: the books of the entities you watch over."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Query, Router, Schema
from pydantic import Field, StringConstraints

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


class Listing(Schema):
    document: Annotated[str, StringConstraints(max_length=40)] = ""
    before: int | None = Field(None, ge=1, le=2**62)
    size: int = Field(50, ge=1, le=200)


class VoucherPage(Schema):
    items: list[VoucherOut]
    next: int | None


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
