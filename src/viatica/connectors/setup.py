"""What a client must know of its connection: addresses and credentials, read once, and a clear word for what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

from viatica.kernel.errors import BadInput
from viatica.kernel.words import N_
from viatica.spine.models import Connection


class ConnectionIncomplete(BadInput):
    code = "connectors.connection_incomplete"
    message = N_("The connection “{name}” lacks {missing}.")
    hint = N_("Enter it on the connection's page; it stands in the product's developer console.")


@dataclass(frozen=True, slots=True)
class Setup:
    """One app of one company. A connector adds its settings and credentials as text fields, secrets without repr.

    `needed` are those nothing works without; `usual` are values for settings that are not given.
    """

    needed: ClassVar[tuple[str, ...]]
    usual: ClassVar[Mapping[str, str]] = {}

    name: str

    @classmethod
    def of(cls, connection: Connection) -> Self:
        """Raises ConnectionIncomplete without what is needed."""
        settings, secrets = connection.settings, connection.secrets()
        known: dict[str, Any] = {
            one.name: str(secrets.get(one.name) or settings.get(one.name) or cls.usual.get(one.name, ""))
            for one in fields(cls)
        }
        setup = cls(**(known | {"name": connection.name}))
        for needed in cls.needed:
            setup.need(needed)
        return setup

    def need(self, name: str) -> str:
        """One that only some uses ask for. Raises ConnectionIncomplete."""
        value = str(getattr(self, name))
        if not value:
            raise ConnectionIncomplete(name=self.name, missing=name)
        return value

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be written into a log or an error."""
        return tuple(filter(None, (str(getattr(self, one.name)) for one in fields(self) if not one.repr)))
