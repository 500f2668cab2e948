"""Our fields beside the OA's: what is chosen, what is suggested, and what of it does not fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext_lazy as _

from viatica.connectors import forms, registry
from viatica.connectors.checking import Check
from viatica.connectors.forms import FormField, FormsPort, Shape, Template
from viatica.documents.expense.models import ExpenseReport
from viatica.documents.travel.models import TravelRequest
from viatica.kernel.errors import BadInput
from viatica.kernel.words import N_
from viatica.spine import exchanges
from viatica.spine.models import Connection

KINDS: dict[str, Any] = {ExpenseReport.KIND: _("Expense report"), TravelRequest.KIND: _("Trip request")}
FIELDS: dict[str, Any] = {
    "number": _("Our number"), "applicant": _("Applicant"), "reason": _("Reason"), "amount": _("Amount"),
    "period": _("From – to"), "attachments": _("Invoices"), "attachment_links": _("Links to the invoices"),
    "url": _("Link to the paper"),
}  # fmt: skip
COLUMNS: dict[str, dict[str, Any]] = {
    ExpenseReport.KIND: {
        "category": _("Category"), "day": _("Day"), "amount": _("Amount"), "note": _("Note"),
    },
    TravelRequest.KIND: {
        "city": _("City"), "start": _("Leaves on"), "end": _("Returns on"), "note": _("Note"),
    },
}  # fmt: skip
TABLE = {ExpenseReport.KIND: _("Expenses, one a row"), TravelRequest.KIND: _("Legs, one a row")}
SHAPES: dict[Shape, Any] = {
    Shape.TEXT: _("text"), Shape.NUMBER: _("number"), Shape.DATE: _("day"), Shape.DATE_RANGE: _("from – to"),
    Shape.PERSON: _("person"), Shape.FILES: _("pictures or files"), Shape.CHOICE: _("choice"), Shape.TABLE: _("table"),
    Shape.OTHER: _("other"),
}  # fmt: skip


class NoSuchField(BadInput):
    code = "connections.no_such_field"
    status = 422
    message = N_("The form has no field {key}.")
    hint = N_("Read the form again: it may have been changed over there.")


class NoSuchOurs(BadInput):
    code = "connections.no_such_ours"
    status = 422
    message = N_("This paper has no field {name}.")
    hint = N_("Its fields: {known}.")


@dataclass(frozen=True, slots=True)
class Chosen:
    """Our field → the key of the form's; `table` the key of the form's table of rows."""

    fields: Mapping[str, str] = field(default_factory=dict)
    table: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Row:
    """One of our fields. `state`: ok, empty, gone or misfit; `name` names its input."""

    name: str
    label: Any
    key: str
    options: Sequence[FormField]
    state: str
    wants: str
    found: FormField | None


@dataclass(frozen=True, slots=True)
class Sheet:
    """One kind of paper beside its form. `wrong`: what no single row tells."""

    kind: str
    title: Any
    template: Template
    rows: list[Row]
    table: Row
    columns: list[Row]
    wrong: list[Check]
    is_sound: bool
    is_saved: bool


def port_of(connection: Connection) -> FormsPort:
    """Raises NoForms, and ConnectionIncomplete of the connector's."""
    factory = registry.of(connection.kind).forms
    if factory is None:
        raise registry.NoForms(kind=connection.kind)
    return ReadOnce(factory(connection), connection)


class ReadOnce:
    """A port that reads each form once, however often it is looked at for one page."""

    def __init__(self, port: FormsPort, connection: Connection) -> None:
        self._port, self._connection, self._read = port, connection, dict[str, Template]()
        self.code_name, self.key_of, self.fits, self.more_checks = (
            port.code_name,
            port.key_of,
            port.fits,
            port.more_checks,
        )

    def listed(self) -> list[tuple[str, str]]:
        with exchanges.gathered(self._connection):
            return self._port.listed()

    def template(self, code: str) -> Template:
        if code not in self._read:
            with exchanges.gathered(self._connection):
                self._read[code] = self._port.template(code)
        return self._read[code]


def saved(connection: Connection, kind: str) -> dict[str, Any] | None:
    found = (connection.settings.get("forms") or {}).get(kind)
    return found if isinstance(found, dict) else None


def chosen_in(port: FormsPort, mapping: Mapping[str, Any]) -> Chosen:
    """What a mapping says, as the page shows it."""
    lines = mapping.get("lines") or {}
    return Chosen(
        {name: port.key_of(one) for name, one in (mapping.get("fields") or {}).items()},
        port.key_of(lines) if lines else "",
        {name: port.key_of(one) for name, one in (lines.get("columns") or {}).items()},
    )


def build(port: FormsPort, kind: str, code: str, chosen: Chosen) -> dict[str, Any]:
    """The mapping of what was chosen. Raises NoSuchField, NoSuchOurs, OutsideError."""
    template = port.template(code)
    table = _field(template.fields, chosen.table) if chosen.table else None
    columns = _settings(chosen.columns, COLUMNS[kind], table.children) if table else {}
    return {
        port.code_name: template.code,
        "fields": _settings(chosen.fields, FIELDS, template.fields),
        "lines": {**table.setting, "columns": columns} if table else None,
        **template.extra,
    }


def _settings(
    chosen: Mapping[str, str], known: Mapping[str, Any], fields: Sequence[FormField]
) -> dict[str, Any]:
    for name in chosen.keys() - known.keys():
        raise NoSuchOurs(name=name, known=", ".join(known), field=name)
    return {name: forms.setting_of(name, _field(fields, key)) for name, key in chosen.items() if key}


def _field(fields: Sequence[FormField], key: str) -> FormField:
    found = forms.find(fields, key)
    if found is None:
        raise NoSuchField(key=key, field=key)
    return found


def sheet(port: FormsPort, kind: str, mapping: Mapping[str, Any], *, is_saved: bool) -> Sheet:
    """The form read over there, beside the mapping. Raises OutsideError."""
    template = port.template(str(mapping.get(port.code_name) or ""))
    chosen = chosen_in(port, mapping)
    found = forms.check(port, kind, mapping)
    table = forms.find(template.fields, chosen.table) if chosen.table else None
    tables = [one for one in template.fields if one.shape is Shape.TABLE]
    return Sheet(
        kind=kind,
        title=KINDS[kind],
        template=template,
        rows=[
            _row(f"f-{name}", label, chosen.fields.get(name, ""), template.fields, port.fits(name))
            for name, label in FIELDS.items()
        ],
        table=_row("table", TABLE[kind], chosen.table, tables, frozenset({Shape.TABLE})),
        columns=[
            _row(f"c-{name}", label, chosen.columns.get(name, ""), table.children, port.fits(name))
            for name, label in COLUMNS[kind].items()
        ]
        if table
        else [],
        wrong=[one for one in found if not one.ok and "field" not in dict(one.params)],
        is_sound=all(one.ok for one in found),
        is_saved=is_saved,
    )


def _row(name: str, label: Any, key: str, fields: Sequence[FormField], shapes: frozenset[Shape]) -> Row:
    found = forms.find(fields, key) if key else None
    options = [one for one in fields if one.shape in shapes or one is found]
    state = "empty" if not key else "gone" if found is None else "ok" if found.shape in shapes else "misfit"
    wants = "、".join(str(SHAPES[shape]) for shape in sorted(shapes))
    return Row(name, label, found.key if found else key, options, state, wants, found)


def suggested(port: FormsPort, kind: str, code: str) -> dict[str, Any]:
    """What the names and types of the form's fields suggest. Raises OutsideError."""
    return forms.suggest(port, kind, port.template(code))
