"""A case of ours as a WeCom form. Pure.

Source: vendor page 提交审批申请.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from viatica.connectors.errors import FormDoesNotFit
from viatica.connectors.wecom.errors import SYSTEM
from viatica.connectors.wecom.mapping import (
    ATTACHMENT_LINKS,
    ATTACHMENTS,
    NUMBER,
    Control,
    FormMap,
    LinesMap,
)
from viatica.connectors.wecom.tasks import NodeKind, Rel
from viatica.kernel.money import Money
from viatica.offices.approval.ports import ApproverGroup, CaseOrder, GroupMode, Line

Json = dict[str, Any]

HOME_CURRENCY = "CNY"  # what a Money control means: it has no currency of its own
MOST_SUMMARY = 20
DAY_S = 86_400


def form_body(order: CaseOrder, mapping: FormMap, media_ids: Sequence[str] = ()) -> Json:
    """The body of 提交审批申请. `media_ids` are those of the files already uploaded.

    No department: WeCom takes the applicant's main one. Raises FormDoesNotFit.
    """
    body: Json = {
        "creator_userid": order.applicant.userid,
        "template_id": mapping.template_id,
        "use_template_approver": 1,
        "apply_data": {"contents": contents(order, mapping, media_ids)},
        "summary_list": _summary(order),
    }
    if mapping.flow_is_ours and order.approvers:
        nodes = [*(_step(group) for group in order.approvers), *_copies(order.cc)]
        body |= {"use_template_approver": 0, "process": {"node_list": nodes}}
    return body


def _step(group: ApproverGroup) -> Json:
    rel = Rel.OR if group.mode is GroupMode.OR else Rel.AND
    return {"type": int(NodeKind.APPROVER), "apv_rel": int(rel), "userid": list(group.userids)}


def _copies(userids: Sequence[str]) -> list[Json]:
    people = list(dict.fromkeys(userids))
    return [{"type": int(NodeKind.COPY), "userid": people}] if people else []


def _summary(order: CaseOrder) -> list[Json]:
    """The three lines people see in their list."""
    lines = [order.title, shown_amount(order.form.amount), order.number]
    return [
        {"summary_info": [{"text": cut(_one_line(line), MOST_SUMMARY), "lang": "zh_CN"}]}
        for line in lines
        if line
    ]


def shown_amount(amount: Money | None) -> str:
    if amount is None:
        return ""
    sign = "¥" if amount.currency == HOME_CURRENCY else f"{amount.currency} "
    return f"{sign}{amount.amount:,}"


def contents(order: CaseOrder, mapping: FormMap, media_ids: Sequence[str] = ()) -> list[Json]:
    """The mapped controls in the order of the mapping, then the table of lines."""
    writer = _Writer(order, mapping, media_ids)
    filled = [one for name, control in mapping.fields.items() if (one := writer.field(name, control))]
    if mapping.lines and order.form.lines:
        filled.append(writer.table(mapping.lines))
    return filled


@dataclass(frozen=True, slots=True)
class _Writer:
    order: CaseOrder
    mapping: FormMap
    media_ids: Sequence[str]

    def field(self, name: str, control: Control) -> Json | None:
        """One control filled; None where the case has nothing to say under `name`."""
        value = self._special(name, control)
        if value is None:
            value = self._value(name, control, self._said(name))
        return {"control": control.kind, "id": control.id, "value": value} if value else None

    def table(self, lines: LinesMap) -> Json:
        rows = [self._row(line, lines) for line in self.order.form.lines]
        return {"control": "Table", "id": lines.id, "value": {"children": rows}}

    def _row(self, line: Line, lines: LinesMap) -> Json:
        """Every column of the template, mapped or not, filled or not."""
        values = {
            control.id: self._value(name, control, line.values.get(name, ""))
            for name, control in lines.columns.items()
        }
        cells = [
            {
                "control": cell.kind,
                "id": cell.id,
                "title": [{"text": cell.title, "lang": "zh_CN"}],
                "value": values.get(cell.id) or {},
            }
            for cell in lines.cells
        ]
        return {"list": cells}

    def _special(self, name: str, control: Control) -> Json | None:
        person = self.order.applicant
        match name, control.kind:
            case "applicant", "Contact":
                return {"members": [{"userid": person.userid, "name": person.name}]}
            case "department", "Contact":
                return {"departments": [{"openapi_id": person.dept_id, "name": ""}]} if person.dept_id else {}
            case "attachments", "File":
                return {"files": [{"file_id": one} for one in self.media_ids]} if self.media_ids else {}
            case "amount", "Money":
                self._refuse_foreign_money()
        return None

    def _refuse_foreign_money(self) -> None:
        """1,280.50 dollars must not read as so many yuan."""
        amount = self.order.form.amount
        if amount and amount.currency != HOME_CURRENCY and "currency" not in self.mapping.fields:
            raise FormDoesNotFit(system=SYSTEM, said_by=amount.currency, what="currency")

    def _said(self, name: str) -> str | Sequence[str]:
        form = self.order.form
        match name:
            case "number":
                return self.order.number  # ours for this very case, not the document's
            case "title":
                return self.order.title
            case "url":
                return self.order.url
            case "applicant":
                return self.order.applicant.name
            case "currency":
                return form.amount.currency if form.amount else ""
            case "attachments" | "attachment_links":
                return [f"{one.name} {one.url}" for one in form.attachments]
            case _:
                return next((one.value for one in form.fields if one.name == name), "")

    def _value(self, name: str, control: Control, said: str | Sequence[str]) -> Json:
        """{} for nothing."""
        parts = [said] if isinstance(said, str) else list(said)
        if not any(parts):
            return {}
        match control.kind:
            case "Text" | "Textarea":
                return {"text": self._text(name, control.kind, said)}
            case "Number":
                return {"new_number": str(_decimal(name, parts[0]))}
            case "Money":
                return {"new_money": _money(name, parts[0])}
            case "Date":
                return {"date": {"type": control.of, "s_timestamp": str(self._moment(name, parts[0]))}}
            case "DateRange":
                return {"date_range": self._range(name, control.of, parts[0], parts[-1])}
            case "Selector":
                keys = [_option(name, control, one) for one in parts]
                return {"selector": {"type": control.of, "options": [{"key": key} for key in keys]}}
            case kind:
                raise FormDoesNotFit(system=SYSTEM, said_by=kind, what=name)

    def _text(self, name: str, kind: str, said: str | Sequence[str]) -> str:
        is_line = kind == "Text"
        most = self.mapping.text_most if is_line else self.mapping.textarea_most
        if name in (ATTACHMENTS, ATTACHMENT_LINKS) and not isinstance(said, str):
            return _whole_ones(said, " " if is_line else "\n", most)
        text = said if isinstance(said, str) else " ~ ".join(said)
        text = _one_line(text) if is_line else _printable(text)
        if units(text) <= most:
            return text
        if name == NUMBER or not self.mapping.links_to_page:
            raise FormDoesNotFit(system=SYSTEM, said_by=f"{units(text)} > {most}", what=name)
        return cut(text, most)  # the whole of it stands behind the link

    def _moment(self, name: str, day: str) -> int:
        """The beginning of a day where the company is."""
        return int(datetime.combine(_day(name, day), time(), ZoneInfo(self.mapping.zone)).timestamp())

    def _range(self, name: str, of: str, first: str, last: str) -> Json:
        """Whole days, both ends counted: to the afternoon of the last one, or to its last minute."""
        begin, end = self._moment(name, first), self._moment(name, last)
        days = (_day(name, last) - _day(name, first)).days + 1
        end += DAY_S // 2 if of == "halfday" else DAY_S - 60
        return {"type": of, "new_begin": begin, "new_end": end, "new_duration": days * DAY_S}


# Texts. Lengths are counted in UTF-16 units: where the vendor counts characters it is the stricter reading.


def units(text: str) -> int:
    return len(text) + sum(1 for letter in text if ord(letter) > 0xFFFF)


def cut(text: str, most: int) -> str:
    if units(text) <= most:
        return text
    kept, used = [], 1
    for letter in text:
        used += units(letter)
        if used > most:
            break
        kept.append(letter)
    return "".join(kept) + "…"


def _printable(text: str) -> str:
    """Without control characters, which JSON writes as escapes that WeCom refuses."""
    return "".join(letter for letter in text if letter in "\n\t" or ord(letter) >= 32).strip()


def _one_line(text: str) -> str:
    """A Text control takes no line break."""
    return _printable(re.sub(r"\s*[\r\n\u2028\u2029]+\s*", " ", text))


def _whole_ones(parts: Sequence[str], between: str, most: int) -> str:
    """As many of the parts as fit, none of them cut: half a link leads nowhere."""
    kept = list(parts)
    while kept and units(between.join(kept)) > most:
        kept.pop()
    return between.join(kept)


def _decimal(name: str, text: str) -> Decimal:
    try:
        exact = Decimal(text)
    except InvalidOperation:
        raise FormDoesNotFit(system=SYSTEM, said_by=text, what=name) from None
    if not exact.is_finite():
        raise FormDoesNotFit(system=SYSTEM, said_by=text, what=name)
    return exact


def _money(name: str, text: str) -> str:
    """Two decimals; what has more is refused rather than rounded."""
    exact = _decimal(name, text)
    if exact != exact.quantize(Decimal("0.01")):
        raise FormDoesNotFit(system=SYSTEM, said_by=text, what=name)
    return f"{exact:.2f}"


def _day(name: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise FormDoesNotFit(system=SYSTEM, said_by=text, what=name) from None


def _option(name: str, control: Control, text: str) -> str:
    """A choice is sent by its key, not by what people read."""
    if text in control.options:
        return control.options[text]
    if text in control.options.values():
        return text
    raise FormDoesNotFit(system=SYSTEM, said_by=text, what=name)
