"""Our flow on their desk: shown to whom it is for, decided once wherever, and the same on both sides in the end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.db import connection as database
from django.test.utils import CaptureQueriesContext

from viatica.kernel import clock
from viatica.kernel.errors import ViaticaError
from viatica.kernel.refs import Ref
from viatica.offices.approval import hearing, ports, queries, reconciling, services
from viatica.offices.approval.desk import Taken, decide_from_desk, deliver_show
from viatica.offices.approval.models import Case, Item
from viatica.offices.approval.ports import BoardStatus, DeskDecision, DeskStatus, Unasked, Verdict
from viatica.offices.approval.tests.conftest import KIND, Desk
from viatica.offices.approval.tests.toy_desk import ToyDesk
from viatica.offices.company.models import Employee, OutsideIdentity
from viatica.spine import facts, issues, relay, replays
from viatica.spine.models import Connection, Issue, OutboxMessage
from viatica.spine.outcomes import Delivery

NO = "BX-1"


@dataclass
class Hall:
    """The company here, the desk there, and the real relay between."""

    desk: Desk
    toy: ToyDesk
    connection: Connection
    unasked: list[Unasked] = field(default_factory=list)

    def link(self, *names: str) -> None:
        for name in names:
            OutsideIdentity.objects.get_or_create(
                employee=self.desk[name], connection=self.connection,
                defaults={"userid": f"u-{name}", "unionid": f"x-{name}", "dept_id": "7"},
            )  # fmt: skip

    def submit(self, *steps: Any, key: str = "1") -> Ref:
        self.desk.flow(*(steps or (self.desk.named("甲", step="经理"), self.desk.named("乙", step="总监"))))
        return self.desk.submit(key)

    def shown(self, *steps: Any, key: str = "1") -> Ref:
        ref = self.submit(*steps, key=key)
        relay.drain()
        return ref

    def take(self, *told: DeskDecision) -> list[Taken]:
        return decide_from_desk(self.connection, told, clock.now())

    def ignored(self, ref: Ref) -> list[tuple[str, str]]:
        return [(row.data["reason"], row.actor) for row in facts.timeline(ref) if row.fact == "news.ignored"]

    def later(self) -> int:
        return relay.drain(at=clock.now() + timedelta(hours=1))

    def actor(self, name: str) -> str:
        return f"employee:{self.desk[name].pk}"


@pytest.fixture
def hall(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hall]:
    connection = Connection.objects.create(slug="toy", kind="toy", name="玩具OA", uses=["desk"])
    desk.entity.connection = connection
    desk.entity.save()
    toy = ToyDesk(connection.pk)
    monkeypatch.setattr(ports, "_desks", {"toy": lambda _: toy})
    hall = Hall(desk, toy, connection)
    monkeypatch.setitem(hearing._unasked, KIND, [hall.unasked.extend])
    hall.link("owner", "甲", "乙", "丙")
    yield hall


# Showing


def test_a_case_runs_here_and_shows_there(hall: Hall) -> None:
    ref = hall.submit()
    case = hall.desk.case(ref)
    assert (case.sent, case.connection_id, case.desk_id) == ("in_house", None, hall.connection.pk)
    (message,) = OutboxMessage.objects.filter(kind="approval.show")
    assert (message.lane, message.connection_id) == (str(ref), hall.connection.pk)
    relay.drain()
    board = hall.toy.paper(NO).board
    assert (board.status, board.kind, board.title) == (BoardStatus.RUNNING, KIND, "报销 1")
    assert (board.applicant.userid, board.applicant.name) == ("u-owner", "owner")
    (task,) = board.tasks
    item = hall.desk.item(ref, "甲")
    assert (task.key, task.version, task.status) == (f"item-{item.pk}", 1, DeskStatus.OPEN)
    assert (task.person.userid, task.person.unionid, task.person.dept_id) == ("u-甲", "x-甲", "7")
    assert (task.step, task.step_no) == ("经理", 1)
    assert task.url.endswith(f"/approvals/{item.pk}")
    assert (hall.toy.list_of("u-甲"), hall.toy.list_of("u-乙")) == ([NO], [])
    case = hall.desk.case(ref)
    assert (case.desk_handle, case.shown_version, case.is_agreed) == ("p1", case.version, False)
    item.refresh_from_db()
    assert (item.desk_handle, item.userid, item.version) == ("t2", "u-甲", 1)
    (fact,) = [row for row in facts.timeline(ref) if row.fact == "case.shown"]
    assert (fact.actor, fact.via) == ("system", "toy")


def test_where_the_connection_signs_in_the_links_do_so(hall: Hall) -> None:
    hall.connection.uses = ["desk", "sign_in"]
    hall.connection.save()
    ref = hall.shown()
    (task,) = hall.toy.paper(NO).board.tasks
    page = f"%2Fapprovals%2F{hall.desk.item(ref, '甲').pk}"
    assert task.url.endswith(f"/sign-in/with/toy?next={page}")


def test_the_desk_follows_the_whole_way(hall: Hall) -> None:
    desk = hall.desk
    ref = hall.shown()
    desk.decide(ref, "甲")
    relay.drain()
    assert hall.toy.statuses(NO) == {"甲": "approved", "乙": "open"}
    desk.hand_over(ref, "乙", "丙")
    relay.drain()
    assert hall.toy.statuses(NO) == {"甲": "approved", "乙": "handed_over", "丙": "open"}
    desk.decide(ref, "丙")
    relay.drain()
    assert hall.toy.statuses(NO) == {"甲": "approved", "乙": "handed_over", "丙": "approved"}
    paper = hall.toy.paper(NO)
    assert (paper.board.status, paper.board.is_over) == (BoardStatus.APPROVED, True)
    assert desk.case(ref).is_agreed
    assert len(hall.toy.papers) == 1


def test_an_added_signer_comes_first_and_the_task_comes_back(hall: Hall) -> None:
    desk = hall.desk
    ref = hall.shown(desk.named("甲"))
    desk.add_signer(ref, "甲", "丙", "before")
    relay.drain()
    assert hall.toy.statuses(NO) == {"丙": "open"}
    assert hall.toy.list_of("u-甲") == []
    desk.decide(ref, "丙")
    relay.drain()
    assert hall.toy.statuses(NO) == {"丙": "approved", "甲": "open"}


def test_withdrawn_and_submitted_again_is_another_paper(hall: Hall) -> None:
    desk = hall.desk
    ref = hall.shown()
    services.withdraw(ref=ref, actor=desk["owner"], at=desk.at)
    again = desk.submit()
    relay.drain()
    assert hall.toy.paper(NO).board.status is BoardStatus.WITHDRAWN
    assert hall.toy.statuses(NO) == {"甲": "cancelled"}
    assert hall.toy.statuses("BX-1-2") == {"甲": "open"}
    assert hall.toy.list_of("u-甲") == ["BX-1-2"]
    assert again == ref


def test_several_shows_that_wait_are_one(hall: Hall) -> None:
    desk = hall.desk
    ref = hall.submit()
    desk.decide(ref, "甲")
    desk.hand_over(ref, "乙", "丙")
    assert OutboxMessage.objects.filter(kind="approval.show").count() == 3
    relay.drain()
    assert hall.toy.shows == 1
    results = OutboxMessage.objects.order_by("id").values_list("result", flat=True)
    assert list(results) == [{"version": 3}, {"skipped": "shown"}, {"skipped": "shown"}]
    # What was over before it could be shown is not made only to be closed.
    assert hall.toy.statuses(NO) == {"丙": "open"}


def test_a_lost_answer_makes_nothing_twice(hall: Hall) -> None:
    hall.toy.lose = 1
    ref = hall.submit()
    relay.drain()
    assert hall.desk.case(ref).shown_version == 0
    assert (hall.desk.case(ref).desk_handle, hall.desk.item(ref, "甲").desk_handle) == ("p1", "")
    hall.later()
    assert hall.toy.shows == 2
    assert list(hall.toy.papers) == ["p1"]
    assert hall.toy.list_of("u-甲") == [NO]
    assert hall.desk.item(ref, "甲").desk_handle == "t2"


def test_what_was_made_before_a_failure_is_kept(hall: Hall) -> None:
    hall.toy.stop_after = 1
    ref = hall.submit(hall.desk.named("甲", "乙"))
    relay.drain()
    assert hall.desk.case(ref).desk_handle == "p1"
    hall.later()
    # An unavailable product did nothing that has no handle: the next show need not look.
    assert not hall.toy.paper(NO).board.earlier_unknown
    assert hall.toy.list_of("u-乙") == [NO]


def test_shown_again_changes_nothing(hall: Hall) -> None:
    ref = hall.shown()
    seen = (dict(hall.toy.papers), hall.desk.case(ref).version)
    message = OutboxMessage.objects.get()
    OutboxMessage.objects.filter(pk=message.pk).update(state="waiting", done_at=None, due_at=clock.now())
    relay.drain()
    assert hall.toy.shows == 1
    Case.objects.update(shown_version=0)
    OutboxMessage.objects.filter(pk=message.pk).update(state="waiting", done_at=None, due_at=clock.now())
    relay.drain()
    assert hall.toy.shows == 2
    assert (dict(hall.toy.papers), hall.desk.case(ref).version) == seen


def test_a_show_that_was_overtaken_leaves_newer_handles_alone(hall: Hall) -> None:
    ref = hall.shown()
    item = hall.desk.item(ref, "甲")
    told = hall.toy.click(NO, "u-甲")

    def click(_: Any) -> None:
        Item.objects.filter(pk=item.pk).update(desk_handle=told.handle)

    hall.toy.meanwhile = click
    Case.objects.update(shown_version=0)
    OutboxMessage.objects.update(state="waiting", done_at=None, due_at=clock.now())
    relay.drain()
    item.refresh_from_db()
    assert (hall.toy.shows, item.desk_handle) == (2, told.handle)


# Who cannot see it


def test_an_approver_without_account_is_named_and_the_others_see_theirs(hall: Hall) -> None:
    desk = hall.desk
    ref = hall.shown(desk.named("甲", "未绑定"))
    assert hall.toy.statuses(NO) == {"甲": "open"}
    (issue,) = issues.blocking(ref)
    assert issue.params["who"] == "未绑定"
    assert "未绑定 is not known in 玩具OA, so BX-1 does not appear there" in issue.message.format(
        **issue.params
    )
    # An account of no use to the desk tells whoever has none otherwise.
    told = {
        next(name for name in ("甲", "未绑定") if desk[name].pk == one.employee_id): one.in_oa
        for one in desk.asked
    }
    assert told == {"甲": True, "未绑定": False}
    # Our own page always works.
    desk.decide(ref, "未绑定")
    relay.drain()
    assert issues.blocking(ref) == []


def test_linked_later_they_see_it_after_the_next_comparison(hall: Hall) -> None:
    ref = hall.shown(hall.desk.named("未绑定"))
    assert hall.toy.statuses(NO) == {}
    hall.link("未绑定")
    report = reconciling.reconcile(hall.connection, clock.now())
    # Told already by the issue, so no news.
    assert (report.compared, report.healed, report.unhealed) == (1, [], [])
    relay.drain()
    assert hall.toy.list_of("u-未绑定") == [NO]
    assert issues.blocking(ref) == []
    assert Issue.objects.get().closed_at is not None


def test_whom_the_product_does_not_reach_is_named(hall: Hall) -> None:
    hall.toy.strangers = {"u-甲"}
    ref = hall.shown(hall.desk.named("甲", "乙"))
    assert hall.toy.statuses(NO) == {"乙": "open"}
    (issue,) = issues.blocking(ref)
    assert (issue.params["who"], issue.params["reason"]) == ("甲", "not in the visible range")
    hall.toy.strangers = set()
    reconciling.reconcile(hall.connection, clock.now())
    relay.drain()
    assert hall.toy.statuses(NO) == {"甲": "open", "乙": "open"}
    assert issues.blocking(ref) == []


def test_a_refused_board_holds_up_nothing(hall: Hall) -> None:
    hall.toy.says_no = "no such template"
    first, second = hall.shown(hall.desk.named("甲"), key="1"), hall.desk.submit("2")
    relay.drain()
    issue = Issue.objects.get(closed_at=None)
    assert (issue.kind, issue.params["reason"]) == ("approval.not_shown", "no such template")
    assert sorted(wait.ref for wait in issue.waits.all()) == [str(first), str(second)]
    hall.desk.decide(first, "甲")
    assert hall.desk.case(first).state == "approved"
    hall.toy.says_no = ""
    relay.drain()
    reconciling.reconcile(hall.connection, clock.now())
    relay.drain()
    assert hall.toy.paper("BX-1").board.status is BoardStatus.APPROVED
    assert hall.toy.list_of("u-甲") == ["BX-2"]
    assert issues.blocking(first) == issues.blocking(second) == []


# Deciding there


def test_decided_there(hall: Hall) -> None:
    desk = hall.desk
    ref = hall.shown()
    told = hall.toy.click(NO, "u-甲", comment="同意")
    assert hall.take(told) == [Taken.APPLIED]
    item = desk.item(ref, "甲", "approved")
    assert (item.decided_by, item.via, item.comment) == (hall.actor("甲"), "toy", "同意")
    assert item.desk_handle == told.handle
    (fact,) = [row for row in facts.timeline(ref) if row.fact == "case.decided"]
    assert (fact.actor, fact.via) == (hall.actor("甲"), "toy")
    relay.drain()
    assert hall.toy.statuses(NO) == {"甲": "approved", "乙": "open"}
    assert hall.take(hall.toy.click(NO, "u-乙", Verdict.SEND_BACK, "缺发票")) == [Taken.APPLIED]
    assert desk.case(ref).state == "returned"
    assert [one.outcome for one in desk.conclusions] == ["returned"]
    relay.drain()
    assert hall.toy.paper(NO).board.status is BoardStatus.RETURNED
    assert desk.case(ref).is_agreed


def test_the_case_of_letters_does_not_matter(hall: Hall) -> None:
    OutsideIdentity.objects.filter(employee=hall.desk["甲"]).update(userid="ZhangSan")
    ref = hall.shown()
    told = hall.toy.click(NO, "ZhangSan", userid="zhangsan")
    assert hall.take(told) == [Taken.APPLIED]
    assert hall.desk.states(ref)["甲"] == "approved"


def test_repeated_decisions_count_once(hall: Hall) -> None:
    desk = hall.desk
    ref = hall.shown(desk.named("甲"))
    told = hall.toy.click(NO, "u-甲")
    assert hall.take(told, told, told) == [Taken.APPLIED, Taken.IGNORED, Taken.IGNORED]
    assert hall.take(told) == [Taken.IGNORED]
    assert [one.outcome for one in desk.conclusions] == ["approved"]
    assert desk.facts(ref).count("case.decided") == 1
    assert hall.ignored(ref) == [("repeated", hall.actor("甲"))]
    relay.drain()
    assert hall.toy.shows == 2
    assert desk.case(ref).is_agreed


def test_a_contradiction_changes_nothing_and_the_desk_shows_the_truth(hall: Hall) -> None:
    desk = hall.desk
    ref = hall.shown(desk.named("甲"))
    told = hall.toy.click(NO, "u-甲")
    hall.take(told)
    relay.drain()
    # The desk believes the second click.
    assert hall.take(hall.toy.click(NO, "u-甲", Verdict.REJECT, "不")) == [Taken.IGNORED]
    hall.toy.paper(NO).tasks.clear()
    assert (desk.case(ref).state, desk.states(ref)) == ("approved", {"甲": "approved"})
    assert len(desk.conclusions) == 1
    assert hall.ignored(ref) == [("contradicts", hall.actor("甲"))]
    assert not desk.case(ref).is_agreed
    relay.drain()
    assert hall.toy.statuses(NO) == {"甲": "approved"}
    assert desk.case(ref).is_agreed


def test_too_late_when_decided_here(hall: Hall) -> None:
    desk = hall.desk
    ref = hall.shown(desk.named("甲", "乙", mode="any_sign"))
    late = hall.toy.click(NO, "u-乙")
    desk.decide(ref, "甲")
    assert hall.take(late) == [Taken.IGNORED]
    assert desk.states(ref) == {"甲": "approved", "乙": "cancelled"}
    assert hall.ignored(ref) == [("late", hall.actor("乙"))]
    relay.drain()
    assert hall.toy.statuses(NO) == {"甲": "approved", "乙": "cancelled"}


@pytest.mark.parametrize(("userid", "reason"), [("u-乙", "not_theirs"), ("u-nobody", "stranger")])
def test_only_the_approver_decides(hall: Hall, userid: str, reason: str) -> None:
    ref = hall.shown()
    assert hall.take(hall.toy.click(NO, "u-甲", userid=userid)) == [Taken.IGNORED]
    assert hall.desk.states(ref) == {"甲": "open"}
    who = hall.actor("乙") if userid == "u-乙" else f"toy:{userid}"
    assert hall.ignored(ref) == [(reason, who)]
    relay.drain()
    assert hall.toy.shows == 2


def test_who_has_left_decides_nothing(hall: Hall) -> None:
    ref = hall.shown()
    Employee.objects.filter(pk=hall.desk["甲"].pk).update(is_active=False)
    assert hall.take(hall.toy.click(NO, "u-甲")) == [Taken.IGNORED]
    assert hall.desk.states(ref) == {"甲": "open"}
    assert hall.ignored(ref) == [("stranger", "toy:u-甲")]


def test_a_delegate_decides_on_behalf(hall: Hall) -> None:
    hall.link("代理")
    hall.desk.stands_in("代理", "甲")
    ref = hall.shown(hall.desk.named("甲"))
    (task,) = hall.toy.paper(NO).board.tasks
    assert (task.person.name, task.on_behalf_of) == ("代理", "甲")
    assert hall.take(hall.toy.click(NO, "u-代理", userid="u-甲")) == [Taken.IGNORED]
    assert hall.take(hall.toy.click(NO, "u-代理")) == [Taken.APPLIED]
    assert hall.desk.case(ref).state == "approved"


def test_another_version_was_seen(hall: Hall) -> None:
    ref = hall.shown(hall.desk.named("甲"))
    assert hall.take(hall.toy.click(NO, "u-甲", version=9)) == [Taken.IGNORED]
    assert hall.ignored(ref) == [("outdated", hall.actor("甲"))]
    # A desk that does not tell is taken at its word.
    assert hall.take(hall.toy.click(NO, "u-甲", version=None)) == [Taken.APPLIED]


def test_rejecting_needs_a_reason_there_too(hall: Hall) -> None:
    ref = hall.shown()
    assert hall.take(hall.toy.click(NO, "u-甲", Verdict.REJECT, " ")) == [Taken.IGNORED]
    assert hall.ignored(ref) == [("no_comment", hall.actor("甲"))]
    assert hall.desk.states(ref) == {"甲": "open"}


@pytest.mark.parametrize("key", ["item-0", "item-", "item-x", "task-1", "", "item-999999999999999999999"])
def test_an_invented_task_is_nobodys(hall: Hall, key: str) -> None:
    ref = hall.shown()
    version = hall.desk.case(ref).version
    assert hall.take(hall.toy.click(NO, "u-甲", task_key=key)) == [Taken.UNKNOWN]
    assert hall.desk.case(ref).version == version


def test_another_connections_click_is_nobodys(hall: Hall) -> None:
    ref = hall.shown()
    other = Connection.objects.create(slug="other", kind="toy", name="另一个", uses=["desk"])
    OutsideIdentity.objects.create(employee=hall.desk["甲"], connection=other, userid="u-甲")
    told = hall.toy.click(NO, "u-甲")
    assert decide_from_desk(other, [told], clock.now()) == [Taken.UNKNOWN]
    assert hall.desk.states(ref) == {"甲": "open"}


def test_what_the_paper_itself_refuses_is_raised(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    class Short(ViaticaError):
        code = "toy.short"

    def refuse(_: Any) -> None:
        raise Short()

    ref = hall.shown(hall.desk.named("甲"))
    monkeypatch.setitem(hearing._concluded, KIND, refuse)
    with pytest.raises(Short):
        hall.take(hall.toy.click(NO, "u-甲"))
    assert hall.desk.states(ref) == {"甲": "open"}
    assert hall.ignored(ref) == []


# Switching over and off


def test_cases_under_way_keep_what_they_began_with(hall: Hall) -> None:
    desk = hall.desk
    on_desk = hall.shown(key="1")
    Connection.objects.filter(pk=hall.connection.pk).update(uses=["messages"])
    here = desk.submit("2")
    assert desk.case(here).desk_id is None
    desk.decide(on_desk, "甲")
    desk.decide(here, "甲")
    relay.drain()
    assert hall.toy.statuses(NO) == {"甲": "approved", "乙": "open"}
    Connection.objects.filter(pk=hall.connection.pk).update(uses=["desk"])
    desk.decide(here, "乙")
    relay.drain()
    assert len(hall.toy.papers) == 1


def test_a_desk_switched_off_waits_and_people_decide_here(hall: Hall) -> None:
    desk = hall.desk
    ref = hall.shown()
    Connection.objects.filter(pk=hall.connection.pk).update(is_active=False)
    desk.decide(ref, "甲")
    desk.decide(ref, "乙")
    relay.drain()
    assert desk.case(ref).state == "approved"
    assert hall.toy.statuses(NO) == {"甲": "open"}
    assert desk.case(desk.submit("2")).desk_id is None
    Connection.objects.filter(pk=hall.connection.pk).update(is_active=True)
    relay.drain()
    assert hall.toy.shows == 2
    assert hall.toy.paper(NO).board.status is BoardStatus.APPROVED
    assert hall.toy.list_of("u-甲") == hall.toy.list_of("u-乙") == []


def test_a_case_has_an_oa_or_a_desk(hall: Hall) -> None:
    case = hall.desk.case(hall.submit())
    with pytest.raises(IntegrityError, match="case_desk_or_oa"), transaction.atomic():
        Case.objects.filter(pk=case.pk).update(connection=hall.connection, sent="waiting")


def test_our_own_list_offers_the_decision(hall: Hall) -> None:
    ref = hall.shown()
    item = hall.desk.item(ref, "甲")
    assert all(one.is_allowed for one in queries.may(item.pk, hall.desk["甲"].pk, at=hall.desk.at))


# Reconcile


def test_reconcile_finds_nothing_where_all_is_shown(hall: Hall) -> None:
    hall.shown()
    report = reconciling.reconcile(hall.connection, clock.now())
    assert (report.compared, report.healed, report.unhealed, hall.toy.asked) == (1, [], [], 1)
    relay.drain()
    assert hall.toy.shows == 1


def test_reconcile_mends_what_was_changed_over_there(hall: Hall) -> None:
    desk = hall.desk
    ref = hall.shown()
    desk.decide(ref, "甲")
    relay.drain()
    paper = hall.toy.paper(NO)
    handle = next(handle for handle, task in paper.tasks.items() if task.person.name == "甲")
    paper.tasks[handle] = hall.toy.papers["p1"].board.tasks[1]  # somebody reopened it by hand
    report = reconciling.reconcile(hall.connection, clock.now())
    assert [(drift.ref, drift.what) for drift in report.healed] == [(str(ref), "desk")]
    relay.drain()
    assert hall.toy.statuses(NO) == {"甲": "approved", "乙": "open"}
    assert reconciling.reconcile(hall.connection, clock.now()).healed == []


def test_reconcile_shows_what_was_never_shown(hall: Hall) -> None:
    ref = hall.submit()
    OutboxMessage.objects.all().delete()  # lost, say restored from an older backup
    assert reconciling.reconcile(hall.connection, hall.desk.at).healed == []  # it may be on its way
    report = reconciling.reconcile(hall.connection, hall.desk.at + timedelta(hours=1))
    assert [drift.ref for drift in report.healed] == [str(ref)]
    relay.drain()
    assert hall.toy.list_of("u-甲") == [NO]
    assert hall.toy.paper(NO).board.earlier_unknown


def test_reconcile_sends_stopped_shows_again(hall: Hall) -> None:
    ref = hall.submit()
    OutboxMessage.objects.update(state="parked")
    hall.desk.decide(ref, "甲")
    relay.drain()
    assert hall.toy.papers == {}
    report = reconciling.reconcile(hall.connection, hall.desk.at + timedelta(hours=1))
    assert len(report.healed) == 1
    relay.drain()
    assert hall.toy.shows == 1
    assert hall.toy.statuses(NO) == {"乙": "open"}
    assert replays.parked(connection_id=hall.connection.pk) == []


def test_reconcile_does_not_repeat_what_is_on_its_way(hall: Hall) -> None:
    hall.toy.lose = 1
    hall.submit()
    relay.drain()
    report = reconciling.reconcile(hall.connection, hall.desk.at + timedelta(hours=1))
    assert report.healed == []
    assert OutboxMessage.objects.count() == 1


def test_an_ended_case_is_not_compared_for_ever(hall: Hall) -> None:
    ref = hall.shown(hall.desk.named("甲"))
    hall.desk.decide(ref, "甲")
    relay.drain()
    assert reconciling.reconcile(hall.connection, clock.now()).compared == 0
    assert hall.toy.asked == 0


def test_the_longest_unchecked_are_compared_first(hall: Hall) -> None:
    hall.connection.settings = {"reconcile_looks": 2}
    hall.connection.save()
    refs = [hall.shown(hall.desk.named("甲"), key=f"{n}") for n in range(4)]
    Case.objects.update(checked_at=None)
    for n in range(2):
        assert reconciling.reconcile(hall.connection, clock.now() + timedelta(hours=n)).compared == 2
    assert all(hall.desk.case(ref).checked_at for ref in refs)


# Who was told otherwise


def test_who_was_told_of_a_task_hears_that_it_is_over(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = hall.desk
    Connection.objects.update(uses=["todo"])
    monkeypatch.setitem(
        hearing._asked,
        KIND,
        [lambda asked: {one.item_id for one in asked if one.employee_id != desk["丙"].pk}],
    )
    ref = hall.submit(desk.named("甲", "乙", "丙", mode="any_sign"))
    assert [item.is_told for item in desk.items(ref)] == [True, True, False]
    desk.hand_over(ref, "甲", "丁")
    desk.decide(ref, "乙")
    told = [(one.employee_id, one.now) for one in hall.unasked]
    assert told == [
        (desk["甲"].pk, DeskStatus.HANDED_OVER),
        (desk["乙"].pk, DeskStatus.APPROVED),
        (desk["丁"].pk, DeskStatus.CANCELLED),
    ]
    assert {(one.ref, one.since) for one in hall.unasked} == {(ref, desk.at)}


def test_nobody_told_means_nobody_untold(hall: Hall) -> None:
    ref = hall.shown()
    hall.desk.decide(ref, "甲")
    assert hall.unasked == []


# Cost


def test_statements_of_a_case_with_a_desk(hall: Hall) -> None:
    """One to put the show and one to look who sees it there, more than a case without."""
    hall.shown(hall.desk.named("甲", step="经理"), hall.desk.named("乙", step="总监"), key="warm")
    with CaptureQueriesContext(database) as captured:
        ref = hall.desk.submit("1")
    assert len(captured) == 7, [query["sql"][:80] for query in captured]
    item = hall.desk.item(ref, "甲")
    with CaptureQueriesContext(database) as captured:
        services.decide(
            item_id=item.pk, actor=hall.desk["甲"], verdict="approve", expected_version=1, at=hall.desk.at
        )
    assert len(captured) == 9, [query["sql"][:80] for query in captured]
    message = OutboxMessage.objects.filter(done_at=None).order_by("id").last()
    assert message is not None
    with CaptureQueriesContext(database) as captured:
        deliver_show(
            Delivery(message.pk, message.kind, message.lane, message.payload, hall.connection.pk, 1, False)
        )
    assert len(captured) <= 10, [query["sql"][:80] for query in captured]
