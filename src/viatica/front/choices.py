"""What people may choose from, as short lists beside a field, and what they typed as the row meant."""

from __future__ import annotations

from viatica.documents.errors import UnknownChoice
from viatica.offices.company.models import City, Project

CURRENCIES = ("CNY", "USD", "EUR", "HKD", "JPY", "GBP", "SGD", "AUD", "KRW", "THB")
MOST = 500


def cities() -> list[str]:
    """First tiers first. One statement."""
    return list(City.objects.order_by("tier", "name").values_list("name", flat=True)[:MOST])


def projects() -> list[Project]:
    return list(Project.objects.filter(is_active=True).order_by("code")[:MOST])


def city_id(name: str, *, field: str) -> int:
    """Raises UnknownChoice; “上海市” finds 上海."""
    bare = name.strip()
    rows = dict(City.objects.filter(name__in={bare, bare.removesuffix("市")}).values_list("name", "pk"))
    found = rows.get(bare) or rows.get(bare.removesuffix("市"))
    if found is None:
        raise UnknownChoice(field=field, choice=name)
    return found


def project_id(text: str) -> int | None:
    """From “P2026-01 Name” or the code alone. Raises UnknownChoice."""
    code = text.strip().split(" ")[0]
    if not code:
        return None
    found = Project.objects.filter(code=code, is_active=True).values_list("pk", flat=True).first()
    if found is None:
        raise UnknownChoice(field="project", choice=text)
    return found
