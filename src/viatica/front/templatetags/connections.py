"""What a paper's page shows of connections, to who administers one."""

from __future__ import annotations

from typing import Any

from django import template
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from viatica.offices.access.models import Role

register = template.Library()


@register.simple_tag(takes_context=True)
def exchanges_link(context: Any, *papers: Any) -> SafeString:
    """To the exchanges about the first of `papers` that is there; nothing for who does not administer its entity."""
    viewer, paper = context.get("viewer"), next((one for one in papers if one), None)
    if paper is None or viewer is None or not viewer.has(Role.ADMINISTRATOR, paper.entity_id):
        return SafeString("")
    address = reverse("front:paper_exchanges", args=[paper.ref.kind, paper.ref.key])
    return format_html(
        '<p class="small no-print"><a href="{}">{}</a></p>', address, gettext("Exchanges about it")
    )
