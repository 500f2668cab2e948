"""What an outside product must be able to do for messages and to-dos, and the plain words exchanged with it.

Every call may raise OutsideRefused, OutsideUnavailable or OutsideUnknown, and may be repeated: a card's `stamp` and
a to-do's `key` are the same each time, so that the product (or the connector) can tell a repetition.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from viatica.kernel.errors import Refused
from viatica.kernel.words import N_

if TYPE_CHECKING:
    from viatica.spine.models import Connection


class Tone(StrEnum):
    """How a state is coloured, always beside its word."""

    NEUTRAL = "neutral"
    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Recipient:
    """`unionid` is empty where the product has none."""

    userid: str
    name: str
    unionid: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    """A state as a card shows it: its word in the reader's language, and its tone."""

    word: str
    tone: Tone = Tone.NEUTRAL


@dataclass(frozen=True, slots=True)
class Card:
    """One message. `stamp` (a time, as people read it) makes two messages of the same words differ."""

    title: str
    status: Status
    stamp: str
    url: str
    rows: tuple[tuple[str, str], ...] = ()
    sender: str = ""


@dataclass(frozen=True, slots=True)
class Todo:
    """One thing for one person to do. `key` is ours, the same for every repetition, of letters, digits and dashes."""

    key: str
    subject: str
    url: str
    rows: tuple[tuple[str, str], ...] = ()


class MessagePort(Protocol):
    @property
    def kind(self) -> str: ...

    def send_card(self, to: Recipient, card: Card) -> str:
        """The message's id over there."""
        ...

    def update_card(self, message_id: str, card: Card) -> None:
        """Change the status a sent card shows; `card` is the whole of it, for products that draw it anew.

        OutsideRefused when the product no longer allows it.
        """
        ...


class TodoPort(Protocol):
    @property
    def kind(self) -> str: ...

    def put(self, to: Recipient, todo: Todo) -> str:
        """Create it, or bring the one with its key up to date. Its id over there."""
        ...

    def finish(self, to: Recipient, key: str) -> None:
        """Mark it done; nothing happens when it is not there."""
        ...

    def remove(self, to: Recipient, key: str) -> None:
        """Take it away, as when it was never theirs to do; nothing happens when it is not there."""
        ...


class NoMessages(Refused):
    code = "notices.no_port"
    message = N_("Connections of the kind “{kind}” cannot send messages.")
    hint = N_("Choose another connection for messages, or install the connector.")


_messages: dict[str, Callable[[Connection], MessagePort]] = {}
_todos: dict[str, Callable[[Connection], TodoPort]] = {}


def register_messages(kind: str, factory: Callable[[Connection], MessagePort]) -> None:
    _messages[kind] = factory


def register_todos(kind: str, factory: Callable[[Connection], TodoPort]) -> None:
    _todos[kind] = factory


def messages_for(connection: Connection) -> MessagePort:
    """Raises NoMessages when no connector of that kind is installed."""
    factory = _messages.get(connection.kind)
    if factory is None:
        raise NoMessages(kind=connection.kind)
    return factory(connection)


def todos_for(connection: Connection) -> TodoPort:
    """Raises NoMessages when no connector of that kind is installed."""
    factory = _todos.get(connection.kind)
    if factory is None:
        raise NoMessages(kind=connection.kind)
    return factory(connection)
