"""Reads. The list is for the finance desks; a paper's own vouchers are for whoever may see the paper."""

from __future__ import annotations

from django.db.models import QuerySet

from viatica.kernel.refs import Ref
from viatica.offices.access.models import Role
from viatica.offices.access.viewer import Viewer
from viatica.offices.ledger.models import Purpose, Voucher

WATCHES = (Role.FINANCE, Role.CASHIER, Role.AUDITOR)


def voucher_of(ref: Ref, purpose: Purpose = Purpose.CLAIM) -> Voucher | None:
    """The live voucher (neither red nor reversed) of a paper, with its lines."""
    return _live(ref, purpose).prefetch_related("lines").first()


def live_of(ref: Ref, purpose: Purpose) -> Voucher:
    """The same, where there must be one."""
    return _live(ref, purpose).get()


def latest_of(ref: Ref, purpose: Purpose) -> Voucher | None:
    """The last one posted that is not red, reversed or not."""
    return Voucher.objects.filter(ref=str(ref), purpose=purpose, reverses=None).order_by("-id").first()


def vouchers_of(ref: Ref) -> list[Voucher]:
    """All of a paper's vouchers, red and reversed ones too, in the order they were posted."""
    return list(Voucher.objects.filter(ref=str(ref)).prefetch_related("lines").order_by("id"))


def vouchers(viewer: Viewer) -> QuerySet[Voucher]:
    """Newest first, of the entities the viewer watches over; nobody else sees the books."""
    rows = Voucher.objects.select_related("entity", "payee").order_by("-id")
    watched = viewer.entities(*WATCHES)
    return rows if watched is None else rows.filter(entity_id__in=sorted(watched))


def _live(ref: Ref, purpose: Purpose) -> QuerySet[Voucher]:
    return Voucher.objects.filter(ref=str(ref), purpose=purpose, reverses=None, reversed_at=None)
