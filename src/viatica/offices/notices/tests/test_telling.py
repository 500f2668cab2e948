"""What people are told: here, in their OA, in their language, once."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.conf import settings
from django.utils import translation
from pytest_django import DjangoAssertNumQueries

from viatica.kernel import clock
from viatica.kernel.errors import OutsideRefused, OutsideUnavailable
from viatica.kernel.refs import Ref
from viatica.offices.company.models import OutsideIdentity
from viatica.offices.notices import queries, services, words
from viatica.offices.notices.models import Notice, Sent
from viatica.offices.notices.ports import Status, Tone
from viatica.offices.notices.tests.conftest import AT, PARAMS, REF, SUBJECT, Board, hire, link, viewer
from viatica.spine import relay
from viatica.spine.models import Connection, OutboxMessage


def tell(*employee_ids: int, kind: str = "report.paid", ref: Ref = REF, url: str = "") -> None:
    services.tell_many(
        employee_ids=employee_ids, subject=SUBJECT, params=PARAMS, ref=ref, at=AT, kind=kind, url=url
    )


def test_someone_without_an_oa_is_told_here(
    oa: Connection, board: Board, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    owner, other = hire("E1"), hire("E2")
    with django_assert_num_queries(1):
        services.tell(
            employee_id=owner.pk,
            subject=SUBJECT,
            params=PARAMS,
            ref=REF,
            at=AT,
            kind="report.paid",
            url="/r/1",
        )
    with translation.override("en"):
        (row,) = queries.latest(viewer(owner))
    assert (row.text, row.status) == (
        "Your report BX202611-000123 was paid: 1280.50 CNY",
        Status("Paid", Tone.GOOD),
    )
    assert (row.at, row.ref, row.url, row.is_read) == (AT, REF, "/r/1", False)
    assert queries.latest(viewer(other)) == []
    assert relay.drain() == 0
    assert board.cards == {}


def test_someone_with_an_oa_gets_a_card_in_their_language(
    oa: Connection, board: Board, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    owner = link(hire("E1", language="en"), oa)
    with django_assert_num_queries(2):
        tell(owner.pk, url="https://v.example.com/reports/1")
    assert Notice.objects.get().sent == Sent.WAITING
    relay.drain()
    ((userid, card),) = board.cards.values()
    assert (userid, card.title, card.status.word) == (
        "u-E1",
        "Your report BX202611-000123 was paid: 1280.50 CNY",
        "Paid",
    )
    assert (card.url, card.stamp) == ("https://v.example.com/reports/1", "November 24 14:05")
    notice = Notice.objects.get()
    assert (notice.sent, notice.message_id, notice.shows) == (Sent.SENT, "m1", "report.paid")


def test_the_stamp_in_chinese() -> None:
    with words.language_of("zh-hans"):
        assert words.stamp(AT) == "11月24日 14:05"


def test_many_are_told_by_one_statement_and_each_once(
    oa: Connection, board: Board, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    people = [hire(f"E{no}") for no in range(10)]
    for one in people[:3]:
        link(one, oa)
    with django_assert_num_queries(4):
        tell(*(one.pk for one in people), people[0].pk)
    assert Notice.objects.count() == 10
    relay.drain()
    assert sorted(userid for userid, _ in board.cards.values()) == ["u-E0", "u-E1", "u-E2"]


def test_nobody_is_told_nothing(oa: Connection) -> None:
    tell()
    assert not Notice.objects.exists()


@pytest.mark.parametrize("change", [{"is_active": False}, {"uses": ["approval"]}])
def test_a_connection_that_carries_no_messages_is_left_alone(
    oa: Connection, board: Board, change: dict[str, object]
) -> None:
    Connection.objects.update(**change)
    tell(link(hire("E1"), oa).pk)
    assert Notice.objects.get().sent == Sent.HERE
    assert not OutboxMessage.objects.exists()


def test_a_card_delivered_again_is_not_sent_again(oa: Connection, board: Board) -> None:
    tell(link(hire("E1"), oa).pk)
    relay.drain()
    message = OutboxMessage.objects.get()
    delivery = relay.Delivery(message.pk, message.kind, message.lane, message.payload, oa.pk, 2, True)
    assert services.deliver_notice(delivery) == relay.Done()
    assert len(board.cards) == 1


def test_a_card_that_failed_is_tried_again(oa: Connection, board: Board) -> None:
    board.fails = [OutsideUnavailable(system="OA", said_by="busy", retry_after=0.0)]
    tell(link(hire("E1"), oa).pk)
    relay.drain()
    relay.drain(at=clock.now() + timedelta(hours=1))
    assert (len(board.cards), Notice.objects.get().sent) == (1, Sent.SENT)


def test_a_refused_card_is_parked_and_the_notice_says_so(oa: Connection, board: Board) -> None:
    board.fails = [OutsideRefused(system="OA", said_by="no")]
    tell(link(hire("E1"), oa).pk)
    relay.drain()
    assert (board.cards, Notice.objects.get().sent) == ({}, Sent.REFUSED)
    assert OutboxMessage.objects.get().state == "parked"


def test_someone_unlinked_meanwhile_keeps_the_notice_here(oa: Connection, board: Board) -> None:
    owner = link(hire("E1"), oa)
    tell(owner.pk)
    owner.identities.all().delete()
    relay.drain()
    assert (board.cards, Notice.objects.get().sent) == ({}, Sent.HERE)


# Cards that change


def test_a_later_notice_lets_the_earlier_card_show_its_state(oa: Connection, board: Board) -> None:
    owner = link(hire("E1"), oa)
    with clock.fixed(AT):
        tell(owner.pk, kind="report.approved")
        relay.drain()
        assert board.words() == ["Approved"]
        tell(owner.pk, kind="report.paid")
        tell(owner.pk, kind="report.approved", ref=Ref("expense_report", "43"))
        relay.drain()
    assert board.words() == ["Paid", "Paid", "Approved"]


def test_a_change_of_state_reaches_every_card_about_the_paper(oa: Connection, board: Board) -> None:
    people = [link(hire(f"E{no}"), oa) for no in range(2)]
    tell(*(one.pk for one in people), kind="case.opened")
    tell(people[0].pk, kind="case.opened", ref=Ref("expense_report", "43"))
    with clock.fixed(AT):
        relay.drain()
        assert services.update_cards(ref=REF, kind="report.withdrawn", at=AT) == 2
        assert services.update_cards(ref=REF, kind="report.withdrawn", at=AT) == 2  # no second message for it
        relay.drain()
        assert services.update_cards(ref=REF, kind="report.withdrawn", at=AT) == 0
    assert sorted(board.words()) == ["To decide", "Withdrawn", "Withdrawn"]
    assert OutboxMessage.objects.filter(kind=services.UPDATE).count() == 2


def test_cards_older_than_a_week_stay_as_they_are(oa: Connection, board: Board) -> None:
    tell(link(hire("E1"), oa).pk, kind="report.approved")
    with clock.fixed(AT):
        relay.drain()
    assert services.update_cards(ref=REF, kind="report.paid", at=AT + timedelta(days=7)) == 0
    services.update_cards(ref=REF, kind="report.paid", at=AT + timedelta(days=6))
    with clock.fixed(AT + timedelta(days=7)):
        relay.drain()
    assert board.words() == ["Approved"]


# Reading


def test_notices_are_listed_newest_first_in_pages(
    oa: Connection, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    owner = hire("E1")
    for no in range(5):
        tell(owner.pk, ref=Ref("expense_report", str(no)))
    me = viewer(owner)
    with django_assert_num_queries(1):
        page = queries.latest(me, limit=3)
    assert [row.ref.key for row in page] == ["4", "3", "2"]
    assert [row.ref.key for row in queries.latest(me, before_id=page[-1].id)] == ["1", "0"]


def test_nobody_marks_anothers_notices_read(oa: Connection) -> None:
    owner, stranger = hire("E1"), hire("E2")
    tell(owner.pk)
    tell(owner.pk)
    ids = list(Notice.objects.order_by("id").values_list("pk", flat=True))
    assert services.mark_read(employee_id=stranger.pk, notice_ids=ids, at=AT) == 0
    assert queries.unread_count(viewer(owner)) == 2
    assert services.mark_read(employee_id=owner.pk, notice_ids=ids[:1], at=AT) == 1
    assert services.mark_read(employee_id=owner.pk, at=AT + timedelta(hours=1)) == 1
    assert services.mark_read(employee_id=owner.pk, at=AT) == 0
    assert list(Notice.objects.order_by("id").values_list("read_at", flat=True)) == [
        AT,
        AT + timedelta(hours=1),
    ]
    assert queries.unread_count(viewer(owner)) == 0


# Things to do


TODO = "viatica-item-7-20261124060500"


def ask(*employee_ids: int, kind: str = "case.opened", at: datetime = AT, key: str = TODO) -> set[int]:
    return services.ask_many(
        tasks=[services.Task(one, key, "https://v/x") for one in employee_ids],
        subject="Decide {number}", params={"number": "BX-1"}, ref=REF, at=at, kind=kind,
    )  # fmt: skip


def over(*employee_ids: int, kind: str, is_done: bool = True, key: str = TODO) -> int:
    gone = [services.Over(one, key, kind, is_done) for one in employee_ids]
    return services.settle(over=gone, ref=REF, at=AT)


def test_a_todo_lives_in_the_persons_oa(
    oa: Connection, board: Board, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    boss, nobody = link(hire("E1", language="en"), oa), hire("E2")
    with django_assert_num_queries(2):
        assert ask(boss.pk, nobody.pk) == {boss.pk}
    relay.drain()
    todo, state = board.todos["u-E1", TODO]
    assert (todo.subject, todo.url, state) == ("Decide BX-1", "https://v/x", "open")
    assert board.cards == {}  # told once
    assert Notice.objects.get(employee=boss).sent == Sent.TODO
    with django_assert_num_queries(2):
        assert over(boss.pk, nobody.pk, kind="case.approved") == 1
    relay.drain()
    assert board.todos["u-E1", TODO][1] == "done"


def test_what_was_never_theirs_to_do_is_taken_away(oa: Connection, board: Board) -> None:
    boss = link(hire("E1"), oa)
    ask(boss.pk)
    relay.drain()
    assert over(boss.pk, kind="case.cancelled", is_done=False, key="viatica-item-8") == 0
    assert over(boss.pk, kind="case.cancelled", is_done=False) == 1
    relay.drain()
    assert board.todos == {}


def test_over_before_it_was_put_leaves_nothing(oa: Connection, board: Board) -> None:
    boss = link(hire("E1"), oa)
    ask(boss.pk)
    over(boss.pk, kind="case.cancelled", is_done=False)
    relay.drain()
    assert board.todos == {}


def test_a_todo_is_finished_where_it_was_put(oa: Connection, board: Board) -> None:
    boss = link(hire("E1"), oa)
    ask(boss.pk)
    relay.drain()
    first = Connection.objects.create(slug="new", kind="board", name="新公告栏", uses=["todo"])
    OutsideIdentity.objects.create(employee=boss, connection=first, userid="n-E1")
    Connection.objects.filter(pk=oa.pk).update(uses=["messages"])
    over(boss.pk, kind="case.approved")
    relay.drain()
    assert board.todos["u-E1", TODO][1] == "done"


def test_where_there_is_no_list_a_card_asks_and_says_when_it_is_over(oa: Connection, board: Board) -> None:
    Connection.objects.update(uses=["messages"])
    boss, other = link(hire("E1"), oa), link(hire("E2"), oa)
    with clock.fixed(AT):
        assert ask(boss.pk, other.pk) == {boss.pk, other.pk}
        relay.drain()
        (_, card), _ = board.cards.values()
        assert (card.url, board.words(), board.todos) == ("https://v/x", ["To decide", "To decide"], {})
        assert over(boss.pk, kind="case.handed_over") == 1
        relay.drain()
    assert sorted(board.words()) == ["Handed over", "To decide"]


def test_a_card_that_is_still_on_its_way_says_so_too(oa: Connection, board: Board) -> None:
    Connection.objects.update(uses=["messages"])
    boss = link(hire("E1"), oa)
    with clock.fixed(AT):
        ask(boss.pk)
        assert over(boss.pk, kind="case.cancelled", is_done=False) == 1
        relay.drain()
    assert board.words() == ["No longer needed"]


def test_links_sign_in_where_the_connection_does(oa: Connection, board: Board) -> None:
    Connection.objects.update(uses=["messages", "sign_in"])
    page = f"{settings.PUBLIC_URL}/approvals/7"
    tell(link(hire("E1"), oa).pk, url=page)
    relay.drain()
    ((_, card),) = board.cards.values()
    assert card.url == f"{settings.PUBLIC_URL}/sign-in/with/board?next=%2Fapprovals%2F7"


def test_someone_without_an_oa_has_no_todo_there(oa: Connection, board: Board) -> None:
    assert ask(hire("E1").pk) == set()
    assert not OutboxMessage.objects.exists()
