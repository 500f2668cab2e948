"""Signing in through an outside system: what a connector must be able to do.

The connector says who somebody is over there; `sign_in.user_behind` says who that is here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from viatica.kernel.errors import Refused
from viatica.kernel.words import N_

if TYPE_CHECKING:
    from viatica.spine.models import Connection


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A person as the outside system proved them. `unionid` is empty where the product has none."""

    userid: str
    name: str
    unionid: str = ""


@dataclass(frozen=True, slots=True)
class ClientScript:
    """What a page inside the product's client loads to ask it for a code, and how the page names itself there."""

    url: str
    asks_as: Mapping[str, str]


class SignInPort(Protocol):
    @property
    def kind(self) -> str: ...

    @property
    def client_mark(self) -> str:
        """A word in the User-Agent of the product's own client, by which we know that a page is opened inside it."""
        ...

    def start_url(self, state: str, redirect: str, *, inside: bool) -> str:
        """Where to send the browser, or the client's own (`inside`), which asks nothing.

        `state` comes back to `redirect`; the caller checks that it is its own.
        """
        ...

    def client_script(self) -> ClientScript | None:
        """None where the client signs people in by `start_url` alone."""
        ...

    def finish(self, code: str) -> SignedIn:
        """Who came back with `code`. Raises OutsideRefused for a used, expired or invented one."""
        ...

    def free_login(self, code: str) -> SignedIn:
        """免登: who opened our page inside the product's own client, by the code its script gave."""
        ...


class NoSignIn(Refused):
    code = "access.no_sign_in_port"
    message = N_("Connections of the kind “{kind}” cannot sign people in.")
    hint = N_("Sign in with a password, or choose another connection.")


Factory = Callable[["Connection"], SignInPort]
_factories: dict[str, Factory] = {}


def register(kind: str, factory: Factory) -> None:
    _factories[kind] = factory


def port_for(connection: Connection) -> SignInPort:
    """Raises NoSignIn when no connector of that kind is installed."""
    factory = _factories.get(connection.kind)
    if factory is None:
        raise NoSignIn(kind=connection.kind)
    return factory(connection)
