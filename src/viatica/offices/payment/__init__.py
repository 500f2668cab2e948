"""付款: what is owed to whom, put together in batches for the bank, and paid. *Paid* is never set by hand."""

from viatica.offices.payment.news import PaidNews, on_paid

__all__ = ["PaidNews", "on_paid"]
