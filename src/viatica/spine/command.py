"""The spine's verbs: worker, replay, reconcile."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import structlog

if TYPE_CHECKING:
    from viatica.spine.models import Connection

log = structlog.get_logger(__name__)


def add_commands(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the verbs with the options their functions read."""
    work = subparsers.add_parser("worker", help="deliver messages, translate callbacks, run scheduled jobs")
    work.set_defaults(run=worker)
    again = subparsers.add_parser("replay", help="send parked messages again")
    again.add_argument("ids", nargs="*", type=int, metavar="ID", help="none: all parked ones")
    again.add_argument("--since", type=_moment, metavar="TIME", help="only those put since then (ISO 8601)")
    again.add_argument("--dry-run", action="store_true", help="only list them")
    again.set_defaults(run=replay)
    compare = subparsers.add_parser("reconcile", help="compare both sides and heal")
    compare.set_defaults(run=reconcile)
    for parser in (again, compare):
        parser.add_argument("--connection", metavar="SLUG", help="only this connection")
        parser.add_argument("--json", action="store_true", help="one JSON object")


def worker(args: argparse.Namespace) -> int:
    """Relay, scheduled jobs and long connections, until SIGTERM or SIGINT; then what is under way is finished.

    Exit 1 if the relay broke.
    """
    from viatica.spine.jobs import Clerk
    from viatica.spine.relay import Worker
    from viatica.spine.streams import Switchboard

    relay, clerk, switchboard = Worker(), Clerk(), Switchboard()
    asked: list[str] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        # No more than this: a handler interrupts the main thread anywhere, even inside a lock it would want.
        signal.signal(number, lambda number, _frame: asked.append(signal.Signals(number).name))
    work = threading.Thread(target=relay.run, name="relay")
    work.start()
    clerk.start()
    switchboard.start()
    while work.is_alive() and not asked:
        work.join(0.1)
    log.info("worker.stopping", signal=asked[0] if asked else None)
    relay.stop()
    clerk.stop()
    switchboard.stop()
    work.join()
    clerk.join()
    switchboard.join()
    return 0 if asked else 1


def replay(args: argparse.Namespace) -> int:
    """List parked messages and, unless --dry-run, send them again. Exit 1 when an id named is not parked."""
    from viatica.kernel import clock
    from viatica.spine import replays

    connection = _connection(args)
    if getattr(args, "connection", None) and connection is None:
        return 1
    connection_id = connection.pk if connection else None
    since: datetime | None = getattr(args, "since", None)
    ids: list[int] = list(getattr(args, "ids", None) or [])
    found = replays.parked(connection_id=connection_id, since=since, ids=ids or None)
    missing = sorted(set(ids) - {one.id for one in found})
    if not args.dry_run:
        at = clock.now()
        for one in found:
            replays.replay(message_id=one.id, box=one.box, actor="system", via="cli", at=at)
    rows = [{**asdict(one), "at": one.at.isoformat()} for one in found]
    if args.json:
        _print_json(
            {"ok": not missing, "replayed": not args.dry_run, "messages": rows, "not_parked": missing}
        )
    else:
        for one in found:
            print(
                f"{one.box:3} {one.id:>10}  {one.connection or '-'}  {one.kind or '-'}  {one.lane}  {one.reason}"
            )
        print(f"{len(found)} {'parked' if args.dry_run else 'replayed'}")
        for message_id in missing:
            print(f"message {message_id} is not parked", file=sys.stderr)
    return 1 if missing else 0


def reconcile(args: argparse.Namespace) -> int:
    """Compare and heal now. Exit 1 when drift is left that a person must look at, or a side could not be reached."""
    from viatica.kernel import clock
    from viatica.spine import reconcile as both_sides
    from viatica.spine.models import Connection

    connection = _connection(args)
    if getattr(args, "connection", None) and connection is None:
        return 1
    reports = both_sides.run(connection, clock.now())
    wanted = [connection] if connection else list(Connection.objects.filter(is_active=True))
    reached = {report.connection for report in reports}
    missed = sorted(one.slug for one in wanted if one.slug not in reached and both_sides.can_compare(one))
    is_ok = not missed and not any(report.unhealed for report in reports)
    if args.json:
        _print_json({"ok": is_ok, "reports": [asdict(report) for report in reports], "unreachable": missed})
        return 0 if is_ok else 1
    for report in reports:
        print(
            f"{report.connection}: {report.compared} compared, {len(report.healed)} healed,"
            f" {len(report.unhealed)} unhealed"
        )
        for drift in report.unhealed:
            print(f"  {drift.ref}: {drift.what}: here {drift.ours}, there {drift.theirs}")
    for slug in missed:
        print(f"{slug}: could not be compared; see the issues", file=sys.stderr)
    return 0 if is_ok else 1


def _connection(args: argparse.Namespace) -> Connection | None:
    from viatica.spine.models import Connection

    slug = getattr(args, "connection", None)
    if not slug:
        return None
    found = Connection.objects.filter(slug=slug).first()
    if found is None:
        known = ", ".join(Connection.objects.order_by("slug").values_list("slug", flat=True)) or "none"
        print(f"There is no connection “{slug}”. Known: {known}.", file=sys.stderr)
    return found


def _print_json(value: dict[str, Any]) -> None:
    print(json.dumps(value, ensure_ascii=False, default=str))


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
