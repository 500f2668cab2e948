"""How connections are beyond their queues: what worked last, what is left of rates and quotas, the breaker."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from viatica.spine import capabilities, pressure, quotas
from viatica.spine.models import Capability, Connection

Breaker = Literal["closed", "half_open", "open"]


@dataclass(frozen=True, slots=True)
class Vitals:
    """`capabilities` by name, as far as they were ever used; at most about a minute old.

    `tokens_left`: deliveries allowed at once now, of `burst` when nothing goes out; None without a rate limit.
    `open_until`: until when the breaker lets nothing through, while it is open.
    """

    capabilities: dict[str, capabilities.Row]
    quotas: list[quotas.Standing]
    rate_per_second: int
    tokens_left: int | None
    burst: int | None
    breaker: Breaker
    open_until: datetime | None
    failures_in_a_row: int


def of(connections: Iterable[Connection], at: datetime) -> dict[int, Vitals]:
    """By connection id. Two statements, however many there are."""
    wanted = list(connections)
    known: dict[int, dict[str, capabilities.Row]] = {one.pk: {} for one in wanted}
    rows = Capability.objects.filter(connection_id__in=list(known)).order_by("name")
    for row in rows.values_list("connection_id", "name", "succeeded_at", "failed_at", "error"):
        known[row[0]][row[1]] = capabilities.Row(*row)
    standings = quotas.standings_of(wanted, at)
    return {one.pk: _of(one, known[one.pk], standings[one.pk], at) for one in wanted}


def _of(
    one: Connection, known: dict[str, capabilities.Row], standings: list[quotas.Standing], at: datetime
) -> Vitals:
    is_open = one.open_until is not None and one.open_until > at
    return Vitals(
        capabilities=known,
        quotas=standings,
        rate_per_second=one.rate_per_second,
        tokens_left=pressure.tokens_left(one, at) if one.rate_per_second else None,
        burst=int(pressure.burst(one)) if one.rate_per_second else None,
        breaker="open" if is_open else "half_open" if one.open_until is not None else "closed",
        open_until=one.open_until if is_open else None,
        failures_in_a_row=one.failures,
    )
