"""Both sides compared: what the outside says and what we say. Callbacks are for speed, this is for truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime

import structlog

from viatica.kernel.errors import OutsideError
from viatica.kernel.refs import Ref
from viatica.kernel.words import N_
from viatica.spine import capabilities, exchanges, issues
from viatica.spine.models import Connection, Issue, ReconcileRun

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Drift:
    """`ref` is `ours` here and `theirs` there; `what` differs (status, missing, amount …)."""

    ref: str
    ours: str
    theirs: str
    what: str


@dataclass(frozen=True, slots=True)
class ReconcileReport:
    connection: str
    compared: int
    healed: list[Drift] = field(default_factory=list)
    unhealed: list[Drift] = field(default_factory=list)


Reconciler = Callable[[Connection, datetime], ReconcileReport]

_reconcilers: dict[str, Reconciler] = {}


def register(kind: str, fn: Reconciler) -> None:
    """Name who compares connections of `kind`. Called once, in apps.py. `fn` heals what is safe, and may run twice."""
    if _reconcilers.setdefault(kind, fn) is not fn:
        raise ValueError(f"connections of {kind} already have a reconciler")


def can_compare(connection: Connection) -> bool:
    """Whether anything here knows how to compare it."""
    return connection.kind in _reconcilers


def run(connection: Connection | None, at: datetime) -> list[ReconcileReport]:
    """Compare `connection`, or every active one. Drift nobody could heal becomes an issue; agreement closes it.

    A report's `connection` is the slug. One that cannot be reached gives an issue and no report.
    """
    chosen = [connection] if connection else Connection.objects.filter(is_active=True).order_by("slug")
    return [report for one in chosen if (report := _run_one(one, at)) is not None]


def _run_one(connection: Connection, at: datetime) -> ReconcileReport | None:
    """None when its kind has nothing to compare, or it could not be reached (an issue says so)."""
    compare = _reconcilers.get(connection.kind)
    if compare is None:
        return None
    unreachable = f"reconcile:{connection.slug}"
    try:
        with exchanges.gathered(connection, capabilities.RECONCILE):
            report = replace(compare(connection, at), connection=connection.slug)
    except OutsideError as error:
        log.warning("reconcile.failed", connection=connection.slug, code=error.code)
        issues.raise_issue(
            key=unreachable,
            kind="reconcile.failed",
            message=N_("{connection} could not be compared: {reason}"),
            params={"connection": connection.name, "reason": str(error)},
            ref=None,
            at=at,
        )
        return None
    issues.close_issue(unreachable, at)
    ReconcileRun.objects.create(
        connection=connection,
        at=at,
        compared=report.compared,
        healed=[asdict(drift) for drift in report.healed],
        unhealed=[asdict(drift) for drift in report.unhealed],
    )
    _keep_issues(connection, report, at)
    log.info(
        "reconcile.done",
        connection=connection.slug,
        compared=report.compared,
        healed=len(report.healed),
        unhealed=len(report.unhealed),
    )
    return report


def _keep_issues(connection: Connection, report: ReconcileReport, at: datetime) -> None:
    prefix = f"drift:{connection.slug}:"
    still = {f"{prefix}{drift.ref}:{drift.what}"[:200]: drift for drift in report.unhealed}
    for key, drift in still.items():
        issues.raise_issue(
            key=key,
            kind="reconcile.drift",
            message=N_("{ref} differs between here and {connection} ({what}): here {ours}, there {theirs}."),
            params={**asdict(drift), "connection": connection.name},
            ref=_ref_or_none(drift.ref),
            at=at,
        )
    gone = Issue.objects.filter(key__startswith=prefix, closed_at__isnull=True).exclude(key__in=still)
    gone.update(closed_at=at)


def _ref_or_none(text: str) -> Ref | None:
    kind, colon, key = text.partition(":")
    return Ref(kind, key) if kind and colon and key else None
