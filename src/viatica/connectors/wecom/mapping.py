"""How our documents are laid out in WeCom's templates: `Connection.settings["forms"][kind]`. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from viatica.connectors.errors import FormNotMapped
from viatica.connectors.wecom.errors import SYSTEM

ZONE = "Asia/Shanghai"

# The names under which a form mapping may place what is no field of the form itself.
NUMBER, URL, ATTACHMENTS, ATTACHMENT_LINKS = "number", "url", "attachments", "attachment_links"

FLOW_OURS, FLOW_THEIRS = "ours", "theirs"


@dataclass(frozen=True, slots=True)
class Control:
    """One control of a form. `of` is its variety, as in `Date/day`. `options` of a choice: what people read → its key."""

    id: str
    kind: str
    of: str = ""
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cell:
    """A column of a table as the template has it, mapped or not: each row must hold all of them."""

    id: str
    kind: str
    title: str


@dataclass(frozen=True, slots=True)
class LinesMap:
    id: str
    cells: Sequence[Cell]
    columns: Mapping[str, Control]


@dataclass(frozen=True, slots=True)
class FormMap:
    """How one kind of document is laid out in one template. `flow_is_ours`: our approvers instead of the template's."""

    kind: str
    template_id: str
    fields: Mapping[str, Control]
    lines: LinesMap | None = None
    flow_is_ours: bool = False
    zone: str = ZONE
    text_most: int = 500
    textarea_most: int = 2000

    @property
    def attachments(self) -> Control | None:
        """Where files go, if files they are to be."""
        control = self.fields.get(ATTACHMENTS)
        return control if control and control.kind == "File" else None

    @property
    def links_to_page(self) -> bool:
        """Whether who reads the form finds the whole paper."""
        return URL in self.fields


def form_maps(settings: Mapping[str, Any]) -> dict[str, FormMap]:
    """Every mapped kind of document. Raises FormNotMapped."""
    forms = settings.get("forms")
    return (
        {kind: _form_map(kind, data, settings) for kind, data in forms.items()}
        if isinstance(forms, dict)
        else {}
    )


def form_map(settings: Mapping[str, Any], kind: str) -> FormMap:
    """Raises FormNotMapped."""
    found = form_maps(settings).get(kind)
    if found is None:
        raise _unmapped(kind, "template_id")
    return found


def _form_map(kind: str, data: Any, settings: Mapping[str, Any]) -> FormMap:
    match data:
        case {"template_id": str(template_id), "fields": dict(fields)} if template_id:
            if NUMBER not in fields:
                raise _unmapped(kind, NUMBER)  # by it a form is found again
        case _:
            raise _unmapped(kind, "template_id, fields")
    limits = {
        name: int(settings[name]) for name in ("text_most", "textarea_most") if settings.get(name) is not None
    }
    return FormMap(
        kind=kind,
        template_id=template_id,
        fields={name: _control(kind, name, one) for name, one in fields.items()},
        lines=_lines_map(kind, data.get("lines")),
        flow_is_ours=data.get("flow") == FLOW_OURS,
        zone=str(settings.get("time_zone") or ZONE),
        **limits,
    )


def _lines_map(kind: str, data: Any) -> LinesMap | None:
    match data:
        case None:
            return None
        case {"id": str(table_id), "cells": list(cells), "columns": dict(columns)}:
            return LinesMap(
                table_id,
                tuple(_cell(kind, one) for one in cells),
                {name: _control(kind, name, one) for name, one in columns.items()},
            )
        case _:
            raise _unmapped(kind, "lines")


def _cell(kind: str, data: Any) -> Cell:
    match data:
        case {"id": str(cell_id), "type": str(type_), "title": str(title)}:
            return Cell(cell_id, type_.partition("/")[0], title)
        case _:
            raise _unmapped(kind, "lines")


def _control(kind: str, name: str, data: Any) -> Control:
    match data:
        case {"id": str(control_id), "type": str(type_)}:
            control, _, of = type_.partition("/")
            return Control(control_id, control, of, dict(data.get("options") or {}))
        case _:
            raise _unmapped(kind, name)


def _unmapped(kind: str, missing: str) -> FormNotMapped:
    return FormNotMapped(system=SYSTEM, said_by=kind, kind=kind, missing=missing)
