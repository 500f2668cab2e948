"""Approvals and what people do with them: forms of 审批应用, and those of the app's own engine (审批流程引擎).

Nothing here knows HTTP. Every look-up is by key: a call costs the same beside ten forms or a million.
"""

from __future__ import annotations

import time
import uuid
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from simulators.stage.fields import Fields
from simulators.wecom.company import Company
from simulators.wecom.directory import Directory
from simulators.wecom.errors import Refusal, bad_form
from simulators.wecom.forms import Control, FlowStep, StepKind, Template
from simulators.wecom.media import Media
from simulators.wecom.settings import Settings
from simulators.wecom.values import MOST_FILES, file_ids, local, read_contents

KEPT_DONE = 200


class Status(IntEnum):
    """sp_status of a form; the engine's OpenSpStatus knows the first four."""

    RUNNING = 1
    APPROVED = 2
    REJECTED = 3
    WITHDRAWN = 4
    WITHDRAWN_AFTER = 6
    DELETED = 7
    PAID = 10


class Deed(IntEnum):
    """sp_yj of a person and sp_status of a node."""

    WAITING = 1
    AGREED = 2
    REJECTED = 3
    TRANSFERRED = 4
    RETURNED = 11
    ADDED = 12
    AGREED_AND_ADDED = 13
    HANDLED = 14
    FORWARDED = 15


class Change(IntEnum):
    """StatuChangeEvent (the vendor's spelling)."""

    SUBMITTED = 1
    AGREED = 2
    REJECTED = 3
    TRANSFERRED = 4
    URGED = 5
    WITHDRAWN = 6
    WITHDRAWN_AFTER = 8
    COMMENTED = 10
    RETURNED = 11
    APPROVER_ADDED = 12
    AGREED_AND_ADDED = 13
    HANDLED = 14
    FORWARDED = 15


class NotPossible(ValueError):
    """A person wants something the client would not offer."""


@dataclass(slots=True)
class Sub:
    """One person in a node. Who was never asked and who was spared look alike: sp_yj 1, sptime 0."""

    userid: str
    deed: Deed = Deed.WAITING
    at_ms: int = 0
    speech: str = ""
    is_asked: bool = False


@dataclass(slots=True)
class Node:
    type: int  # 1 approver, 2 cc, 3 handler
    rel: int  # 1 AND, 2 OR, 3 one after the other
    subs: list[Sub]
    how: StepKind = StepKind.USERS
    status: Deed = Deed.WAITING


@dataclass(slots=True)
class Comment:
    id: str
    userid: str
    at_ms: int
    text: str


@dataclass(slots=True)
class Record:
    """One line of the history people see."""

    userid: str
    at_ms: int
    change: Change
    text: str = ""
    to_userid: str = ""


@dataclass(slots=True)
class Form:
    key: str  # sp_no; an engine's form has a key of its own, its thirdNo is somebody else's
    no: str  # sp_no or thirdNo
    template_id: str
    name: str
    applicant: str
    dept_id: int
    created_ms: int
    controls: list[Control]  # as they were on that day
    values: dict[str, Any]
    nodes: list[Node]
    summary: list[str] = field(default_factory=list)
    extra: list[dict[str, str]] = field(default_factory=list)  # an engine's fieldList
    is_engine: bool = False
    status: Status = Status.RUNNING
    place: int = 0
    finished_ms: int = 0
    comments: list[Comment] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)

    @property
    def notifyers(self) -> list[str]:
        return [sub.userid for node in self.nodes if node.type == 2 for sub in node.subs]


@dataclass(slots=True)
class Order:
    """A wish to submit a form; everything in it is still to be checked."""

    applicant: str
    template_id: str
    contents: list[Fields]
    nodes: list[Node] | None  # None: the template's own flow
    dept_id: int | None = None
    summary: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Book:
    """All that is remembered, by key."""

    templates: dict[str, Template] = field(default_factory=dict)
    engine_templates: dict[str, Template] = field(default_factory=dict)
    forms: dict[str, Form] = field(default_factory=dict)
    third_nos: dict[str, str] = field(default_factory=dict)  # thirdNo → key
    starts: list[int] = field(default_factory=list)  # seconds, of 审批应用 forms as they came
    sp_nos: list[str] = field(default_factory=list)
    waiting: dict[str, dict[str, Form]] = field(default_factory=dict)  # userid → key → form
    done: dict[str, deque[str]] = field(default_factory=dict)
    started: dict[str, deque[str]] = field(default_factory=dict)
    copied: dict[str, deque[str]] = field(default_factory=dict)
    last_ms: int = 0
    numbers: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def now(self) -> int:
        """Milliseconds that never go back, so that the list of starts stays sorted."""
        self.last_ms = max(self.last_ms, int(time.time() * 1000))
        return self.last_ms

    def next_sp_no(self, at_ms: int) -> str:
        day = local(at_ms // 1000).strftime("%Y%m%d")
        self.numbers[day] += 1
        return f"{day}{self.numbers[day]:04d}"

    def find(self, no: str) -> Form:
        """By sp_no or thirdNo. Raises KeyError."""
        return self.forms[self.third_nos.get(no, no)]


Tell = Callable[[Form, Change], None]


@dataclass(slots=True)
class Workflow:
    company: Company
    directory: Directory
    media: Media
    settings: Settings
    tell: Tell
    book: Book = field(default_factory=Book)
    when_asked: list[Callable[[Form, Sub], None]] = field(default_factory=list)

    # What a value may point to (forms.Outside).

    def member(self, userid: str) -> str | None:
        user = self.directory.visible_user(userid)
        return user.userid if user else None

    def is_department(self, dept_id: str) -> bool:
        return dept_id.isdigit() and int(dept_id) in self.company.departments

    def template_of(self, sp_no: str) -> str | None:
        form = self.book.forms.get(sp_no)
        return form.template_id if form else None

    def media_kind(self, media_id: str) -> str | None:
        kept = self.media.find(media_id)
        return kept.kind if kept else None

    def most(self, what: str) -> int:
        return int(getattr(self.settings, what))

    # Starting.

    def start(self, order: Order) -> Form:
        template = self.template(order.template_id)
        applicant = self._applicant(order.applicant)
        dept_id = self._department(applicant, order.dept_id)
        if not order.contents:
            raise bad_form("no applydata content")
        values = read_contents(template.controls, order.contents, self)
        self._check_files(values)
        nodes = order.nodes or self._own_nodes(template, applicant, dept_id)
        now = self.book.now()
        sp_no = self.book.next_sp_no(now)
        form = Form(
            key=sp_no,
            no=sp_no,
            template_id=template.id,
            name=template.name,
            applicant=applicant,
            dept_id=dept_id,
            created_ms=now,
            controls=list(template.controls),
            values=values,
            nodes=nodes,
            summary=order.summary,
        )
        for media_id in file_ids(values):
            self.media.hold(media_id)
        self.book.starts.append(now // 1000)
        self.book.sp_nos.append(sp_no)
        self._begin(form)
        return form

    def template(self, template_id: str) -> Template:
        template = self.book.templates.get(template_id)
        if template is None:
            raise bad_form("invalid template_id")
        if not template.is_usable:
            raise Refusal(301026, "template is not approved")
        return template

    def _applicant(self, userid: str) -> str:
        found = self.member(userid)
        if found is None:
            raise Refusal(301055, "no approval auth: creator_userid is not in the visible range")
        return found

    def _department(self, userid: str, wanted: int | None) -> int:
        user = self.company.users[userid]
        if wanted is not None and wanted not in user.departments:
            raise bad_form("choose_department is not the applicant's")
        return user.main_department if wanted is None else wanted

    def _check_files(self, values: Mapping[str, Any]) -> None:
        if len(file_ids(values)) > MOST_FILES:
            raise bad_form(f"more than {MOST_FILES} files")

    def _own_nodes(self, template: Template, applicant: str, dept_id: int) -> list[Node]:
        nodes: list[Node] = []
        for step in template.flow:
            people = self._people(step, applicant, dept_id)
            # The same person is not asked twice in a row.
            if people and (not nodes or [sub.userid for sub in nodes[-1].subs] != people):
                nodes.append(new_node(step.type, step.rel, people, step.kind))
        if not any(node.type != 2 for node in nodes):
            nodes.insert(0, new_node(1, 2, self._admins()))
        return nodes

    def _people(self, step: FlowStep, applicant: str, dept_id: int) -> list[str]:
        match step.kind:
            case StepKind.SUPERIOR:
                superior = self.company.superior(applicant, dept_id)
                return [superior] if superior else []
            case StepKind.TAG:
                return [userid for userid in self.company.tagged(step.tag) if userid != applicant]
            case StepKind.USERS:
                return [userid for userid in step.user_ids if userid in self.company.users]
            case StepKind.SELF_SELECT:
                raise bad_form(
                    "the template lets the applicant choose approvers: use_template_approver must be 0"
                )

    def _admins(self) -> list[str]:
        """Who decides when a flow finds nobody."""
        admins = [user.userid for user in self.company.users.named() if user.admin]
        return admins or [next(iter(self.company.users))]

    def start_engine(
        self, *, third_no: str, template_id: str, userid: str, extra: list[dict[str, str]]
    ) -> Form:
        """What thirdPartyOpenPage does in the client. The messages are the client's own."""
        template = self.book.engine_templates.get(template_id)
        if template is None:
            raise NotPossible("审批模板ID不正确")
        if not third_no:
            raise NotPossible("审批申请不存在")
        if third_no in self.book.third_nos:
            raise NotPossible("已存在相同的审批编号")
        user = self.company.users[userid]
        form = Form(
            key=f"open-{uuid.uuid4().hex}",
            no=third_no,
            template_id=template.id,
            name=template.name,
            applicant=userid,
            dept_id=user.main_department,
            created_ms=self.book.now(),
            controls=[],
            values={},
            nodes=self._own_nodes(template, userid, user.main_department),
            extra=extra,
            is_engine=True,
        )
        self.book.third_nos[third_no] = form.key
        self._begin(form)
        return form

    def _begin(self, form: Form) -> None:
        self.book.forms[form.key] = form
        self.book.started.setdefault(form.applicant, deque(maxlen=KEPT_DONE)).append(form.key)
        self._note(form, form.applicant, Change.SUBMITTED)
        self._reach(form)
        self.tell(form, Change.SUBMITTED)
        self._ring(form)

    # Deciding.

    def asked(self, form: Form, userid: str) -> Sub | None:
        if form.status is not Status.RUNNING:
            return None
        for sub in form.nodes[form.place].subs:
            if sub.is_asked and sub.userid == userid:
                return sub
        return None

    def agree(self, form: Form, userid: str, *, speech: str = "") -> None:
        """同意, or 办理 of a handler."""
        node = self._node_asking(form, userid)
        if node.type == 3:
            self._agree(form, node, userid, Deed.HANDLED, Change.HANDLED, speech)
        else:
            self._agree(form, node, userid, Deed.AGREED, Change.AGREED, speech)

    def _agree(self, form: Form, node: Node, userid: str, deed: Deed, change: Change, speech: str) -> None:
        self._act(form, userid, deed, speech)
        self._note(form, userid, change, speech)
        if is_settled(node):
            self._spare(form, node)
            node.status = Deed.HANDLED if node.type == 3 else Deed.AGREED
            form.place += 1
            self._reach(form)
        elif node.rel == 3:
            self._ask(form, next(sub for sub in node.subs if sub.deed is Deed.WAITING))
        self._tell_and_ring(form, change)

    def reject(self, form: Form, userid: str, *, speech: str = "") -> None:
        node = self._node_asking(form, userid)
        if node.type == 3:
            raise NotPossible("办理人不能驳回")
        self._act(form, userid, Deed.REJECTED, speech)
        self._note(form, userid, Change.REJECTED, speech)
        self._spare(form, node)
        node.status = Deed.REJECTED
        self._end(form, Status.REJECTED)
        self.tell(form, Change.REJECTED)

    def hand_over(self, form: Form, userid: str, to_userid: str, *, speech: str = "") -> None:
        """转审 (转交 of a handler): the other person joins the node in this one's stead."""
        node = self._node_asking(form, userid)
        self._check_other(node, to_userid)
        change, deed = (
            (Change.FORWARDED, Deed.FORWARDED) if node.type == 3 else (Change.TRANSFERRED, Deed.TRANSFERRED)
        )
        place = node.subs.index(self._act(form, userid, deed, speech))
        node.subs.insert(place + 1, Sub(to_userid))
        self._ask(form, node.subs[place + 1])
        self._note(form, userid, change, speech, to_userid)
        self._tell_and_ring(form, change)

    def add_signer(self, form: Form, userid: str, to_userid: str, *, after: bool, speech: str = "") -> None:
        """加签: before this person (who is asked again afterwards), or agreeing and then to the other one."""
        node = self._node_asking(form, userid)
        self._check_other(node, to_userid)
        added = new_node(1, 1, [to_userid])
        if after:
            form.nodes.insert(form.place + 1, added)
            self._agree(form, node, userid, Deed.AGREED_AND_ADDED, Change.AGREED_AND_ADDED, speech)
            return
        self._note(form, userid, Change.APPROVER_ADDED, speech, to_userid)
        self._spare(form, node)
        form.nodes.insert(form.place, added)
        self._reach(form)
        self._tell_and_ring(form, Change.APPROVER_ADDED)

    def send_back(self, form: Form, userid: str, place: int, *, speech: str = "") -> None:
        """退回 to the approvers of an earlier node: from there on everybody is asked again, in nodes of their own."""
        node = self._node_asking(form, userid)
        if not 0 <= place < form.place or form.nodes[place].type == 2:
            raise NotPossible("只能退回给前面的审批人")
        self._act(form, userid, Deed.RETURNED, speech)
        self._note(form, userid, Change.RETURNED, speech)
        self._spare(form, node)
        node.status = Deed.RETURNED
        again = [asked_afresh(row) for row in form.nodes[place : form.place + 1] if row.type != 2]
        form.place += 1
        form.nodes[form.place : form.place] = again
        self._reach(form)
        self._tell_and_ring(form, Change.RETURNED)

    def urge(self, form: Form, userid: str) -> None:
        self._check_running(form)
        if userid != form.applicant:
            raise NotPossible("只有申请人可以催办")
        self._note(form, userid, Change.URGED)
        self.tell(form, Change.URGED)

    def comment(self, form: Form, userid: str, text: str) -> None:
        number = str(6_756_231_890_000 + self.book.now())
        form.comments.append(Comment(number, userid, self.book.now(), text))
        self._note(form, userid, Change.COMMENTED, text)
        self.tell(form, Change.COMMENTED)

    def withdraw(self, form: Form, userid: str, *, speech: str = "") -> None:
        """Running: 4. Approved already: 6, what a payment has to look for."""
        if userid != form.applicant:
            raise NotPossible("只有申请人可以撤销")
        if form.status is Status.RUNNING:
            status, change = Status.WITHDRAWN, Change.WITHDRAWN
        elif form.status is Status.APPROVED and not form.is_engine:
            status, change = Status.WITHDRAWN_AFTER, Change.WITHDRAWN_AFTER
        else:
            raise NotPossible("审批单已结束，不能撤销")
        self._spare(form, form.nodes[min(form.place, len(form.nodes) - 1)])
        self._end(form, status)
        self._note(form, userid, change, speech)
        self.tell(form, change)

    def pay(self, form: Form) -> None:
        """已支付: nobody is told, the table of changes has no number for it."""
        if form.status is not Status.APPROVED:
            raise NotPossible("只有已通过的审批单可以支付")
        form.status = Status.PAID

    def delete(self, form: Form) -> None:
        """By an administrator. Nobody is told; the form can still be read, as deleted."""
        for sub in form.nodes[min(form.place, len(form.nodes) - 1)].subs:
            self._release(form, sub)
        form.status = Status.DELETED

    # Steps of the above.

    def _check_running(self, form: Form) -> None:
        if form.status is not Status.RUNNING:
            raise NotPossible("审批单已结束")

    def _node_asking(self, form: Form, userid: str) -> Node:
        self._check_running(form)
        if self.asked(form, userid) is None:
            raise NotPossible("这里没有等你处理的任务，可能已被处理或撤销")
        return form.nodes[form.place]

    def _check_other(self, node: Node, to_userid: str) -> None:
        if to_userid not in self.company.users:
            raise NotPossible("没有这个成员")
        if any(sub.userid == to_userid and sub.deed is Deed.WAITING for sub in node.subs):
            raise NotPossible("他已经是审批人")

    def _act(self, form: Form, userid: str, deed: Deed, speech: str) -> Sub:
        sub = self.asked(form, userid)
        assert sub is not None
        self._release(form, sub)
        sub.deed, sub.at_ms, sub.speech = deed, self.book.now(), speech
        self.book.done.setdefault(userid, deque(maxlen=KEPT_DONE)).append(form.key)
        return sub

    def _reach(self, form: Form) -> None:
        """Ask the people of the node at hand; copies go out on the way, and after the last node it is approved."""
        while form.place < len(form.nodes):
            node = form.nodes[form.place]
            if node.type != 2:
                people = [sub for sub in node.subs if sub.deed is Deed.WAITING]
                for sub in people[:1] if node.rel == 3 else people:
                    self._ask(form, sub)
                return
            self._copy(form, node)
            form.place += 1
        self._end(form, Status.APPROVED)

    def _copy(self, form: Form, node: Node) -> None:
        for sub in node.subs:
            copied = self.book.copied.setdefault(sub.userid, deque(maxlen=KEPT_DONE))
            if form.key not in copied:
                copied.append(form.key)
        node.status = Deed.AGREED

    def _ask(self, form: Form, sub: Sub) -> None:
        sub.is_asked = True
        self.book.waiting.setdefault(sub.userid, {})[form.key] = form

    def _release(self, form: Form, sub: Sub) -> None:
        sub.is_asked = False
        self.book.waiting.get(sub.userid, {}).pop(form.key, None)

    def _spare(self, form: Form, node: Node) -> None:
        for sub in node.subs:
            self._release(form, sub)

    def _end(self, form: Form, status: Status) -> None:
        form.status = status
        form.finished_ms = self.book.now()

    def _note(self, form: Form, userid: str, change: Change, text: str = "", to_userid: str = "") -> None:
        form.records.append(Record(userid, self.book.now(), change, text, to_userid))

    def _tell_and_ring(self, form: Form, change: Change) -> None:
        self.tell(form, change)
        self._ring(form)

    def _ring(self, form: Form) -> None:
        if form.status is not Status.RUNNING:
            return
        for sub in form.nodes[form.place].subs:
            if sub.is_asked:
                for hear in self.when_asked:
                    hear(form, sub)


def new_node(type_: int, rel: int, people: list[str], how: StepKind = StepKind.USERS) -> Node:
    return Node(type_, rel, [Sub(userid) for userid in dict.fromkeys(people)], how)


def asked_afresh(node: Node) -> Node:
    gone = (Deed.TRANSFERRED, Deed.FORWARDED)
    return new_node(node.type, node.rel, [sub.userid for sub in node.subs if sub.deed not in gone], node.how)


def is_settled(node: Node) -> bool:
    """AND and one-after-the-other want everybody, OR wants one."""
    agreed = (Deed.AGREED, Deed.AGREED_AND_ADDED, Deed.HANDLED)
    if node.rel == 2:
        return any(sub.deed in agreed for sub in node.subs)
    return all(sub.deed is not Deed.WAITING for sub in node.subs)


def flow_from(rows: list[Mapping[str, Any]]) -> list[FlowStep]:
    """The flow of a template as the control door tells it. Raises ValueError."""
    return [
        FlowStep(
            StepKind(row["kind"]),
            rel=int(row.get("rel", 2)),
            type=int(row.get("type", 1)),
            tag=str(row.get("tag", "")),
            user_ids=list(row.get("user_ids", [])),
        )
        for row in rows
    ]
