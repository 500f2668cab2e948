"""Re-adding the claims: each live claim must be of an invoice still held, under that invoice's identity."""

from __future__ import annotations

from datetime import datetime

from django.db.models import F, Q

from viatica.kernel.books import Disagreement
from viatica.offices.invoices.models import Claim, InvoiceState

ROOM = "invoices"


def disagreements(at: datetime) -> list[Disagreement]:
    live = Claim.objects.filter(released_at__isnull=True).select_related("invoice")
    wrong = live.filter(~Q(identity=F("invoice__identity")) | ~Q(invoice__state=InvoiceState.HELD)).order_by(
        "pk"
    )
    return [
        Disagreement(
            ROOM,
            claim.ref,
            f"claim of invoice {claim.invoice}",
            ours=claim.identity,
            theirs=f"{claim.invoice.identity} ({claim.invoice.state})",
        )
        for claim in wrong
    ]


def live_claims(kind: str) -> dict[str, set[int]]:
    """Ref → ids of the invoices it claims now, for every document of `kind`; for the document's own re-adding."""
    claims: dict[str, set[int]] = {}
    rows = Claim.objects.filter(ref__startswith=f"{kind}:", released_at__isnull=True).values_list(
        "ref", "invoice_id"
    )
    for ref, invoice_id in rows:
        claims.setdefault(ref, set()).add(invoice_id)
    return claims
