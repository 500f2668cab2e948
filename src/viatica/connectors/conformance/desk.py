"""Mode B: our flow, their desk. Each task of ours is on one list over there for as long as it is open here."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar

import pytest
from django.conf import LazySettings
from pytest_django.live_server_helper import LiveServer

from viatica.connectors.conformance.rig import OA, Rig
from viatica.kernel import clock
from viatica.kernel.refs import Ref
from viatica.offices.approval import desk as approval_desk
from viatica.offices.approval import services
from viatica.offices.approval.models import Item
from viatica.offices.approval.ports import DeskPort, Verdict, desk_for
from viatica.offices.company.models import OutsideIdentity
from viatica.spine.models import Issue

OPENED = ["case.opened", "case.step_opened"]
SHOWN = [*OPENED, "case.shown"]
PASSED = [*SHOWN, "case.decided", "case.step_opened"]
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Task:
    """What is on somebody's list. `url` is where it leads; `there` is the product's own word for it."""

    userid: str
    url: str
    there: Any


class DeskRig(Rig[OA]):
    """A product that shows tasks of ours as well."""

    # The call that shows one, as the simulator spoils it, and its method.
    show: ClassVar[str]
    # Whether it tells what it shows, so that a loss is found.
    tells: ClassVar[bool] = True

    @abstractmethod
    def tasks(self, userid: str) -> list[Task]:
        """What this person's list asks them to decide."""

    @abstractmethod
    def press(self, task: Task, verdict: Verdict) -> None:
        """Its button, where the desk can decide."""

    @abstractmethod
    def lose(self) -> None:
        """Everything is gone from the lists over there, and we do not know."""

    @property
    def desk(self) -> DeskPort:
        return desk_for(self.office.connection)

    @property
    def lists(self) -> tuple[int, int]:
        """How many tasks are on the list of the one asked first, and of the other."""
        first, second = (len(self.tasks(one.number)) for one in self.approvers)
        return first, second

    def the_task(self, place: int = 0) -> Task:
        (task,) = self.tasks(self.approvers[place].number)
        return task

    def shown(self, key: str = "1") -> Ref:
        ref = self.open(key)
        self.work()
        return ref

    def decide_here(self, ref: Ref, verdict: Verdict, comment: str = "") -> None:
        """On our page, as whoever is asked."""
        item = Item.objects.get(case=self.office.case(ref), state="open")
        assert item.approver is not None
        services.decide(
            item_id=item.pk, actor=item.approver, verdict=verdict.value, comment=comment, expected_version=item.version,
            at=clock.now(),
        )  # fmt: skip

    def decide_there(self, ref: Ref, verdict: Verdict, place: int = 0) -> None:
        """By the button; where there is none, on the page that the task leads to."""
        task = self.the_task(place)
        if self.desk.can_decide:
            self.press(task, verdict)
        else:
            self.decide_here(ref, verdict, "不同意" if verdict is Verdict.REJECT else "")
        self.work()

    def shown_again(self, at: datetime | None = None) -> int:
        """How many papers a comparison shows again."""
        report = self.compare(at)
        assert report.unhealed == []
        self.work()
        return len(report.healed)


def told_of(rig: DeskRig[Any], ref: Ref) -> list[str]:
    """Facts, each as often as it was told. Some products tell the time of a press in whole seconds, so that it seems to
    come before our own.
    """
    return sorted(rig.office.facts(ref))


def over(rig: DeskRig[Any], ref: Ref, state: str, facts: list[str]) -> None:
    """It ended once, and nobody over there is asked any more."""
    case = rig.office.case(ref)
    assert (case.state, case.is_agreed) == (state, True)
    assert told_of(rig, ref) == sorted(facts)
    assert [outcome for outcome, _by, _comment in rig.told(ref)] == [state]
    assert (rig.lists, rig.left_in_the_inbox()) == ((0, 0), [])


class DeskStories:
    @pytest.fixture
    def desk(self, rig: DeskRig[Any], live_server: LiveServer, settings: LazySettings) -> DeskRig[Any]:
        """The same office, whose papers run here and whose tasks show there."""
        settings.PUBLIC_URL = live_server.url
        rig.office.connection.uses = ["desk", "messages", "sign_in"]
        rig.office.connection.save()
        return rig

    def test_a_task_is_on_its_persons_list_alone_and_leads_to_our_page(self, desk: DeskRig[Any]) -> None:
        ref = desk.shown()
        assert desk.lists == (1, 0)
        item = desk.office.case(ref).items.get(state="open")
        url = desk.the_task().url
        assert url.startswith(desk.office.hooks.partition("/hooks")[0]) and f"approvals%2F{item.pk}" in url
        assert (desk.office.facts(ref), desk.oa.instances(), desk.told(ref)) == (SHOWN, [], [])

    def test_decided_at_the_desk_it_goes_on_to_the_next(self, desk: DeskRig[Any]) -> None:
        ref = desk.shown()
        desk.decide_there(ref, Verdict.APPROVE)
        assert (desk.lists, desk.office.case(ref).state) == ((0, 1), "active")
        desk.decide_there(ref, Verdict.APPROVE, 1)
        over(desk, ref, "approved", [*PASSED, "case.decided", "case.concluded"])
        (conclusion,) = desk.office.conclusions
        via = desk.office.connection.kind if desk.desk.can_decide else "web"
        assert (conclusion.by, conclusion.via) == (f"employee:{desk.approvers[1].pk}", via)

    def test_refused_at_the_desk_it_is_refused(self, desk: DeskRig[Any]) -> None:
        ref = desk.shown()
        desk.decide_there(ref, Verdict.REJECT)
        over(desk, ref, "rejected", [*SHOWN, "case.decided", "case.concluded"])

    def test_decided_here_it_leaves_the_list(self, desk: DeskRig[Any]) -> None:
        ref = desk.shown()
        desk.decide_here(ref, Verdict.APPROVE)
        desk.work()
        assert desk.lists == (0, 1)
        desk.decide_here(ref, Verdict.REJECT, "超标")
        desk.work()
        over(desk, ref, "rejected", [*PASSED, "case.decided", "case.concluded"])

    def test_withdrawn_here_it_leaves_the_list(self, desk: DeskRig[Any]) -> None:
        ref = desk.shown()
        desk.withdraw_here(ref)
        desk.work()
        over(desk, ref, "withdrawn", [*SHOWN, "case.withdrawn", "case.concluded"])

    def test_handed_over_here_it_goes_from_list_to_list(self, desk: DeskRig[Any]) -> None:
        ref = desk.shown()
        item = desk.office.case(ref).items.get(state="open")
        first, second = desk.approvers
        services.hand_over(
            item_id=item.pk, actor=first, to=second, expected_version=item.version, at=clock.now()
        )
        desk.work()
        assert (desk.lists, desk.office.case(ref).state) == ((0, 1), "active")

    def test_pressed_twice_it_counts_once(self, desk: DeskRig[Any]) -> None:
        ref = desk.shown()
        task = desk.the_task()
        if not desk.desk.can_decide:
            desk.decide_there(ref, Verdict.APPROVE)
        else:
            desk.press(task, Verdict.APPROVE)
            desk.press(task, Verdict.APPROVE)
            desk.work()
        assert (desk.lists, desk.office.case(ref).state) == ((0, 1), "active")
        # A second press is either the same event, or one that is recorded as ignored.
        assert told_of(desk, ref) in (sorted(PASSED), sorted([*PASSED, "news.ignored"]))

    def test_pressed_too_late_it_changes_nothing_and_the_desk_is_put_right(self, desk: DeskRig[Any]) -> None:
        ref = desk.shown()
        task = desk.the_task()
        desk.decide_here(ref, Verdict.APPROVE)
        # The desk has not been told yet: their list still shows the task.
        if desk.desk.can_decide:
            desk.press(task, Verdict.REJECT)
            ignored = ["news.ignored"]
        else:
            assert desk.desk.hear({"task": task.there}) == []
            ignored = []
        desk.work()
        assert (desk.lists, desk.office.case(ref).state, desk.told(ref)) == ((0, 1), "active", [])
        assert told_of(desk, ref) == sorted([*PASSED, *ignored])
        assert desk.left_in_the_inbox() == []

    def test_a_lost_answer_shows_it_once(self, desk: DeskRig[Any]) -> None:
        desk.oa.fault("lost_answer", desk.show, times=1)
        ref = desk.shown()
        desk.hours_pass()
        assert (desk.lists, desk.office.facts(ref)) == ((1, 0), SHOWN)
        desk.decide_there(ref, Verdict.REJECT)
        over(desk, ref, "rejected", [*SHOWN, "case.decided", "case.concluded"])

    def test_somebody_the_product_does_not_know_is_named_and_decides_here(self, desk: DeskRig[Any]) -> None:
        first, _second = desk.approvers
        desk.oa.leave(first.number)
        ref = desk.shown()
        (issue,) = Issue.objects.filter(kind=approval_desk.NOT_SEEN_KIND, closed_at=None)
        assert (issue.params["who"], issue.params["number"]) == (first.name, "BX-1")
        assert [wait.ref for wait in issue.waits.all()] == [str(ref)]
        desk.decide_here(ref, Verdict.APPROVE)
        desk.work()
        assert (desk.lists, desk.office.facts(ref).count("case.decided")) == ((0, 1), 1)
        issue.refresh_from_db()
        assert issue.closed_at is not None

    def test_somebody_without_an_account_sees_it_once_they_are_linked(self, desk: DeskRig[Any]) -> None:
        first, _second = desk.approvers
        identity = OutsideIdentity.objects.get(employee=first)
        identity.delete()
        desk.shown()
        (issue,) = Issue.objects.filter(kind=approval_desk.NOT_SEEN_KIND, closed_at=None)
        assert (issue.params["who"], desk.lists) == (first.name, (0, 0))
        OutsideIdentity.objects.create(
            employee=first, connection=identity.connection, userid=identity.userid, dept_id=identity.dept_id
        )
        desk.shown_again(clock.now() + HOUR)
        issue.refresh_from_db()
        assert (desk.lists, issue.closed_at is not None) == ((1, 0), True)

    def test_what_the_desk_lost_is_shown_again_where_it_can_be_asked(self, desk: DeskRig[Any]) -> None:
        ref = desk.shown()
        desk.lose()
        assert desk.lists == (0, 0)
        assert desk.shown_again() == int(desk.tells)
        assert desk.lists == (int(desk.tells), 0)
        assert (desk.shown_again(), desk.office.case(ref).state) == (0, "active")

    def test_an_hour_without_the_product_loses_nothing(self, desk: DeskRig[Any]) -> None:
        earlier = desk.shown("1")
        desk.oa.fault("server_error", status=502)
        later = desk.open("2")
        desk.decide_here(earlier, Verdict.APPROVE)
        for seconds in (0, 60, 600, 3600):
            desk.work(later=seconds)
        assert (desk.lists, desk.office.facts(later)) == ((1, 0), OPENED)
        desk.oa.clear_faults()
        for seconds in (7200, 10800):
            desk.work(later=seconds)
        assert (desk.lists, desk.office.facts(later)) == ((1, 1), SHOWN)
        assert desk.office.facts(earlier) == PASSED
