"""What may be turned while a simulator runs, and identities that are the same for the same seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from random import Random
from string import ascii_letters, digits
from typing import Annotated, Any, get_type_hints

from pydantic import Field, TypeAdapter, ValidationError

Amount = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


@dataclass(slots=True)
class Knobs:
    """The base of a dataclass whose fields are turned from outside; their types say what each may be."""

    def change(self, wishes: Mapping[str, Any]) -> None:
        """Raises ValueError naming the knob that is unknown or the value that does not fit; then nothing has changed."""
        kinds = get_type_hints(type(self), include_extras=True)
        for name, value in wishes.items():
            if name not in kinds:
                raise ValueError(f"unknown setting: {name}")
            try:
                TypeAdapter(kinds[name]).validate_python(value, strict=True)
            except ValidationError:
                raise ValueError(f"bad value for {name}: {value!r}") from None
        for name, value in wishes.items():
            setattr(self, name, value)

    def shown(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(slots=True)
class CommonSettings(Knobs):
    """What every product's settings begin with."""

    latency_ms: Amount = 0.0
    retry_after_s: list[Amount] = field(default_factory=list)  # of a push that was not answered
    callback_parallel: Annotated[int, Field(gt=0)] = 32


def letters(random: Random, alphabet: str, count: int) -> str:
    return "".join(random.choices(alphabet, k=count))


def encoding_aes_key(random: Random) -> str:
    """43 letters and digits. The last of them carries four bits only: keep it canonical base64."""
    return letters(random, ascii_letters + digits, 42) + random.choice("AEIMQUYcgkosw048")
