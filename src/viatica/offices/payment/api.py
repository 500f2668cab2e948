"""`/api/v1/payments`: what the cashier's desk does."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from ninja import Router, Schema, Status
from pydantic import Field, StringConstraints

from viatica.kernel import clock
from viatica.kernel.errors import NotFound
from viatica.offices.access.doors import viewer, write_once
from viatica.offices.access.shapes import Id, Number, Version
from viatica.offices.access.viewer import Viewer
from viatica.offices.company.models import LegalEntity
from viatica.offices.payment import queries, services
from viatica.offices.payment.models import BatchState, PaymentBatch, PaymentOrder

router = Router(tags=["payments"])


class OrderOut(Schema):
    id: int
    document: str
    payee: str
    entity: str
    amount: str
    currency: str
    state: str
    ordered_at: datetime
    paid_at: datetime | None


class BatchRow(Schema):
    number: str
    entity: str
    state: str
    total: str
    currency: str
    orders_count: int
    maker: str
    made_at: datetime
    checker: str | None
    paid_at: datetime | None
    version: int


class BatchOut(BatchRow):
    orders: list[OrderOut]


class BatchIn(Schema):
    entity: Annotated[str, StringConstraints(max_length=16)]
    orders: list[Id] = Field(min_length=1, max_length=12000)


class Expected(Schema):
    """The version the writer saw; another one means that somebody was first (409)."""

    version: Version


class TakeOut(Expected):
    orders: list[Id] = Field(min_length=1, max_length=12000)


@router.get(
    "/waiting", response=list[OrderOut], summary="Orders no batch has yet, oldest first (500 at most)"
)
def list_waiting(request: HttpRequest) -> Any:
    return [_order(row) for row in queries.waiting(viewer(request))[:500]]


@router.get("/batches", response=list[BatchRow], summary="Batches, newest first (200 at most)")
def list_batches(request: HttpRequest) -> Any:
    return [_row(batch) for batch in queries.batches(viewer(request))[:200]]


@router.post("/batches", response={201: BatchOut}, summary="Put waiting orders in a new batch")
def make_batch(request: HttpRequest, body: BatchIn) -> Any:
    def run(asker: Viewer, at: datetime) -> BatchOut:
        entity_id = LegalEntity.objects.filter(code=body.entity).values_list("pk", flat=True).first()
        if entity_id is None:
            raise NotFound(field="entity")
        return _out(services.put_in_batch(body.orders, entity_id=entity_id, actor=asker, at=at, via="api"))

    services.clear(queries.waiting(viewer(request)).filter(pk__in=body.orders), clock.now())
    return Status(201, write_once(request, run))


@router.get("/batches/{number}", response=BatchOut, summary="One batch with its orders")
def get_batch(request: HttpRequest, number: Number) -> BatchOut:
    return _out(_batch(number, viewer(request)))


@router.post(
    "/batches/{number}/take-out", response=BatchOut, summary="Back to waiting, before the bank has the file"
)
def take_out(request: HttpRequest, number: Number, body: TakeOut) -> Any:
    def run(asker: Viewer, at: datetime) -> BatchOut:
        batch = _batch(number, asker)
        return _out(
            services.take_out(
                body.orders, batch_id=batch.pk, actor=asker, at=at, expected_version=body.version, via="api"
            )
        )

    return write_once(request, run)


CSV = {"responses": {200: {"content": {"text/csv": {"schema": {"type": "string"}}}}}}


@router.post(
    "/batches/{number}/export",
    summary="The bank's file (CSV); nothing goes in or out afterwards",
    openapi_extra=CSV,
)
def export(request: HttpRequest, number: Number, body: Expected) -> HttpResponse:
    def run(asker: Viewer, at: datetime) -> None:
        services.export(
            _batch(number, asker).pk, actor=asker, at=at, expected_version=body.version, via="api"
        )

    _clear(number, viewer(request))
    # The file is not kept with the key: from now on the batch always gives the same one.
    write_once(request, run)
    return batch_file(request, number)


@router.get("/batches/{number}/file", summary="The file as it was given to the bank", openapi_extra=CSV)
def batch_file(request: HttpRequest, number: Number) -> HttpResponse:
    answer = HttpResponse(
        services.batch_csv(_batch(number, viewer(request))), content_type="text/csv; charset=utf-8"
    )
    answer["Content-Disposition"] = f'attachment; filename="{number}.csv"'
    return answer


@router.post(
    "/batches/{number}/pay", response=BatchOut, summary="The bank has paid; confirmed by another person"
)
def pay(request: HttpRequest, number: Number, body: Expected) -> Any:
    def run(asker: Viewer, at: datetime) -> BatchOut:
        batch = _batch(number, asker)
        return _out(
            services.mark_paid(batch.pk, actor=asker, at=at, expected_version=body.version, via="api")
        )

    _clear(number, viewer(request))
    return write_once(request, run)


def _clear(number: str, asker: Viewer) -> None:
    """While the bank does not have the file: afterwards what is paid is paid."""
    batch = _batch(number, asker)
    if batch.state == BatchState.OPEN:
        services.clear(batch.orders.all(), clock.now())


def _batch(number: str, asker: Viewer) -> PaymentBatch:
    batch = queries.batches(asker).filter(number=number).first()
    if batch is None:
        raise NotFound()
    return batch


def _order(row: PaymentOrder) -> OrderOut:
    return OrderOut(
        id=row.pk,
        document=row.number,
        payee=row.payee_name,
        entity=row.entity.code,
        amount=str(row.amount),
        currency=row.currency,
        state=row.state,
        ordered_at=row.ordered_at,
        paid_at=row.paid_at,
    )


def _row(batch: PaymentBatch) -> dict[str, Any]:
    return {
        "number": batch.number,
        "entity": batch.entity.code,
        "state": batch.state,
        "total": str(batch.total),
        "currency": batch.currency,
        "orders_count": batch.orders_count,
        "maker": batch.maker.name,
        "made_at": batch.made_at,
        "checker": batch.checker.name if batch.checker else None,
        "paid_at": batch.paid_at,
        "version": batch.version,
    }


def _out(batch: PaymentBatch) -> BatchOut:
    orders = batch.orders.select_related("entity").order_by("id")
    return BatchOut(**_row(batch), orders=[_order(row) for row in orders])
