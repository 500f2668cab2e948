"""Re-adding the reports: against their lines, and against what budget, claims, ledger and payment say of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from django.db import connection

from viatica.kernel.books import Disagreement

# Each gives: report id, what is said here, what re-adding gives.
_COMPARED = {
    "total of its lines": """
        SELECT r.id, r.total_amount, COALESCE(sum(l.amount), 0) FROM expense_expensereport r
        LEFT JOIN expense_expenseline l ON l.report_id = r.id
        GROUP BY r.id HAVING r.total_amount <> COALESCE(sum(l.amount), 0)
    """,
    "claimed invoices": """
        SELECT r.id, r.wanted, r.claimed FROM (
            SELECT r.id, CASE WHEN r.state IN ('in_approval', 'to_audit', 'to_pay', 'paid') THEN
                       (SELECT count(*) FROM expense_expenseline l WHERE l.report_id = r.id AND l.invoice_id IS NOT NULL)
                   ELSE 0 END AS wanted,
                   (SELECT count(*) FROM invoices_claim c
                     WHERE c.ref = 'expense_report:' || r.id AND c.released_at IS NULL) AS claimed
              FROM expense_expensereport r
        ) AS r WHERE r.wanted <> r.claimed
    """,
    "voucher": """
        SELECT r.id, CASE WHEN r.state IN ('to_pay', 'paid') THEN r.total_amount ELSE 0 END, COALESCE(v.total, 0)
          FROM expense_expensereport r
          LEFT JOIN (SELECT ref, sum(total) AS total FROM ledger_voucher
                      WHERE purpose = 'claim' AND reverses_id IS NULL AND reversed_at IS NULL GROUP BY ref) AS v
            ON v.ref = 'expense_report:' || r.id
         WHERE CASE WHEN r.state IN ('to_pay', 'paid') THEN r.total_amount ELSE 0 END <> COALESCE(v.total, 0)
    """,
    "payment": """
        SELECT r.id, CASE WHEN r.state = 'paid' THEN r.total_amount ELSE 0 END, COALESCE(p.paid, 0)
          FROM expense_expensereport r
          LEFT JOIN (SELECT ref, sum(amount) AS paid FROM payment_paymentorder WHERE state = 'paid' GROUP BY ref) AS p
            ON p.ref = 'expense_report:' || r.id
         WHERE CASE WHEN r.state = 'paid' THEN r.total_amount ELSE 0 END <> COALESCE(p.paid, 0)
    """,
    "held budget": """
        SELECT r.id, r.state, count(*) FROM expense_expensereport r
          JOIN budget_budgetentry e ON e.ref = 'expense_report:' || r.id AND e.kind = 'reserve'
         WHERE NOT EXISTS (SELECT 1 FROM budget_budgetentry s WHERE s.settles_id = e.id) AND r.state <> 'in_approval'
         GROUP BY r.id
    """,
    "spent budget": """
        SELECT r.id, r.state, count(*) FROM expense_expensereport r
          JOIN budget_budgetentry e ON e.ref = 'expense_report:' || r.id AND e.kind = 'consume'
         WHERE NOT EXISTS (SELECT 1 FROM budget_budgetentry s WHERE s.settles_id = e.id)
           AND r.state NOT IN ('to_audit', 'to_pay', 'paid')
         GROUP BY r.id
    """,
}


def disagreements(at: datetime) -> Iterator[Disagreement]:
    """Set by set, whatever the number of reports."""
    with connection.cursor() as cursor:
        for what, sql in _COMPARED.items():
            cursor.execute(sql)
            for report_id, ours, theirs in cursor.fetchall():
                yield Disagreement("expense", f"expense_report:{report_id}", what, str(ours), str(theirs))
