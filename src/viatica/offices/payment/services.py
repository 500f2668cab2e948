"""Ordering and paying. Who makes a batch does not confirm it; an account is never typed, only taken from the person."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import Count, F, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from viatica.kernel.errors import Conflict, NotFound, Refused
from viatica.kernel.money import Money
from viatica.kernel.refs import Ref
from viatica.kernel.words import N_
from viatica.offices.access.models import Role
from viatica.offices.access.viewer import Viewer
from viatica.offices.company.models import Employee
from viatica.offices.payment import news, queries
from viatica.offices.payment.bank_file import batch_csv
from viatica.offices.payment.models import BatchState, OrderState, PaymentBatch, PaymentOrder
from viatica.offices.payment.news import PaidNews, on_paid
from viatica.spine import facts

__all__ = [
    "AlreadyOrdered", "BatchEmpty", "InBatch", "MixedBatch", "NoBankAccount", "NotWaiting", "NothingToPay", "PaidNews",
    "SamePerson", "batch_csv", "cancel", "clear", "export", "mark_paid", "on_paid", "order", "put_in_batch", "take_out",
]  # fmt: skip

MAKES = (Role.CASHIER,)
CONFIRMS = (Role.CASHIER, Role.FINANCE)


class NothingToPay(Refused):
    code = "payment.nothing_to_pay"
    message = N_("{number} leaves nothing to pay.")
    hint = N_("Only a positive amount can be ordered.")


class AlreadyOrdered(Conflict):
    code = "payment.already_ordered"
    message = N_("{number} is already ordered for payment, with {money}.")
    hint = N_("Cancel that order first, while it still waits for a batch.")


class InBatch(Conflict):
    code = "payment.in_batch"
    message = N_("The payment of {number} is on its way and cannot be cancelled.")
    hint = N_("Ask the cashier to take it out of its batch first.")


class NotWaiting(Conflict):
    code = "payment.not_waiting"
    message = N_("These payments are no longer waiting: {numbers}.")
    hint = N_("Reload the list; someone else has put them in a batch, or they were cancelled.")


class MixedBatch(Refused):
    code = "payment.mixed_batch"
    message = N_("A batch holds payments of one company in one currency; these differ: {numbers}.")
    hint = N_("Make one batch for each company and currency.")


class NoBankAccount(Refused):
    code = "payment.no_bank_account"
    message = N_("No bank account is known for {names}.")
    hint = N_("Have the account entered for these employees, then make the batch again.")


class BatchEmpty(Refused):
    code = "payment.batch_empty"
    message = N_("There is no payment in this batch.")
    hint = N_("Choose at least one waiting payment.")


class SamePerson(Refused):
    code = "payment.same_person"
    message = N_("Who made the batch {number} cannot confirm it.")
    hint = N_("Ask another cashier or someone from finance to confirm it.")


def order(
    *,
    ref: Ref,
    number: str,
    entity_id: int,
    payee: Employee,
    money: Money,
    at: datetime,
    actor: str = "system",
    via: str = "system",
) -> PaymentOrder:
    """Owe `money` to `payee` for the paper `number`. Repeated with the same amount: the same order.

    Raises AlreadyOrdered when the paper has an order of another amount or payee.
    """
    if money.amount <= 0:
        raise NothingToPay(number=number)
    made = PaymentOrder(
        ref=str(ref), number=number, entity_id=entity_id, payee=payee, payee_name=payee.name,
        bank_name=payee.bank_name, bank_account=payee.bank_account, amount=money.amount, currency=money.currency,
        ordered_at=at,
    )  # fmt: skip
    if not _insert_unless_live(made):
        live = PaymentOrder.objects.exclude(state=OrderState.CANCELLED).get(ref=str(ref))
        if (live.money, live.payee_id) != (money, payee.pk):
            raise AlreadyOrdered(number=number, money=live.money)
        return live
    facts.record(
        ref=ref,
        fact="payment.ordered",
        actor=actor,
        via=via,
        at=at,
        data={"amount": money.json(), "payee": payee.name},
    )
    return made


def cancel(*, ref: Ref, at: datetime, actor: str = "system", via: str = "system") -> bool:
    """No longer owe it. False when nothing is owed (any more). Raises InBatch once it is in a batch or paid."""
    waiting = PaymentOrder.objects.filter(ref=str(ref), state=OrderState.WAITING)
    if waiting.update(state=OrderState.CANCELLED, version=F("version") + 1):
        facts.record(ref=ref, fact="payment.cancelled", actor=actor, via=via, at=at)
        return True
    on_its_way = PaymentOrder.objects.filter(ref=str(ref)).exclude(state=OrderState.CANCELLED).first()
    if on_its_way is not None:
        raise InBatch(number=on_its_way.number)
    return False


def clear(orders: QuerySet[PaymentOrder], at: datetime) -> None:
    """Ask whether the papers of these orders may still be paid; raises what refuses one.

    For doors, before the transaction that lets money go: an OA may have to be asked.
    """
    news.ask_first([Ref.parse(ref) for ref in orders.order_by("pk").values_list("ref", flat=True)], at)


def put_in_batch(
    order_ids: Sequence[int], *, entity_id: int, actor: Viewer, at: datetime, via: str = "web"
) -> PaymentBatch:
    """A new batch of exactly these waiting orders, or none at all.

    Raises RoleNeeded, BatchEmpty, NotWaiting (someone was first), MixedBatch, NoBankAccount.
    """
    actor.need(*MAKES, entity_id=entity_id)
    orders = _lock(order_ids)
    _refuse_unless_waiting(orders, order_ids)
    _refuse_mixed(orders, entity_id)
    _fill_missing_accounts(orders)
    batch = PaymentBatch.objects.create(
        number=_next_number(at),
        entity_id=entity_id,
        currency=orders[0].currency,
        maker_id=actor.employee_id,
        made_at=at,
    )
    _orders(orders).update(state=OrderState.BATCHED, batch=batch, version=F("version") + 1)
    _re_add(batch.pk)
    _tell_all(orders, "payment.batched", actor=actor, via=via, at=at, batch=batch)
    batch.refresh_from_db()
    return batch


def take_out(
    order_ids: Sequence[int],
    *,
    batch_id: int,
    actor: Viewer,
    at: datetime,
    expected_version: int,
    via: str = "web",
) -> PaymentBatch:
    """Back to waiting, while the bank does not have the file yet.

    Raises Conflict when the batch has moved on, NotFound for orders that are not in it.
    """
    batch = _seen(batch_id, actor, *MAKES)
    _move(batch, [BatchState.OPEN], expected_version)
    orders = [one for one in _lock(order_ids) if one.batch_id == batch.pk]
    if len(orders) != len(set(order_ids)):
        raise NotFound()
    _orders(orders).update(state=OrderState.WAITING, batch=None, version=F("version") + 1)
    _re_add(batch.pk)
    _tell_all(orders, "payment.taken_out", actor=actor, via=via, at=at, batch=batch)
    batch.refresh_from_db()
    return batch


def export(batch_id: int, *, actor: Viewer, at: datetime, expected_version: int, via: str = "web") -> bytes:
    """The file for the bank. From now on nothing goes in or out; the file's digest is kept."""
    batch = _seen(batch_id, actor, *MAKES)
    if not batch.orders_count:
        raise BatchEmpty()
    data = batch_csv(batch)
    digest = hashlib.sha256(data).hexdigest()
    _move(
        batch,
        [BatchState.OPEN],
        expected_version,
        state=BatchState.EXPORTED,
        file_digest=digest,
        exported_at=at,
    )
    _tell_all(list(batch.orders.all()), "payment.exported", actor=actor, via=via, at=at, batch=batch)
    return data


def mark_paid(
    batch_id: int, *, actor: Viewer, at: datetime, expected_version: int, via: str = "web"
) -> PaymentBatch:
    """The bank has paid. Every order's paper hears of it once, in this transaction.

    Raises SamePerson for the batch's maker, BatchEmpty, Conflict when the batch has moved on.
    """
    batch = _seen(batch_id, actor, *CONFIRMS)
    if batch.maker_id == actor.employee_id:
        raise SamePerson(number=batch.number)
    if not batch.orders_count:
        raise BatchEmpty()
    unpaid = [BatchState.OPEN, BatchState.EXPORTED]
    _move(batch, unpaid, expected_version, state=BatchState.PAID, checker_id=actor.employee_id, paid_at=at)
    orders = list(batch.orders.order_by("id"))
    _orders(orders).update(state=OrderState.PAID, paid_at=at, version=F("version") + 1)
    _tell_all(orders, "payment.paid", actor=actor, via=via, at=at, batch=batch)
    for one in orders:
        news.tell(
            PaidNews(
                ref=Ref.parse(one.ref), order_id=one.pk, number=one.number, entity_id=one.entity_id,
                payee_id=one.payee_id, money=one.money, at=at, by=actor.actor, via=via,
            )
        )  # fmt: skip
    batch.refresh_from_db()
    return batch


# Only the conflict of one live order per paper is forgiven, so that a repeated order is found instead of failing.
_INSERT_UNLESS_LIVE = """
INSERT INTO payment_paymentorder (
    ref, number, entity_id, payee_id, payee_name, bank_name, bank_account, amount, currency, state, ordered_at, version)
VALUES (
    %(ref)s, %(number)s, %(entity_id)s, %(payee_id)s, %(payee_name)s, %(bank_name)s, %(bank_account)s, %(amount)s,
    %(currency)s, %(state)s, %(ordered_at)s, %(version)s)
ON CONFLICT (ref) WHERE NOT state = 'cancelled' DO NOTHING
RETURNING id
"""


def _insert_unless_live(made: PaymentOrder) -> bool:
    values = {field.attname: getattr(made, field.attname) for field in PaymentOrder._meta.concrete_fields}
    with connection.cursor() as cursor:
        cursor.execute(_INSERT_UNLESS_LIVE, values)
        row = cursor.fetchone()
    if row is None:
        return False
    made.pk = row[0]
    made._state.adding = False
    return True


def _lock(order_ids: Sequence[int]) -> list[PaymentOrder]:
    """In the order of their ids, so that two cashiers never wait for each other in a circle."""
    if not order_ids:
        raise BatchEmpty()
    return list(PaymentOrder.objects.filter(pk__in=order_ids).order_by("pk").select_for_update())


def _refuse_unless_waiting(orders: list[PaymentOrder], order_ids: Sequence[int]) -> None:
    if len(orders) != len(set(order_ids)):
        raise NotFound()
    gone = [one.number for one in orders if one.state != OrderState.WAITING]
    if gone:
        raise NotWaiting(numbers=", ".join(gone))


def _refuse_mixed(orders: list[PaymentOrder], entity_id: int) -> None:
    """Another entity's order is answered like one that is not there: its existence is none of this entity's business."""
    if any(one.entity_id != entity_id for one in orders):
        raise NotFound()
    differing = [one.number for one in orders if one.currency != orders[0].currency]
    if differing:
        raise MixedBatch(numbers=", ".join(differing))


def _fill_missing_accounts(orders: list[PaymentOrder]) -> None:
    """An account that was missing when the order was made is taken now; one that was known is never replaced."""
    missing = [one for one in orders if not one.bank_account]
    if not missing:
        return
    payees = Employee.objects.in_bulk([one.payee_id for one in missing])
    nameless = sorted({one.payee_name for one in missing if not payees[one.payee_id].bank_account})
    if nameless:
        raise NoBankAccount(names=", ".join(nameless))
    for one in missing:
        one.bank_name, one.bank_account = payees[one.payee_id].bank_name, payees[one.payee_id].bank_account
    PaymentOrder.objects.bulk_update(missing, ["bank_name", "bank_account"])


def _next_number(at: datetime) -> str:
    """FK202611-000123. A sequence: two cashiers never wait; a batch that is rolled back leaves a gap."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('payment_batch_number')")
        (number,) = cursor.fetchone()
    return f"FK{timezone.localtime(at):%Y%m}-{number:06d}"


def _orders(orders: list[PaymentOrder]) -> QuerySet[PaymentOrder]:
    return PaymentOrder.objects.filter(pk__in=[one.pk for one in orders])


def _re_add(batch_id: int) -> None:
    mine = PaymentOrder.objects.filter(batch=OuterRef("pk")).order_by().values("batch")
    PaymentBatch.objects.filter(pk=batch_id).update(
        total=Coalesce(Subquery(mine.annotate(sum=Sum("amount")).values("sum")), Decimal(0)),
        orders_count=Coalesce(Subquery(mine.annotate(count=Count("pk")).values("count")), 0),
    )


def _seen(batch_id: int, actor: Viewer, *roles: Role) -> PaymentBatch:
    """Raises NotFound for a batch of an entity the actor has no such role in."""
    batch = queries.batches(actor).filter(pk=batch_id).first()
    if batch is None:
        raise NotFound()
    actor.need(*roles, entity_id=batch.entity_id)
    return batch


def _move(batch: PaymentBatch, states: Sequence[BatchState], expected_version: int, **changes: Any) -> None:
    """Raises Conflict unless it is in one of `states` at `expected_version`; locks it for the rest of the step."""
    expected = PaymentBatch.objects.filter(pk=batch.pk, state__in=states, version=expected_version)
    if not expected.update(version=F("version") + 1, **changes):
        raise Conflict()


def _tell_all(
    orders: list[PaymentOrder], fact: str, *, actor: Viewer, via: str, at: datetime, batch: PaymentBatch
) -> None:
    facts.record_many(
        facts.NewFact(
            Ref.parse(one.ref),
            fact,
            actor.actor,
            via,
            at,
            {"batch": batch.number, "amount": one.money.json()},
        )
        for one in orders
    )
