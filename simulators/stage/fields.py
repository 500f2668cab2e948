"""Reading foreign JSON or form fields by name and kind; what does not fit is refused in the vendor's words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Fields:
    values: Mapping[str, Any]
    refuse: Callable[[str], Exception]

    def has(self, name: str) -> bool:
        return self.values.get(name) not in (None, "")

    def text(self, name: str, *, most: int | None = None) -> str:
        if not self.has(name):
            raise self.refuse(f"{name} is required")
        return self.text_or(name, "", most=most)

    def text_or(self, name: str, default: str = "", *, most: int | None = None) -> str:
        value = self.values.get(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            raise self.refuse(f"{name} must be a string")
        if most is not None and len(str(value)) > most:
            raise self.refuse(f"{name} is longer than {most} characters")
        return str(value)

    def number(self, name: str) -> int:
        if not self.has(name):
            raise self.refuse(f"{name} is required")
        return self.number_or(name, 0)

    def number_or(self, name: str, default: int) -> int:
        value = self.values.get(name)
        if value in (None, ""):
            return default
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            raise self.refuse(f"{name} must be a whole number")
        try:
            return int(value)
        except ValueError:
            raise self.refuse(f"{name} must be a whole number") from None

    def flag_or(self, name: str, default: bool) -> bool:
        value = self.values.get(name)
        if value in (None, ""):
            return default
        if isinstance(value, bool):
            return value
        if str(value).lower() in ("true", "false"):
            return str(value).lower() == "true"
        raise self.refuse(f"{name} must be true or false")

    def texts(self, name: str, *, most: int | None = None) -> list[str]:
        """A list of strings, the caller's own; absent means empty."""
        value = self.values.get(name)
        if value in (None, ""):
            return []
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.refuse(f"{name} must be a list of strings")
        if most is not None and len(value) > most:
            raise self.refuse(f"{name} has more than {most} entries")
        return list(value)

    def listed(self, name: str, *, most: int | None = None) -> list[str]:
        """Values separated by commas; absent means empty."""
        items = [item.strip() for item in self.text_or(name).split(",") if item.strip()]
        if most is not None and len(items) > most:
            raise self.refuse(f"{name} has more than {most} entries")
        return items

    def rows(self, name: str, *, most: int | None = None) -> list[Fields]:
        value = self.values.get(name)
        if value in (None, ""):
            return []
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise self.refuse(f"{name} must be a list of objects")
        if most is not None and len(value) > most:
            raise self.refuse(f"{name} has more than {most} entries")
        return [Fields(item, self.refuse) for item in value]

    def part(self, name: str) -> Fields:
        """An object inside; absent means empty."""
        value = self.values.get(name)
        if value in (None, ""):
            return Fields({}, self.refuse)
        if not isinstance(value, dict):
            raise self.refuse(f"{name} must be an object")
        return Fields(value, self.refuse)
