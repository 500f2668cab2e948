"""Reads, scoped to the viewer."""

from __future__ import annotations

from collections.abc import Sequence

from django.core import signing
from django.db.models import Exists, OuterRef, Q, QuerySet

from viatica.kernel.errors import NotFound
from viatica.kernel.refs import Ref
from viatica.kernel.words import N_
from viatica.offices.access.viewer import Viewer
from viatica.offices.invoices.models import PICTURE_SALT, Claim, Invoice, InvoiceState


class NoSuchInvoice(NotFound):
    code = "invoice.not_found"
    message = N_("There is no such invoice, or you may not see it.")
    hint = N_("Look in your list of invoices; it may have been discarded.")


def of(ref: Ref) -> list[Invoice]:
    """The invoices a document claims now, oldest claim first. The caller has checked who may see the document."""
    claims = (
        Claim.objects.filter(ref=str(ref), released_at__isnull=True).select_related("invoice").order_by("pk")
    )
    return [claim.invoice for claim in claims]


def visible(viewer: Viewer) -> QuerySet[Invoice]:
    """Own, managed, or of an entity watched over; not the discarded ones."""
    held = Invoice.objects.filter(state=InvoiceState.HELD)
    return viewer.scope(held, owner="owner_id", entity="entity_id", path="owner__department__path")


def get(invoice_id: int, viewer: Viewer) -> Invoice:
    """Raises NoSuchInvoice."""
    found = visible(viewer).filter(pk=invoice_id).first()
    if found is None:
        raise NoSuchInvoice()
    return found


def mine_unclaimed(viewer: Viewer) -> QuerySet[Invoice]:
    """What the viewer handed in and no document claims, newest first."""
    live = Claim.objects.filter(invoice=OuterRef("pk"), released_at__isnull=True)
    return Invoice.objects.filter(
        ~Exists(live), owner_id=viewer.employee_id, state=InvoiceState.HELD
    ).order_by("-created_at", "-pk")


def held(invoice_ids: Sequence[int], viewer: Viewer) -> list[Invoice]:
    """Invoices of the viewer's own, in the order asked for. Raises NoSuchInvoice unless all are there."""
    found = Invoice.objects.filter(owner_id=viewer.employee_id, state=InvoiceState.HELD).in_bulk(
        list(invoice_ids)
    )
    if len(found) != len(set(invoice_ids)):
        raise NoSuchInvoice()
    return [found[invoice_id] for invoice_id in dict.fromkeys(invoice_ids)]


def by_number(number: str, viewer: Viewer) -> list[Invoice]:
    """Invoices with this number (or code and number as one), newest first."""
    bare = "".join(number.split()).upper()
    return list(visible(viewer).filter(Q(number=bare) | Q(identity=bare)).order_by("-created_at")[:50])


def documents_of(invoice_id: int, viewer: Viewer) -> list[tuple[str, str, bool]]:
    """The claims of an invoice the viewer may see: (ref, document number, whether it is live), newest first."""
    get(invoice_id, viewer)
    rows = (
        Claim.objects.filter(invoice_id=invoice_id)
        .order_by("-pk")
        .values_list("ref", "number", "released_at")
    )
    return [(ref, number, released is None) for ref, number, released in rows]


def by_picture_token(token: str) -> Invoice:
    """The invoice whose picture an OA may fetch. Raises NoSuchInvoice for a forged token."""
    try:
        key = signing.Signer(salt=PICTURE_SALT).unsign(token.replace("~", ":"))
    except signing.BadSignature as error:
        raise NoSuchInvoice() from error
    found = Invoice.objects.filter(pk=int(key)).first()
    if found is None:
        raise NoSuchInvoice()
    return found
