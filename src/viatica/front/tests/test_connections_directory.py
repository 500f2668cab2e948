"""The step of the directory: read, look, settle, apply; and what goes wrong on the way."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection as database
from django.test import Client
from procrastinate.contrib.django.models import ProcrastinateJob

from viatica.front.tests.conftest import AT, House, text_of
from viatica.front.tests.test_connections import Api, begin, facts_of, step, token, version
from viatica.kernel.errors import OutsideUnavailable
from viatica.offices.company import ports
from viatica.offices.company.directory import running
from viatica.offices.company.directory.models import DirectoryRun
from viatica.offices.company.models import Employee, LegalEntity, OutsideIdentity
from viatica.offices.company.tests.toy import ToyDirectory
from viatica.spine.models import Connection


class Desk:
    """A draft that is to lead the directory, and what stands in it over there."""

    def __init__(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        self.house, self.browser = house, house.client("administrator")
        self.there = ToyDirectory(kind="feishu")
        monkeypatch.setitem(ports._factories, "feishu", lambda _connection: self.there)
        self.connection = begin(self.browser, "feishu", "", uses=["directory"])
        self.there.department_is("0", "公司")
        self.there.department_is("1", "华东销售部", "0")
        self.there.department_is("2", "研发部", "0")
        for user in house.people.values():
            if one := user.employee:
                self.there.member_is(f"ou_{one.number}", one.name, "1", number=one.number)

    def read(self) -> DirectoryRun:
        """What the worker does."""
        with database.cursor() as cursor:
            cursor.execute("UPDATE procrastinate_jobs SET status = 'succeeded' WHERE status = 'todo'")
        connection = Connection.objects.get(pk=self.connection.pk)
        return running.sync(connection, by=self.house.viewer("administrator").actor, via="worker", at=AT)

    def page(self, query: str = "") -> str:
        return text_of(self.browser.get(step(self.connection, "directory") + query))

    def post(self, what: str, browser: Client | None = None, **form: Any) -> Any:
        form = {"what": what, "version": version(self.house, self.connection), **form}
        return (browser or self.browser).post(step(self.connection, "directory"), form)


@pytest.fixture
def desk(house: House, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(house, monkeypatch)


def test_it_is_read_by_a_worker(desk: Desk) -> None:
    assert "还没有读取" in desk.page()
    assert desk.post("read").headers["Location"] == step(desk.connection, "directory")
    assert ProcrastinateJob.objects.filter(queueing_lock="directory.sync:feishu").count() == 1
    desk.post("read", once="again")
    assert ProcrastinateJob.objects.filter(queueing_lock="directory.sync:feishu").count() == 1
    assert "正在读取" in desk.page()


def test_what_would_change_is_seen_before_it_is_applied(desk: Desk) -> None:
    owner = desk.house.employee("owner")
    desk.there.changes("ou_owner", name="林晓雨（改）", department_ids=("2",))
    desk.there.member_is("ou_new", "新同事", "2", number="N1")
    desk.there.leaves("ou_stranger")
    run = desk.read()
    assert run.state == "staged", run.problem
    page = desk.page()
    for word in ("新增", "调动", "10 人"):
        assert word in page
    assert "华东销售部 → 研发部" in desk.page("?of=person&kind=moved")
    assert "新同事" in desk.page("?of=person&kind=added")
    assert not OutsideIdentity.objects.exists()
    desk.post("apply", run=run.pk)
    owner.refresh_from_db()
    assert (owner.name, owner.department.name) == ("林晓雨（改）", "研发部")
    assert Employee.objects.filter(name="新同事").exists()
    assert OutsideIdentity.objects.filter(connection=desk.connection).count() == 10
    assert "已应用" in desk.page()
    again = desk.post("apply", run=run.pk, once="again")
    assert again.status_code == 409
    assert "directory.applied" in facts_of(desk.connection)


def test_left_at_that(desk: Desk) -> None:
    run = desk.read()
    desk.post("discard", run=run.pk)
    run.refresh_from_db()
    assert run.state == "discarded"
    assert not OutsideIdentity.objects.exists()
    assert "已放下" in desk.page()


def test_too_many_leavers_need_a_second_yes(desk: Desk) -> None:
    desk.post("apply", run=desk.read().pk)
    for name in list(desk.there.people)[:7]:
        desk.there.leaves(name)
    run = desk.read()
    assert run.state == "refused"
    assert "7" in desk.page()
    assert "仍然应用" in desk.page()
    assert desk.post("apply", run=run.pk).status_code == 422
    assert Employee.objects.filter(is_active=False).count() == 0
    desk.post("anyway", run=run.pk, once="anyway")
    assert Employee.objects.filter(is_active=False).count() == 7


def test_whoever_cannot_be_told_apart_is_settled_once(desk: Desk) -> None:
    colleague = desk.house.employee("colleague")
    desk.there.changes("ou_colleague", number="")
    Employee.objects.filter(pk=colleague.pk).update(mobile="13800000001")
    desk.there.changes("ou_colleague", mobile="13800000001", name="陈思思")
    desk.there.member_is("ou_double", "陈思", "1", mobile="13800000001")
    desk.post("apply", run=desk.read().pk)
    page = desk.page()
    assert "这是谁" in page
    assert "ou_double" in page
    assert desk.post("settle", userid="ou_double", verdict="is:0").status_code == 404
    desk.post("settle", userid="ou_double", verdict="out")
    desk.post("settle", userid="ou_colleague", verdict=f"is:{colleague.pk}", once="b")
    assert "这是谁" not in desk.page()
    desk.read()
    assert (
        OutsideIdentity.objects.get(connection=desk.connection, employee=colleague).userid == "ou_colleague"
    )


def test_a_department_is_given_to_its_company(desk: Desk) -> None:
    """Of a group with several companies nobody can guess it."""
    LegalEntity.objects.create(code="BJ", name="行资示例科技（北京）有限公司")
    desk.read()
    assert "还没有负责任何公司" in desk.page()
    assert desk.post("entity", department="1", entity="BJ").status_code == 404
    assert "directory" not in Connection.objects.get(pk=desk.connection.pk).settings
    desk.post("entity", department="1", entity="SH", once="b")
    assert Connection.objects.get(pk=desk.connection.pk).settings["directory"] == {"entities": {"1": "SH"}}
    assert desk.read().state == "failed"
    assert "“公司”及其下级属于" in desk.page()
    desk.post("entity", department="0", entity="SH", once="c")
    run = desk.read()
    assert run.state == "staged"
    assert "还没有负责任何公司" not in desk.page()
    assert "华东销售部" in desk.page()


def test_who_does_not_administer_what_it_leads_applies_nothing(desk: Desk) -> None:
    LegalEntity.objects.create(code="BJ", name="行资示例科技（北京）有限公司")
    Connection.objects.filter(pk=desk.connection.pk).update(settings={"directory": {"entities": {"0": "BJ"}}})
    run = desk.read()
    assert run.state == "staged", run.problem
    assert desk.post("apply", run=run.pk).status_code == 403
    assert Api(token(desk.house))("post", f"/feishu/directory/runs/{run.pk}/apply")[0] == 403
    assert not OutsideIdentity.objects.exists()


def test_a_product_that_is_down_says_so_and_can_be_asked_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down() -> Any:
        raise OutsideUnavailable(system="飞书", said_by="connection refused")

    monkeypatch.setattr(desk.there, "departments", down)
    assert desk.read().state == "failed"
    page = desk.page()
    assert "没能读取" in page
    assert "飞书" in page
    assert "重新读取" in page


def test_a_run_of_another_connection_is_unknown(desk: Desk) -> None:
    run = desk.read()
    other = Connection.objects.create(slug="other", kind="feishu", name="别家", uses=["directory"])
    DirectoryRun.objects.filter(pk=run.pk).update(connection=other)
    assert desk.post("apply", run=run.pk).status_code == 404
    assert desk.post("apply", run="x").status_code == 404
    assert not OutsideIdentity.objects.exists()


@pytest.mark.parametrize("who", ["owner", "finance", "auditor"])
def test_nobody_else_reads_or_applies(desk: Desk, who: str) -> None:
    browser = desk.house.client(who)
    assert browser.get(step(desk.connection, "directory")).status_code in (403, 404)
    assert desk.post("read", browser).status_code in (403, 404)
    assert not ProcrastinateJob.objects.filter(queueing_lock="directory.sync:feishu").exists()
