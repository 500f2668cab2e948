"""How one product is connected, in the words of its own console: what to set there, and what to copy from there.

The shapes name no vendor; each connector's `guide.py` fills them. Pages show the places in the order of the console.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

# What a connection may be used for. Approvals go one of two ways: by the OA's own form and flow (approval), or by our
# flow with the OA showing the tasks (desk).
USES = ("approval", "desk", "todo", "messages", "directory", "sign_in")


@dataclass(frozen=True, slots=True)
class Term:
    """A word of the console, to the letter. `gloss` says it in English to who cannot read it."""

    word: str
    gloss: str = ""


class Hears(StrEnum):
    """How what happens over there comes here: to an address of ours, or over a long connection we open."""

    CALLBACKS = "callbacks"
    LONG_CONNECTION = "long_connection"


class Ours(StrEnum):
    """An address of this server that a console asks for."""

    HOOK = "hook"  # where callbacks come in
    SIGN_IN_BACK = "sign_in_back"  # where a browser comes back to after signing in over there
    INSIDE = "inside"  # what the product's client opens, signing people in
    HOST = "host"  # the domain alone, with its port
    HOME = "home"


@dataclass(frozen=True, slots=True)
class Permission:
    """`uses` empty: always needed."""

    term: Term
    code: str
    uses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Event:
    term: Term
    code: str
    uses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Address:
    term: Term
    ours: Ours
    uses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Choice:
    """Something to pick rather than to type."""

    term: Term
    pick: Term
    uses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Credential:
    """What the console shows and we need. `where` is the title of its place.

    A secret is sealed and never shown again. `shape` is a regular expression of the whole value, `looks` says it in
    words (a msgid). `uses` empty: always asked for. `only`: not needed with the other way to hear.
    """

    name: str
    term: Term
    where: Term
    is_secret: bool = True
    is_required: bool = True
    uses: tuple[str, ...] = ()
    only: Hears | None = None
    shape: str = ""
    looks: str = ""
    help: str = ""


@dataclass(frozen=True, slots=True)
class Host:
    """Where the product answers; another address only for its international or private editions."""

    name: str
    label: str
    usual: str


@dataclass(frozen=True, slots=True)
class Bulk:
    """The console takes all permission codes at once, written like this."""

    term: Term
    written: Callable[[Sequence[str]], str]


@dataclass(frozen=True, slots=True)
class FormCode:
    """How the product calls a form's code, and where it stands (a msgid). `found`: the code in the form's address."""

    term: Term
    says: str
    found: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """One page of the console. `path` leads to it from `url`; `says` (a msgid) is what to do there.

    `is_tried_at_once`: the product tries the way it tells us by when this page is saved, so that has to stand first.
    `only`: a page for that way alone.
    """

    title: Term
    url: str
    says: str
    path: tuple[Term, ...] = ()
    permissions: tuple[Permission, ...] = ()
    events: tuple[Event, ...] = ()
    addresses: tuple[Address, ...] = ()
    choices: tuple[Choice, ...] = ()
    bulk: Bulk | None = None
    is_tried_at_once: bool = False
    uses: tuple[str, ...] = ()
    only: Hears | None = None


@dataclass(frozen=True, slots=True)
class Guide:
    """`needs` (a msgid): who can do this over there, and what the company must have."""

    product: Term
    needs: str
    places: tuple[Place, ...]
    credentials: tuple[Credential, ...]
    hosts: tuple[Host, ...] = ()
    form_code: FormCode | None = None

    def places_for(self, uses: Iterable[str], hears: Hears = Hears.CALLBACKS) -> list[PlaceFor]:
        """The places with something to do for `uses`, in the console's order."""
        wanted = frozenset(uses)
        return [
            PlaceFor.of(place, wanted)
            for place in self.places
            if _concerns(place, wanted) and place.only in (None, hears)
        ]

    def credentials_for(self, uses: Iterable[str], hears: Hears = Hears.CALLBACKS) -> list[Credential]:
        wanted = frozenset(uses)
        return [one for one in self.credentials if _concerns(one, wanted) and one.only in (None, hears)]

    def texts(self) -> Iterator[str]:
        """Every msgid in it."""
        yield self.needs
        yield from (place.says for place in self.places)
        yield from (text for one in self.credentials for text in (one.help, one.looks) if text)
        yield from (host.label for host in self.hosts)
        if self.form_code:
            yield self.form_code.says


@dataclass(frozen=True, slots=True)
class PlaceFor:
    """A place, and what of it some uses need."""

    place: Place
    permissions: list[Permission]
    events: list[Event]
    addresses: list[Address]
    choices: list[Choice]

    @classmethod
    def of(cls, place: Place, uses: frozenset[str]) -> PlaceFor:
        return cls(
            place,
            [one for one in place.permissions if _concerns(one, uses)],
            [one for one in place.events if _concerns(one, uses)],
            [one for one in place.addresses if _concerns(one, uses)],
            [one for one in place.choices if _concerns(one, uses)],
        )

    @property
    def all_at_once(self) -> str:
        """Every permission code in the writing the console imports; empty where it imports none."""
        if self.place.bulk is None or not self.permissions:
            return ""
        return self.place.bulk.written([one.code for one in self.permissions])


Part = Permission | Event | Address | Choice | Credential | Place


def _concerns(part: Part, uses: frozenset[str]) -> bool:
    return not part.uses or not uses.isdisjoint(part.uses)
