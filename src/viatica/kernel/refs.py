"""A reference to a paper that any office can keep without knowing the paper."""

from __future__ import annotations

from dataclasses import dataclass

from viatica.kernel.errors import BadInput
from viatica.kernel.words import N_


class BadRef(BadInput):
    code = "ref.bad"
    message = N_("“{text}” is not a document reference.")
    hint = N_("A reference looks like expense_report:42.")


@dataclass(frozen=True, slots=True)
class Ref:
    """`kind` names the document, `key` its row: `expense_report:42`."""

    kind: str
    key: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.key}"

    @classmethod
    def parse(cls, text: str) -> Ref:
        kind, colon, key = text.partition(":")
        if not (kind and colon and key):
            raise BadRef(text=text)
        return cls(kind, key)

    @property
    def id(self) -> int:
        """The row's number. Raises BadRef where the key is not one."""
        if not self.key.isdecimal():
            raise BadRef(text=str(self))
        return int(self.key)
