"""What one was told: the bell."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from viatica.front.viewer import SignedIn, signed_in
from viatica.kernel import clock
from viatica.offices.notices import queries, services
from viatica.offices.notices.models import Notice

PAGE = 50


@signed_in
@require_GET
def page(request: SignedIn) -> HttpResponse:
    before = request.GET.get("before", "")
    rows = queries.latest(request.viewer, before_id=int(before) if before.isdecimal() else None, limit=PAGE)
    context = {"here": "notices", "rows": rows, "next": rows[-1].id if len(rows) == PAGE else None}
    return render(request, "front/notices.html", context)


@signed_in
@require_GET
def open_one(request: SignedIn, notice_id: int) -> HttpResponse:
    """To the paper it is about; having followed it is having read it."""
    notice = Notice.objects.filter(pk=notice_id, employee_id=request.viewer.employee_id).first()
    if notice is None:
        return HttpResponseRedirect(reverse("front:notices"))
    services.mark_read(employee_id=request.viewer.employee_id, notice_ids=[notice.pk], at=clock.now())
    return HttpResponseRedirect(urlsplit(notice.url).path or paper_address(notice.ref_kind, notice.ref_key))


def paper_address(kind: str, key: str) -> str:
    return reverse("front:paper", args=[kind, key])


@signed_in
@require_POST
def read_all(request: SignedIn) -> HttpResponse:
    services.mark_read(employee_id=request.viewer.employee_id, at=clock.now())
    return HttpResponseRedirect(reverse("front:notices"))
