"""The people the demo company's sign-in page offers, in the order the demo names them."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.utils.translation import get_language

from viatica.offices.access.models import User


@dataclass(frozen=True, slots=True)
class Person:
    """`does`: their part, in the reader's language."""

    username: str
    name: str
    place: str
    does: str


def people() -> list[Person]:
    """One statement."""
    parts = dict(settings.DEMO_CAST)
    users = User.objects.filter(username__in=parts, is_active=True, employee__isnull=False)
    found = {user.username: user for user in users.select_related("employee__department")}
    return [
        Person(name, user.employee.name, user.employee.department.name, _in_language(parts[name]))
        for name in parts
        if (user := found.get(name)) and user.employee
    ]


def _in_language(part: str) -> str:
    """Parts are written “中文 · English”."""
    chinese, _dot, english = part.partition(" · ")
    return chinese if (get_language() or "").startswith("zh") or not english else english
