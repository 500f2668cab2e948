"""Signing in through an outside system: what a connector must be able to do.

The connector says who somebody is over there; `sign_in.user_behind` says who that is here.
"""

from __future__ import annotations

from collections.abc import Callable
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


class SignInPort(Protocol):
    @property
    def kind(self) -> str: ...

    def start_url(self, state: str, redirect: str) -> str:
        """Where to send the browser. `state` comes back to `redirect`; the caller checks that it is its own."""
        ...

    def finish(self, code: str) -> SignedIn:
        """Who came back with `code`. Raises OutsideRefused for a used, expired or invented one."""
        ...

    def free_login(self, code: str) -> SignedIn:
        """免登: who opened our page inside the product's own client."""
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
