"""The file a bank (or the cashier's spreadsheet) reads.

A spreadsheet must not round an account number: accounts begin with a tab, which makes them text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.utils.translation import gettext as _

from viatica.kernel import sheets
from viatica.offices.payment.models import PaymentBatch


def batch_csv(batch: PaymentBatch) -> bytes:
    """One row per order, by id; the last row has the number of orders and the total."""
    return sheets.written(_rows(batch))


def _rows(batch: PaymentBatch) -> Iterator[Sequence[object]]:
    yield [
        _("No."), _("Payment reference"), _("Payee"), _("Account number"), _("Payee’s bank"), _("Amount"), _("Currency"),
        _("Remark"),
    ]  # fmt: skip
    for no, one in enumerate(batch.orders.order_by("id"), start=1):
        yield [
            no, sheets.text(f"{batch.number}-{no}"), sheets.text(one.payee_name), _account(one.bank_account),
            sheets.text(one.bank_name), one.amount, one.currency,
            sheets.text(_("Reimbursement {number}").format(number=one.number)),
        ]  # fmt: skip
    total_of = _("Total of {count}").format(count=batch.orders_count)
    yield ["", sheets.text(batch.number), total_of, "", "", batch.total, batch.currency, ""]


def _account(value: str) -> str:
    return "\t" + "".join(value.split())
