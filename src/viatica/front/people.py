"""Choosing a colleague by name or number, in a company of any size."""

from __future__ import annotations

from django.db.models import Q

from viatica.kernel.errors import Refused
from viatica.kernel.words import N_
from viatica.offices.company.models import Employee

MOST = 20


class NobodyFound(Refused):
    code = "people.nobody_found"
    message = N_("Nobody called “{text}” works here.")
    hint = N_("Write the whole name or the employee number.")


def find(text: str) -> list[Employee]:
    """Active colleagues whose number is `text` or whose name begins with it. Raises NobodyFound."""
    bare = text.strip()
    rows = Employee.objects.filter(Q(number=bare) | Q(name__startswith=bare), is_active=True).select_related(
        "department"
    )
    found = list(rows.order_by("name", "pk")[:MOST]) if bare else []
    if not found:
        raise NobodyFound(field="who", text=text)
    return found
