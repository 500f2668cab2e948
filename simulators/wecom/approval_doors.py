"""The calls of 审批应用 and of the approval engine: parse, one step of the workflow, render."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from simulators.stage.fields import Fields
from simulators.stage.gate import Call, Door
from simulators.wecom.approval import Comment, Form, Node, Order, Workflow, new_node
from simulators.wecom.built_in import own_flow
from simulators.wecom.company import FINANCE_LEAD
from simulators.wecom.directory import cursor_at, read_cursor
from simulators.wecom.errors import Refusal, bad_form, fine
from simulators.wecom.events import Herald, attr
from simulators.wecom.forms import (
    Template,
    both_ways,
    first_text,
    new_template_id,
    read_controls,
    shown_contents,
    shown_control,
)

MOST_SPAN_S = 31 * 24 * 3600
MOST_A_PAGE = 100
MOST_LOOKED_AT = 2000  # places of the timeline per call: a filter may not turn a page into a scan
MOST_TEMPLATE_NAME = 40
MOST_SUMMARY = 20
FILTERS = ("template_id", "creator", "department", "sp_status", "record_type")


@dataclass(frozen=True, slots=True)
class ApprovalDoors:
    workflow: Workflow
    herald: Herald

    def doors(self) -> list[Door]:
        return [
            Door("POST", "/cgi-bin/oa/gettemplatedetail", self.template_detail),
            Door("POST", "/cgi-bin/oa/applyevent", self.apply),
            Door("POST", "/cgi-bin/oa/getapprovaldetail", self.detail),
            Door("POST", "/cgi-bin/oa/getapprovalinfo", self.list_numbers),
            Door("POST", "/cgi-bin/oa/approval/create_template", self.create_template),
            Door("POST", "/cgi-bin/oa/approval/update_template", self.update_template),
            Door("POST", "/cgi-bin/corp/getopenapprovaldata", self.engine_data),
        ]

    # Templates.

    def template_detail(self, call: Call) -> dict[str, Any]:
        template = self.workflow.template(Fields(call.body, bad_form).text("template_id"))
        return fine(
            template_names=both_ways(template.name),
            template_content={"controls": [shown_control(control) for control in template.controls]},
        )

    def create_template(self, call: Call) -> dict[str, Any]:
        fields = Fields(call.body, bad_form)
        template = Template(new_template_id(), "", [], own_flow(FINANCE_LEAD), is_ours=True)
        self._fill(template, fields)
        self.workflow.book.templates[template.id] = template
        return fine(template_id=template.id)

    def update_template(self, call: Call) -> dict[str, Any]:
        fields = Fields(call.body, bad_form)
        template = self.workflow.template(fields.text("template_id"))
        if not template.is_ours:
            raise Refusal(301088, "no approval auth: the template was not made by this app")
        self._fill(template, fields)
        return fine()

    def _fill(self, template: Template, fields: Fields) -> None:
        name = first_text(fields, "template_name")
        controls = read_controls(fields.part("template_content").rows("controls"))
        if not name or len(name) > MOST_TEMPLATE_NAME:
            raise bad_form(f"template_name has 1 to {MOST_TEMPLATE_NAME} characters")
        if any(row.name == name and row is not template for row in self.workflow.book.templates.values()):
            raise bad_form("template_name is taken")
        template.name, template.controls = name, controls

    # Forms.

    def apply(self, call: Call) -> dict[str, Any]:
        fields = Fields(call.body, bad_form)
        order = Order(
            applicant=fields.text("creator_userid"),
            template_id=fields.text("template_id"),
            contents=fields.part("apply_data").rows("contents"),
            nodes=self._nodes(fields),
            dept_id=fields.number("choose_department") if fields.has("choose_department") else None,
            summary=read_summary(fields),
        )
        return fine(sp_no=self.workflow.start(order).no)

    def _nodes(self, fields: Fields) -> list[Node] | None:
        match fields.number("use_template_approver"):
            case 1:
                return None
            case 0:
                nodes = self._process(fields) if fields.has("process") else self._old_process(fields)
            case _:
                raise bad_form("use_template_approver must be 0 or 1")
        if not any(node.type != 2 for node in nodes):
            raise bad_form("process is required when use_template_approver is 0")
        return nodes

    def _process(self, fields: Fields) -> list[Node]:
        nodes = []
        for row in fields.part("process").rows("node_list"):
            type_, rel = row.number("type"), row.number_or("apv_rel", 0)
            if type_ not in (1, 2, 3):
                raise bad_form("process.node_list.type must be 1, 2 or 3")
            if type_ != 2 and rel not in (1, 2, 3):
                raise bad_form("process.node_list.apv_rel must be 1, 2 or 3")
            nodes.append(new_node(type_, rel or 1, self._people(row.texts("userid"))))
        return nodes

    def _old_process(self, fields: Fields) -> list[Node]:
        """approver, notifyer, notify_type: older, and with AND and OR numbered the other way round."""
        nodes = []
        for row in fields.rows("approver"):
            if (kind := row.number("attr")) not in (1, 2):
                raise bad_form("approver.attr must be 1 or 2")
            nodes.append(new_node(1, 2 if kind == 1 else 1, self._people(row.texts("userid"))))
        if nodes and fields.has("notifyer"):
            copies = new_node(2, 1, self._people(fields.texts("notifyer")))
            nodes.insert(len(nodes) if fields.number_or("notify_type", 1) == 2 else 0, copies)
        return nodes

    def _people(self, userids: list[str]) -> list[str]:
        if not userids:
            raise bad_form("a node needs a userid")
        found = [self.workflow.member(userid) for userid in userids]
        if None in found:
            raise bad_form(f"invalid userid {userids[found.index(None)]}")
        return [userid for userid in found if userid]

    def detail(self, call: Call) -> dict[str, Any]:
        sp_no = Fields(call.body, bad_form).text("sp_no")
        form = self.workflow.book.forms.get(sp_no)
        if form is None or form.is_engine:
            raise bad_form(f"invalid sp_no {sp_no}")
        return fine(info=shown_form(form))

    # The window.

    def list_numbers(self, call: Call) -> dict[str, Any]:
        """A page may hold fewer numbers than asked for, even none: only a missing next cursor ends it."""
        fields = Fields(call.body, bad_form)
        start_s, end_s = fields.number("starttime"), fields.number("endtime")
        size = fields.number_or("size", MOST_A_PAGE)
        if not 0 <= end_s - start_s <= MOST_SPAN_S:
            raise bad_form("the window must span 0 to 31 days")
        if not 1 <= size <= MOST_A_PAGE:
            raise bad_form("size must be 1 to 100")
        is_old = "cursor" in fields.values and "new_cursor" not in fields.values
        place = fields.number_or("cursor", 0) if is_old else read_cursor(fields.text_or("new_cursor"))
        is_wanted = self._filter(fields)
        found, next_place = self._walk(start_s, end_s, place, size, is_wanted)
        visible = [
            form.no for form in found if self.workflow.member(form.applicant) or not self._is_here(form)
        ]
        answer = fine(sp_no_list=visible)
        if next_place is not None:
            answer |= {"next_cursor": next_place} if is_old else {"new_next_cursor": cursor_at(next_place)}
        return answer

    def _is_here(self, form: Form) -> bool:
        """Whoever has left is in no department, so no range can leave him out."""
        return form.applicant in self.workflow.company.users

    def _walk(
        self, start_s: int, end_s: int, place: int, size: int, is_wanted: Callable[[Form], bool]
    ) -> tuple[list[Form], int | None]:
        """One page, and where the next begins, counted from the window's start."""
        book = self.workflow.book
        first = bisect_left(book.starts, start_s)
        end = bisect_left(book.starts, end_s + 1)
        most = self.workflow.settings.most_in_window
        if most is not None and end - first > most:
            raise Refusal(301112, "too many approvals, narrow the time range")
        at, stop = first + place, min(end, first + place + MOST_LOOKED_AT)
        found: list[Form] = []
        while at < stop and len(found) < size:
            form = book.forms[book.sp_nos[at]]
            at += 1
            if is_wanted(form):
                found.append(form)
        return found, (at - first if at < end else None)

    def _filter(self, fields: Fields) -> Callable[[Form], bool]:
        wanted: dict[str, set[str]] = {}
        for row in fields.rows("filters"):
            key, value = row.text("key"), row.text("value")
            if key not in FILTERS:
                raise bad_form(f"filters has no key {key}")
            if key in wanted and key != "department":
                raise bad_form("only department may repeat in filters")
            if key == "creator":
                value = self._creator(value)
            wanted.setdefault(key, set()).add(value)
        return lambda form: all(form_has(form, key, values) for key, values in wanted.items())

    def _creator(self, userid: str) -> str:
        user = self.workflow.company.find(userid)
        if user is None:
            raise Refusal(301055, "no approval auth: creator cannot be found")
        return user.userid

    # The engine.

    def engine_data(self, call: Call) -> dict[str, Any]:
        third_no = Fields(call.body, bad_form).text("thirdNo")
        key = self.workflow.book.third_nos.get(third_no)
        if key is None:
            raise bad_form("审批申请不存在")
        return fine(data=self.herald.engine_data(self.workflow.book.forms[key]))


def read_summary(fields: Fields) -> list[str]:
    lines = []
    for row in fields.rows("summary_list", most=3):
        texts = row.rows("summary_info")
        if not texts:
            raise bad_form("summary_info is required")
        for text in texts:
            if text.text("lang") not in ("zh_CN", "en"):
                raise bad_form("summary_info.lang must be zh_CN or en")
            text.text("text", most=MOST_SUMMARY)
        lines.append(texts[0].text("text"))
    if not lines:
        raise bad_form("summary_list is required")
    return lines


def form_has(form: Form, key: str, values: set[str]) -> bool:
    match key:
        case "template_id":
            return form.template_id in values
        case "creator":
            return form.applicant in values
        case "department":
            return str(form.dept_id) in values
        case "sp_status":
            return str(int(form.status)) in values
        case _:
            # No form here is of a built-in type (leave, overtime, …); a trip is, by its Attendance control.
            kinds = {str(control.attendance) for control in form.controls if control.attendance}
            return bool(kinds & values)


def shown_form(form: Form) -> dict[str, Any]:
    return {
        "sp_no": form.no,
        "sp_name": form.name,
        "sp_status": form.status,
        "template_id": form.template_id,
        "apply_time": form.created_ms // 1000,
        "applyer": {"userid": form.applicant, "partyid": str(form.dept_id)},
        "sp_record": [_record(node) for node in form.nodes if node.type == 1],
        "notifyer": [{"userid": userid} for userid in form.notifyers],
        "apply_data": {"contents": shown_contents(form.controls, form.values)},
        "comments": [_comment(comment) for comment in form.comments],
        "process_list": {"node_list": [_node(node) for node in form.nodes]},
    }


def _record(node: Node) -> dict[str, Any]:
    details = [
        {
            "approver": {"userid": sub.userid},
            "speech": sub.speech,
            "sp_status": sub.deed,
            "sptime": sub.at_ms // 1000,
            "media_id": [],
        }
        for sub in node.subs
    ]
    return {"sp_status": node.status, "approverattr": attr(node), "details": details}


def _node(node: Node) -> dict[str, Any]:
    people = [
        {
            "userid": sub.userid,
            "speech": sub.speech,
            "sp_yj": sub.deed,
            "sptime": sub.at_ms // 1000,
            "media_ids": [],
        }
        for sub in node.subs
    ]
    return {"node_type": node.type, "sp_status": node.status, "apv_rel": node.rel, "sub_node_list": people}


def _comment(comment: Comment) -> dict[str, Any]:
    return {
        "commentUserInfo": {"userid": comment.userid},
        "commenttime": comment.at_ms // 1000,
        "commentcontent": comment.text,
        "commentid": comment.id,
        "media_id": [],
    }
