"""WeCom's templates. A mapping names a control by its id, and keeps its type; a table all of its columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from viatica.connectors import forms
from viatica.connectors.checking import Check
from viatica.connectors.forms import FormField, Shape, Template
from viatica.connectors.wecom import translate
from viatica.connectors.wecom.client import WeComClient
from viatica.connectors.wecom.mapping import FLOW_OURS, FLOW_THEIRS, NUMBER
from viatica.connectors.wecom.translate import ControlSpec
from viatica.kernel.words import N_
from viatica.spine.models import Connection

SHAPES: Mapping[str, Shape] = {
    "Text": Shape.TEXT,
    "Textarea": Shape.TEXT,
    "Number": Shape.NUMBER,
    "Money": Shape.NUMBER,
    "Date": Shape.DATE,
    "DateRange": Shape.DATE_RANGE,
    "Selector": Shape.CHOICE,
    "Contact/user": Shape.PERSON,
    "File": Shape.FILES,
    "Table": Shape.TABLE,
}


class WeComForms:
    """Fills `connectors.forms.FormsPort`."""

    code_name = "template_id"

    def __init__(self, connection: Connection) -> None:
        self.client = WeComClient.of(connection)

    def listed(self) -> list[tuple[str, str]]:
        return []

    def template(self, code: str) -> Template:
        name, controls = translate.template(self.client.template(code))
        fields = tuple(_field(one) for one in controls)
        return Template(code, name, fields, extra={"flow": FLOW_THEIRS})

    def key_of(self, setting: Any) -> str:
        return str(setting["id"])

    def fits(self, name: str) -> frozenset[Shape]:
        return frozenset({Shape.OTHER}) if name == "department" else forms.fits(name)

    def more_checks(self, name: str, mapping: Mapping[str, Any], template: Template) -> Iterator[Check]:
        if NUMBER not in mapping["fields"]:
            yield Check.bad(
                name,
                N_("Our number has no place in the form, so that a form could not be found again."),
                N_("Map “number” to a text of one line."),
            )
        if mapping.get("flow") not in (FLOW_OURS, FLOW_THEIRS, None):
            yield Check.bad(
                name,
                N_("“{flow}” is no flow."),
                N_("Say “theirs” for the template's own approvers, or “ours” for those of the flow here."),
                {"flow": mapping["flow"]},
            )
        yield from self._columns(name, mapping, template)

    def _columns(self, name: str, mapping: Mapping[str, Any], template: Template) -> Iterator[Check]:
        """A row must hold every column there is."""
        lines = mapping.get("lines")
        table = forms.find(template.fields, self.key_of(lines)) if lines else None
        if lines is None or table is None:
            return
        kept = {cell["id"] for cell in lines.get("cells", ())}
        there = {one.key: one.label for one in table.children}
        changed = [there[key] for key in there.keys() - kept] + sorted(kept - there.keys())
        if changed:
            yield Check.bad(
                name,
                N_("The columns of “{label}” have changed: {changed}."),
                N_("Map the form again."),
                {"label": table.label, "changed": ", ".join(changed)},
            )


def _field(one: ControlSpec) -> FormField:
    shape = SHAPES.get(one.type) or SHAPES.get(one.kind, Shape.OTHER)
    setting: dict[str, Any] = {"id": one.id, "type": one.type}
    if shape is Shape.TABLE:
        setting["cells"] = [
            {"id": child.id, "type": child.type, "title": child.title} for child in one.children
        ]
    return FormField(
        key=one.id,
        label=one.title,
        shape=shape,
        type=one.type,
        setting=setting,
        is_required=one.is_required,
        options=one.options,
        children=tuple(_field(child) for child in one.children),
    )
