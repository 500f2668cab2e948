"""Pictures of invoices: for pages, by who may see the paper; for an OA, by a signed address."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.views.decorators.http import require_GET

from viatica.offices.invoices import pictures, queries
from viatica.offices.invoices.models import Invoice


def answer(request: HttpRequest, invoice: Invoice) -> HttpResponse:
    """The picture; a browser that has it already is told so."""
    tag = f'"{invoice.digest or invoice.pk}"'
    if invoice.digest and request.headers.get("If-None-Match") == tag:
        return HttpResponseNotModified()
    picture, media_type = pictures.of_invoice(invoice)
    response = HttpResponse(picture, content_type=media_type)
    response["Cache-Control"] = "private, max-age=3600"
    response["ETag"] = tag
    # An SVG opened by itself is a document: it may load and run nothing.
    response["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'"
    return response


@require_GET
def by_token(request: HttpRequest, token: str) -> HttpResponse:
    return answer(request, queries.by_picture_token(token))
