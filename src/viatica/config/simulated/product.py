"""What the demo and the rehearsal must know of each product's simulator."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from viatica.config.simulated.company import Member, Organisation

# The control door: method, path, body → answer.
Ask = Callable[..., Any]


class Product(Protocol):
    kind: str
    name: str
    english: str
    uses: tuple[str, ...]
    secrets: tuple[str, ...]  # names in what the simulator says of itself, and in the connection's secrets
    codes: str  # where it says which template serves which kind of paper
    creating: str  # the call that creates an instance
    running: str  # the status of an instance that still asks somebody

    def organisation(self, ours: Organisation) -> dict[str, Any]:
        """The company as its address book; `--org` of the simulator."""
        ...

    def identity(self, member: Member) -> dict[str, str]:
        """A person's ids over there, as OutsideIdentity keeps them."""
        ...

    def settings(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Where it listens and who we are to it, as the connection keeps it."""
        ...

    def agreeing(self) -> dict[str, str]:
        """The body by which whoever is asked first agrees, at the control door."""
        ...

    def shown(self, ask: Ask, key: str) -> list[dict[str, Any]]:
        """What the desk shows, or ever showed, of one of our tasks; one thing, if all is well."""
        ...

    def agree(self, ask: Ask, seen: Mapping[str, Any]) -> bool:
        """As its approver at the desk. False where the desk only leads to our page."""
        ...


# The simulators' short names of their two templates.
TEMPLATES = {"expense_report": "expense", "travel_request": "travel"}


def template_codes(product: Product, facts: Mapping[str, Any]) -> dict[str, str]:
    """Our kinds of paper → the template's code over there."""
    return {kind: facts[product.codes][short] for kind, short in TEMPLATES.items()}


def carries(instance: Mapping[str, Any], number: str) -> bool:
    """Whether one of the form's values, however deep, is `number`."""
    return number in texts(instance["values"])


def texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case Mapping():
            for one in value.values():
                yield from texts(one)
        case list() | tuple():
            for one in value:
                yield from texts(one)
