"""What templates need beyond Django's own: money, times, chips, icons, hidden keys."""

from __future__ import annotations

import uuid
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import zxingcpp
from django import template
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from viatica.front import chips, shown
from viatica.front.forms import KEY
from viatica.kernel import clock
from viatica.kernel.errors import ViaticaError
from viatica.kernel.money import Money

register = template.Library()


@register.filter
def money(value: Money | None) -> str:
    return "" if value is None else shown.money(value)


@register.filter
def figure(value: Decimal | Money | int | None, currency: str = "CNY") -> str:
    if value is None:
        return ""
    if isinstance(value, Money):
        return shown.figure(value.amount, value.currency)
    return shown.figure(value, currency)


@register.filter
def symbol(currency: str) -> str:
    return shown.symbol(currency).strip()


@register.filter
def when(at: datetime | None) -> str:
    """今天 14:05, with the exact time on hover."""
    if at is None:
        return ""
    said = shown.moment(at, clock.now())
    return format_html('<time datetime="{}" title="{}">{}</time>', at.isoformat(), shown.exact(at), said)


@register.filter
def day(value: date | None) -> str:
    if value is None:
        return ""
    said = shown.day(value, timezone.localtime(clock.now()).date())
    return format_html('<time datetime="{}" title="{}">{}</time>', value, value, said)


@register.filter
def exact(at: datetime) -> str:
    return shown.exact(at)


@register.simple_tag
def days(start: date, end: date) -> str:
    return shown.span(start, end, timezone.localtime(clock.now()).date())


@register.simple_tag
def chip(state: str) -> SafeString:
    found = chips.chip(state)
    return format_html('<span class="chip {}">{}</span>', found.tone, found.word)


@register.simple_tag
def icon(name: str, label: str = "") -> SafeString:
    """Drawn beside words it is hidden from readers; alone it needs `label`."""
    source = static("front/icons.svg")
    if label:
        return format_html(
            '<svg class="icon" role="img" aria-label="{}"><use href="{}#{}"></use></svg>', label, source, name
        )
    return format_html('<svg class="icon" aria-hidden="true"><use href="{}#{}"></use></svg>', source, name)


@register.simple_tag
def once() -> SafeString:
    """The key that makes a form's effect happen once, however often it is sent."""
    return format_html('<input type="hidden" name="{}" value="{}">', KEY, uuid.uuid4().hex)


@register.filter
def said(error: ViaticaError) -> str:
    return shown.words(error.message, error.params)


@register.filter
def advice(error: ViaticaError) -> str:
    return shown.words(error.hint, error.params)


@register.filter
def translated(msgid: str, params: dict[str, Any] | None = None) -> str:
    """A stored msgid in the reader's language, its parameters filled in."""
    return shown.words(msgid, params or {})


@register.filter
def amounts(text: str) -> str:
    return shown.amounts(text)


@register.filter
def first_letter(name: str) -> str:
    return name[:1]


TONES = {"neutral": "quiet", "good": "good", "warning": "warn", "bad": "bad"}


@register.filter
def tone(of_notice: str) -> str:
    """A notice's tone as a chip's."""
    return TONES.get(str(of_notice), "quiet")


@register.simple_tag
def qr(text: str) -> SafeString:
    """`text` as a QR code drawn with one path; `""` where it is too long for one."""
    try:
        barcode = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode)
    except ValueError:
        return SafeString("")
    image: Any = barcode.to_image(scale=1, add_quiet_zones=False)
    rows: Any = memoryview(image).tolist()
    path = "".join(
        f"M{x} {y}h1v1h-1z" for y, row in enumerate(rows) for x, cell in enumerate(row) if cell == 0
    )
    return format_html(
        '<svg class="qr" viewBox="0 0 {0} {0}" role="img" aria-label="{1}"><path d="{2}"></path></svg>',
        len(rows),
        text,
        path,
    )
