"""Reads. The lists are for the finance desks; a paper's own order is for whoever may see the paper."""

from __future__ import annotations

from django.db.models import QuerySet

from viatica.kernel.refs import Ref
from viatica.offices.access.models import Role
from viatica.offices.access.viewer import Viewer
from viatica.offices.payment.models import OrderState, PaymentBatch, PaymentOrder

# Not the administrator: who runs the machines has no business with people's bank accounts.
WATCHES = (Role.FINANCE, Role.CASHIER, Role.AUDITOR)


def order_of(ref: Ref) -> PaymentOrder | None:
    """The live order of a paper, with its batch."""
    live = PaymentOrder.objects.exclude(state=OrderState.CANCELLED).select_related("batch")
    return live.filter(ref=str(ref)).first()


def waiting(viewer: Viewer) -> QuerySet[PaymentOrder]:
    """Orders no batch has yet, oldest first, of the entities the viewer watches over."""
    rows = PaymentOrder.objects.filter(state=OrderState.WAITING).select_related("entity", "payee")
    watched = viewer.entities(*WATCHES)
    rows = rows if watched is None else rows.filter(entity_id__in=sorted(watched))
    return rows.order_by("ordered_at", "id")


def batches(viewer: Viewer) -> QuerySet[PaymentBatch]:
    """Newest first, of the entities the viewer watches over."""
    rows = PaymentBatch.objects.select_related("entity", "maker", "checker").order_by("-id")
    watched = viewer.entities(*WATCHES)
    return rows if watched is None else rows.filter(entity_id__in=sorted(watched))
