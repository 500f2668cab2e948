"""How long an approval usually takes: what a waiting person wants to know."""

from __future__ import annotations

from datetime import timedelta

from django.core.cache import cache

from viatica.front import shown
from viatica.kernel import clock
from viatica.offices.approval import queries

LOOKS_BACK = timedelta(days=30)
FEWEST = 5  # below that nothing is usual
KEPT = 15 * 60  # seconds; the figure moves slowly, and finding it reads a month of cases


def wait(kind: str, entity_id: int) -> str:
    """The median of the last month in the reader's language, “4 小时”; empty when there were too few."""
    key = f"front.usual:{entity_id}"
    medians = cache.get(key)
    if medians is None:
        now = clock.now()
        found = queries.durations(now - LOOKS_BACK, now, entity_ids=[entity_id])
        medians = {one.kind: one.median for one in found if one.count >= FEWEST}
        cache.set(key, medians, KEPT)
    return shown.duration(timedelta(hours=medians[kind])) if kind in medians else ""
