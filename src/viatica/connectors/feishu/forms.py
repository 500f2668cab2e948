"""Feishu's approvals. A mapping names a widget by its id, and keeps its type and options beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from viatica.connectors import forms
from viatica.connectors.checking import Check
from viatica.connectors.feishu import translate
from viatica.connectors.feishu.client import FeishuClient
from viatica.connectors.feishu.translate import CHOICES, FILES, NUMBERS, TABLE, TEXTS, Definition, WidgetSpec
from viatica.connectors.forms import FormField, Shape, Step, Template
from viatica.kernel.words import N_
from viatica.spine.models import Connection

SHAPES: Mapping[str, Shape] = {
    **dict.fromkeys(TEXTS, Shape.TEXT),
    **dict.fromkeys(NUMBERS, Shape.NUMBER),
    **dict.fromkeys(CHOICES, Shape.CHOICE),
    **dict.fromkeys(FILES, Shape.FILES),
    "date": Shape.DATE,
    "dateInterval": Shape.DATE_RANGE,
    "contact": Shape.PERSON,
    TABLE: Shape.TABLE,
}


class FeishuForms:
    """Fills `connectors.forms.FormsPort`."""

    code_name = "approval_code"

    def __init__(self, connection: Connection) -> None:
        self.client = FeishuClient.of(connection)

    def listed(self) -> list[tuple[str, str]]:
        return []

    def template(self, code: str) -> Template:
        return template(code, translate.definition(self.client.definition(code)))

    def key_of(self, setting: Any) -> str:
        return str(setting["id"])

    def fits(self, name: str) -> frozenset[Shape]:
        return forms.fits(name)

    def more_checks(self, name: str, mapping: Mapping[str, Any], template: Template) -> Iterator[Check]:
        """Its events are subscribed to on the way; asking again does no harm."""
        self.client.subscribe(template.code)
        for step in template.chosen:
            if not {step.key, step.other_key} & set(mapping.get("approver_nodes") or ()):
                yield Check.bad(
                    name,
                    N_(
                        "At the step “{node}” the applicant chooses who approves, which nothing of ours does."
                    ),
                    N_("Name the step under approver_nodes, or let the approval choose for itself."),
                    {"node": step.name or step.key},
                )


def template(code: str, defined: Definition) -> Template:
    chosen = tuple(Step(node.key, node.name, node.other_key) for node in defined.chosen_nodes)
    return Template(
        code=code,
        name=defined.name,
        fields=tuple(_field(widget) for widget in defined.widgets),
        is_active=defined.is_active,
        extra={"approver_nodes": [step.key for step in chosen]} if chosen else {},
        chosen=chosen,
    )


def _field(widget: WidgetSpec) -> FormField:
    shape = SHAPES.get(widget.type, Shape.OTHER)
    return FormField(
        key=widget.id,
        label=widget.name,
        shape=shape,
        type=widget.type,
        setting={"id": widget.id} if shape is Shape.TABLE else {"id": widget.id, "type": widget.type},
        is_required=widget.is_required,
        other_key=widget.custom_id,
        options=widget.options,
        children=tuple(_field(child) for child in widget.children),
    )
