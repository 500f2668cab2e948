"""DingTalk's templates. A mapping names a component by its label, to the letter; a date range by both of its labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from viatica.connectors import forms
from viatica.connectors.checking import Check
from viatica.connectors.dingtalk import translate
from viatica.connectors.dingtalk.client import DingTalkClient
from viatica.connectors.dingtalk.translate import SchemaItem
from viatica.connectors.forms import FormField, Shape, Template
from viatica.kernel.words import N_
from viatica.spine.models import Connection

SHAPES: Mapping[str, Shape] = {
    "TextField": Shape.TEXT,
    "TextareaField": Shape.TEXT,
    "MoneyField": Shape.NUMBER,
    "NumberField": Shape.NUMBER,
    "DDSelectField": Shape.CHOICE,
    "DDDateField": Shape.DATE,
    "DDDateRangeField": Shape.DATE_RANGE,
    "InnerContactField": Shape.PERSON,
    "DDPhotoField": Shape.FILES,
    "TableField": Shape.TABLE,
}


class DingTalkForms:
    """Fills `connectors.forms.FormsPort`."""

    code_name = "process_code"

    def __init__(self, connection: Connection) -> None:
        self.client = DingTalkClient.of(connection)

    def listed(self) -> list[tuple[str, str]]:
        return []

    def template(self, code: str) -> Template:
        result = self.client.form_schema(code)
        fields = tuple(_field(item) for item in translate.schema(result))
        return Template(code, str(result.get("name") or ""), fields, extra=_extra(fields))

    def key_of(self, setting: Any) -> str:
        match setting:
            case {"label": str(label)}:
                return label
            case str():
                return setting
            case _:
                return translate.component_name(tuple(setting))

    def fits(self, name: str) -> frozenset[Shape]:
        # Our value for a person is their userid, which would say nothing in a text.
        return frozenset({Shape.PERSON}) if name == "applicant" else forms.fits(name)

    def more_checks(self, name: str, mapping: Mapping[str, Any], template: Template) -> Iterator[Check]:
        """Pictures go into a photo component, links into a text."""
        found = forms.find(template.fields, str(mapping["fields"].get("attachments") or ""))
        wanted = Shape.TEXT if mapping.get("attachments_as") == "links" else Shape.FILES
        if found and found.shape in forms.fits("attachments") and found.shape is not wanted:
            yield Check.bad(
                name,
                N_("The form's field “{label}” is a {type}, which does not take “{field}”."),
                N_("Set attachments_as to photos for a photo component, to links for a text."),
                {"label": found.label, "type": found.type, "field": "attachments"},
            )


def _field(item: SchemaItem) -> FormField:
    shape = SHAPES.get(item.component, Shape.OTHER)
    pair = translate.labels_of_range(item.label)
    setting: Any = item.label
    if shape is Shape.TABLE:
        setting = {"label": item.label}
    elif pair:
        setting = list(pair)
    return FormField(
        key=item.label,
        label=" ".join(pair) if pair else item.label,
        shape=shape,
        type=item.component,
        setting=setting,
        is_required=item.is_required,
        children=tuple(_field(child) for child in item.children),
    )


def _extra(fields: tuple[FormField, ...]) -> dict[str, Any]:
    """Attachments go into a photo component as pictures; where there is only a text, as links."""
    called, fits = forms.FIELD_NAMES["attachments"], forms.fits("attachments")
    found = next((one for name in called for one in fields if one.label == name and one.shape in fits), None)
    return {"attachments_as": "links"} if found and found.shape is Shape.TEXT else {}
