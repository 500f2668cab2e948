"""Long connections: events without a public address, over a line we open to the product and keep.

The worker keeps one line for each active connection whose settings say `"long_connection": true`. What comes in on it is
stored as from the callback door, so that nothing behind it differs. A line that breaks is opened again, after ever longer
pauses up to about a minute; one that has been down for a minute is an issue, until it is up again.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import structlog
from django.db import DatabaseError, InterfaceError
from django.db import connection as database

from viatica.kernel import clock
from viatica.kernel.errors import OutsideUnavailable, Refused, ViaticaError
from viatica.kernel.words import N_
from viatica.spine import backoff, capabilities, correlation, exchanges, inbox, issues

if TYPE_CHECKING:
    from viatica.spine.models import Connection

log = structlog.get_logger(__name__)

SETTING = "long_connection"
ISSUE = "spine.long_connection_down"
LOOK_SECONDS = 15.0
PATIENCE_SECONDS = 60.0
GRACE_SECONDS = 10.0
MOST_DOUBLINGS = 6  # pauses of at most 64 seconds

DOWN = N_("{connection}: the long connection is down, so what people do there arrives late. {reason}")


class PackageMissing(Refused):
    code = "spine.long_connection_package"
    message = N_("The long connection needs a package that is not installed: pip install 'viatica[{extra}]'.")
    hint = N_("Install it beside Viatica; the worker then connects by itself.")


class Line:
    """One long connection, as its handler sees it. The handler ends when `stopping` is set."""

    def __init__(self, connection: Connection, notice: Callable[[], None] = lambda: None) -> None:
        self.connection = connection
        self.stopping = threading.Event()
        self.trouble: ViaticaError | None = None
        self.down_since: float | None = time.monotonic()
        self._notice = notice

    def up(self) -> None:
        """Events can come in from now on. From any thread; may be said again."""
        self.trouble = None
        if self.down_since is not None:
            self.down_since = None
            log.info("stream.up", connection=self.connection.slug)
            self._notice()

    def down(self, trouble: ViaticaError) -> None:
        """No events come in. Needed only of a handler that opens its line again by itself."""
        self.trouble = trouble
        if self.down_since is None:
            self.down_since = time.monotonic()
        log.warning(
            "stream.down", connection=self.connection.slug, code=trouble.code,
            said_by=str(trouble.params.get("said_by", "")),
        )  # fmt: skip

    def heard(self, event_id: str, body: dict[str, Any]) -> bool:
        """Keep an event; only then may the product be told that it arrived. From any thread, False: it was there."""
        try:
            with correlation.carried(None):
                is_new = inbox.store(self.connection, event_id, body, clock.now())
                log.info(
                    "stream.stored" if is_new else "stream.repeated", connection=self.connection.slug, event_id=event_id
                )  # fmt: skip
                return is_new
        finally:
            _give_back()


Handler = Callable[["Connection", Line], None]

_handlers: dict[str, Handler] = {}


def run_with(kind: str, handler: Handler) -> None:
    """Name who keeps lines to connections of `kind`. Called once, in apps.py.

    The handler opens the line, says `line.up()`, gives events to `line.heard`, and returns or raises when the line is
    lost or `line.stopping` is set; it is called again after a pause.
    """
    if _handlers.setdefault(kind, handler) is not handler:
        raise ValueError(f"lines to {kind} already have a handler")


def can_stream(kind: str) -> bool:
    return kind in _handlers


class Switchboard(threading.Thread):
    """Keeps the lines that should be there, until `stop`.

    `look`: seconds between looks at the connections; `patience`: seconds a line may be down before it is an issue;
    `grace`: seconds the lines have to end when stopped.
    """

    def __init__(
        self,
        *,
        look: float = LOOK_SECONDS,
        patience: float = PATIENCE_SECONDS,
        grace: float = GRACE_SECONDS,
    ) -> None:
        super().__init__(name="switchboard", daemon=True)
        self._look, self._patience, self._grace = look, patience, grace
        self._wake = threading.Event()
        self._over = threading.Event()
        self._keepers: dict[int, _Keeper] = {}

    def stop(self) -> None:
        """End all lines. Returns at once; from any thread."""
        self._over.set()
        self._wake.set()

    def run(self) -> None:
        while not self._over.is_set():
            try:
                self._bring_up_to_date()
            except (DatabaseError, InterfaceError) as error:
                log.warning("stream.database_lost", error=f"{type(error).__name__}: {error}".strip())
            finally:
                _give_back()
            self._wake.wait(self._look)
            self._wake.clear()
        for keeper in self._keepers.values():
            keeper.line.stopping.set()
        until = time.monotonic() + self._grace
        for keeper in self._keepers.values():
            keeper.join(max(0.0, until - time.monotonic()))
        log.info("stream.stopped", left=sum(keeper.is_alive() for keeper in self._keepers.values()))

    def _bring_up_to_date(self) -> None:
        from viatica.spine.models import Connection

        asked_for = Connection.objects.filter(is_active=True, **{f"settings__{SETTING}": True})
        wanted = {one.pk: one for one in asked_for if one.kind in _handlers}
        for pk, keeper in list(self._keepers.items()):
            if pk not in wanted or keeper.knows_another(wanted[pk]):
                keeper.line.stopping.set()
                del self._keepers[pk]
                if pk not in wanted:
                    issues.close_issue(_key(keeper.line.connection), clock.now())
        for pk, connection in wanted.items():
            if pk not in self._keepers:
                self._keepers[pk] = _Keeper(connection, _handlers[connection.kind], self._wake.set)
                self._keepers[pk].start()
        for keeper in self._keepers.values():
            self._tell(keeper)

    def _tell(self, keeper: _Keeper) -> None:
        """Open or close the issue when it is not as the line is. An earlier worker may have left one open."""
        line = keeper.line
        if line.down_since is None and keeper.told != "up":
            issues.close_issue(_key(line.connection), clock.now())
            exchanges.went(line.connection, capabilities.CALLBACKS)
            keeper.told = "up"
        elif line.trouble is not None and line.down_since is not None:
            reason = capabilities.words_of(line.trouble)
            if time.monotonic() - line.down_since < self._patience or keeper.told == reason:
                return
            issues.raise_issue(
                key=_key(line.connection), kind=ISSUE, message=DOWN, ref=None, at=clock.now(),
                params={"connection": line.connection.name, "reason": reason},
            )  # fmt: skip
            exchanges.went(line.connection, capabilities.CALLBACKS, line.trouble)
            keeper.told = reason


class _Keeper(threading.Thread):
    """Opens one line again and again, until it is to stop."""

    def __init__(self, connection: Connection, handler: Handler, notice: Callable[[], None]) -> None:
        super().__init__(name=f"line-{connection.slug}", daemon=True)
        self.line = Line(connection, notice)
        self.told = ""  # "up", or why it is down
        self._handler = handler

    def knows_another(self, connection: Connection) -> bool:
        """Whether the connection was changed since."""
        return _print(connection) != _print(self.line.connection)

    def run(self) -> None:
        line, failures = self.line, 0
        while not line.stopping.is_set():
            trouble = self._hold()
            if line.stopping.is_set():
                return
            failures = 1 if line.down_since is None else failures + 1
            line.down(trouble)
            wait = backoff.before_next_try(
                min(failures, MOST_DOUBLINGS), random.uniform, getattr(trouble, "retry_after", None)
            )
            line.stopping.wait(wait)

    def _hold(self) -> ViaticaError:
        """Until the line is lost; why it was."""
        connection = self.line.connection
        try:
            self._handler(connection, self.line)
        except ViaticaError as error:
            return error
        except Exception as error:
            log.exception("stream.broke", connection=connection.slug)
            return OutsideUnavailable(system=connection.name, said_by=type(error).__name__)
        finally:
            _give_back()
        return OutsideUnavailable(system=connection.name, said_by="closed")


def _print(connection: Connection) -> tuple[Any, ...]:
    """What a line depends on."""
    return (connection.kind, connection.name, connection.settings, bytes(connection.secrets_sealed))


def _key(connection: Connection) -> str:
    return f"{ISSUE}:{connection.slug}"


def _give_back() -> None:
    """The database's line, to the pool that all threads share."""
    if database.connection is not None and not database.in_atomic_block:
        database.close()
