"""Reads of the standard: what anybody in the company may look up."""

from __future__ import annotations

from datetime import date

from django.db.models import Q, QuerySet

from viatica.offices.policy.models import Standard


def standards(*, entity_id: int, day: date) -> QuerySet[Standard]:
    """The rows in force in one entity on `day`, its own and everybody's."""
    return (
        Standard.objects.filter(Q(entity_id=entity_id) | Q(entity=None), valid_from__lte=day)
        .filter(Q(valid_to=None) | Q(valid_to__gt=day))
        .select_related("city")
        .order_by("category", "rule", "tier", "city__name", "rank_from", "entity_id")
    )
