"""`viatica doctor`: configuration, database, clock, keys, and each connection's credentials and permissions."""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.db import DatabaseError, connection
from django.utils.translation import gettext, override

from viatica.kernel import clock
from viatica.kernel.errors import ViaticaError
from viatica.kernel.words import N_
from viatica.spine import exchanges, health
from viatica.spine.models import Connection

OLDEST_POSTGRES = 150_000
MOST_SKEW = timedelta(seconds=5)
LEAST_ROOM = 1024**3  # bytes


@dataclass(frozen=True, slots=True)
class Finding:
    """`what` is the part looked at; `said` and `remedy` are ready to read."""

    what: str
    ok: bool
    said: str
    remedy: str = ""


def doctor(options: argparse.Namespace) -> int:
    with override(settings.LANGUAGE_CODE):
        found = list(examine())
    well = all(one.ok for one in found)
    if options.json:
        print(json.dumps({"ok": well, "checks": [asdict(one) for one in found]}, ensure_ascii=False))
        return 0 if well else 1
    for one in found:
        print(f"{'✓' if one.ok else '✗'} {one.what}  {one.said}")
        if not one.ok and one.remedy:
            print(f"    → {one.remedy}")
    return 0 if well else 1


def examine() -> Iterator[Finding]:
    yield from _configuration()
    try:
        yield from _database()
    except DatabaseError as error:
        yield Finding(
            "database", False, f"{type(error).__name__}: {error}".strip(), gettext(N_("Check DATABASE_URL."))
        )
        return
    yield from _keys()
    for one in Connection.objects.order_by("slug"):
        yield from _connection(one)


def _configuration() -> Iterator[Finding]:
    far = [
        one
        for one in Connection.objects.filter(is_active=True)
        if not _is_local(one.settings.get("base_url"))
    ]
    yield Finding(
        "public_url",
        not (far and _is_local(settings.PUBLIC_URL)),
        settings.PUBLIC_URL,
        gettext(
            N_("An OA cannot reach this address: set VIATICA_PUBLIC_URL to the one people and the OA use.")
        ),
    )
    yield Finding(
        "debug",
        not settings.DEBUG,
        gettext(N_("on")) if settings.DEBUG else gettext(N_("off")),
        gettext(N_("Unset VIATICA_DEBUG: errors would show their source to everybody.")),
    )
    room = shutil.disk_usage(settings.HOME).free
    yield Finding(
        "disk",
        room > LEAST_ROOM,
        gettext(N_("{room} GB free in {folder}")).format(room=f"{room / 1024**3:.1f}", folder=settings.HOME),
        gettext(N_("Make room: invoices and the database live there.")),
    )


def _is_local(url: object) -> bool:
    return urlsplit(str(url or "")).hostname in ("127.0.0.1", "localhost", "::1")


def _database() -> Iterator[Finding]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('server_version_num')::int, current_setting('server_version'), clock_timestamp(),"
            " current_setting('fsync') = 'on', pg_encoding_to_char(encoding) FROM pg_database"
            " WHERE datname = current_database()"
        )
        number, version, theirs, durable, encoding = cursor.fetchone()
    yield Finding(
        "database", number >= OLDEST_POSTGRES and encoding == "UTF8", f"PostgreSQL {version}, {encoding}",
        gettext(N_("PostgreSQL 15 or later with the encoding UTF8 is needed.")),
    )  # fmt: skip
    yield Finding(
        "durability", durable, "fsync on" if durable else "fsync off",
        gettext(N_("Switch fsync on: without it a power cut loses money.")),
    )  # fmt: skip
    skew = abs(clock.now() - theirs)
    yield Finding(
        "clock", skew < MOST_SKEW, f"{skew.total_seconds():.1f} s",
        gettext(N_("This machine and the database disagree on the time: switch NTP on for both.")),
    )  # fmt: skip
    lacking = health.missing()
    yield Finding("migrations", not lacking, lacking or "✓", gettext(N_("Run: viatica migrate")))


def _keys() -> Iterator[Finding]:
    kept = not settings.ENVIRONMENT.secret_key
    where = gettext(N_("kept in {folder}")).format(folder=settings.HOME) if kept else "VIATICA_SECRET_KEY"
    yield Finding(
        "secret_key", len(settings.SECRET_KEY) >= 40, where, gettext(N_("Use 50 random characters or more."))
    )
    sealed = Connection.objects.exclude(secrets_sealed=b"")
    for one in sealed:
        try:
            one.secrets()
        except ViaticaError as error:
            yield Finding("seal_keys", False, error.said(gettext), error.advice(gettext))
            return
    yield Finding("seal_keys", True, gettext(N_("open all sealed credentials")))


def _connection(one: Connection) -> Iterator[Finding]:
    from viatica.connectors import registry

    name = f"{one.slug} ({one.kind})"
    if not one.is_active:
        yield Finding(name, True, gettext(N_("switched off")))
        return
    try:
        connector = registry.of(one.kind)
        with exchanges.gathered(one):
            checks = connector.check(one) if connector.check else []
    except ViaticaError as error:
        yield Finding(name, False, error.said(gettext), error.advice(gettext))
        return
    for check in checks:
        params = dict(check.params)
        yield Finding(
            f"{name} {check.name}",
            check.ok,
            gettext(check.said).format(**params),
            gettext(check.remedy).format(**params),
        )
