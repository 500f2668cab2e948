"""What every writing form does: once, in one transaction, and with each refusal next to its field."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django import forms
from django.db import transaction
from django.http import HttpRequest, HttpResponseRedirect
from django.utils.html import format_html

from viatica.front import shown
from viatica.front.viewer import SignedIn
from viatica.kernel import clock
from viatica.kernel.errors import ViaticaError
from viatica.offices.access.doors import add_files
from viatica.spine import idempotency

KEY = "once"


def write_once(request: SignedIn, run: Callable[[datetime], str], suffix: str = "") -> HttpResponseRedirect:
    """Run a form's command in one transaction and go where it says. The same form sent twice only goes there.

    `run` gets the time and returns the next page's address. `suffix` tells the steps of one form apart.
    """
    at = clock.now()
    key = request.POST.get(KEY) or None
    with transaction.atomic():
        to = idempotency.once(
            owner=request.viewer.actor,
            key=key and key + suffix,
            fingerprint=fingerprint(request),
            at=at,
            run=lambda: run(at),
        )
    return HttpResponseRedirect(to)


def fingerprint(request: HttpRequest) -> str:
    """SHA-256 of what was sent, files included, without what differs from page to page."""
    whole = hashlib.sha256(request.path.encode())
    for name, values in sorted(request.POST.lists()):
        if name not in (KEY, "csrfmiddlewaretoken"):
            whole.update(repr((name, values)).encode())
    add_files(whole, request)
    return whole.hexdigest()


def version_of(request: HttpRequest) -> int:
    """The version the form was made from; 0, which no paper has, when it says none."""
    text = request.POST.get("version", "")
    return int(text) if text.isdecimal() and len(text) < 10 else 0


def blame(form: forms.Form, error: ViaticaError, fields: dict[str, str] | None = None) -> None:
    """Put a refusal where it belongs: next to its field when the form has it, else above the form.

    `fields` maps the error's last word to the form's own name, where they differ.
    """
    last = (error.field or "").rpartition(".")[2]
    name: str | None = (fields or {}).get(last, last)
    if name not in form.fields:
        name = None
    said, advice = shown.words(error.message, error.params), shown.words(error.hint, error.params)
    form.add_error(name, format_html('{} <span class="next">{}</span>', said, advice))


class MoneyField(forms.DecimalField):
    """An amount as people type it: `1,280.50` and full-width digits are understood."""

    def __init__(self, **more: Any) -> None:
        super().__init__(max_digits=18, decimal_places=2, localize=False, **more)
        self.widget = forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"})

    def to_python(self, value: Any) -> Any:
        if isinstance(value, str):
            value = value.replace(",", "").replace("，", "").replace("¥", "").replace("￥", "").strip()
        return super().to_python(value)


class DayField(forms.DateField):
    """A calendar day, picked with the browser's own picker."""

    def __init__(self, **more: Any) -> None:
        super().__init__(input_formats=["%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d"], **more)
        self.widget = forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})
