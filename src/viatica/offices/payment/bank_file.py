"""The file a bank (or the cashier's spreadsheet) reads. UTF-8 with BOM, which Excel needs to read Chinese.

A spreadsheet must neither calculate a text cell nor round an account number: accounts begin with a tab, which
makes them text; a text that could start a formula begins with an apostrophe.
"""

from __future__ import annotations

import codecs
import csv
import io

from django.utils.translation import gettext as _

from viatica.offices.payment.models import PaymentBatch

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def batch_csv(batch: PaymentBatch) -> bytes:
    """One row per order, by id; the last row has the number of orders and the total."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\r\n")
    rows.writerow(
        [
            _("No."),
            _("Payment reference"),
            _("Payee"),
            _("Account number"),
            _("Payee’s bank"),
            _("Amount"),
            _("Currency"),
            _("Remark"),
        ]
    )
    for no, one in enumerate(batch.orders.order_by("id"), start=1):
        rows.writerow(
            [
                no, _text(f"{batch.number}-{no}"), _text(one.payee_name), _account(one.bank_account),
                _text(one.bank_name), one.amount, one.currency, _text(_("Reimbursement {number}").format(number=one.number)),
            ]
        )  # fmt: skip
    rows.writerow(
        [
            "",
            _text(batch.number),
            _("Total of {count}").format(count=batch.orders_count),
            "",
            "",
            batch.total,
            batch.currency,
            "",
        ]
    )
    return codecs.BOM_UTF8 + out.getvalue().encode()


def _text(value: str) -> str:
    value = " ".join(value.split())
    return f"'{value}" if value.startswith(_FORMULA) else value


def _account(value: str) -> str:
    return "\t" + "".join(value.split())
