"""Connecting a product, step by step; and the operator's screen: health, what stopped, and sending it again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client

from simulators.dingtalk.testing import Running, running
from viatica.connectors import registry
from viatica.connectors.dingtalk import client
from viatica.connectors.tokens import TokenCache
from viatica.front.desks.connections import changes
from viatica.front.desks.connections.products import able
from viatica.front.tests.conftest import AT, House, text_of
from viatica.offices.access.services import issue_token
from viatica.offices.approval.queries import current_case
from viatica.offices.company.models import LegalEntity, OutsideIdentity
from viatica.spine import outbox
from viatica.spine.models import Connection, Fact, OutboxMessage


@pytest.fixture
def dingtalk(house: House) -> Connection:
    return Connection.objects.create(
        slug="dingtalk", kind="toy", name="演示钉钉", uses=["approval", "messages"]
    )


def park(connection: Connection, lane: str = "expense_report:1") -> OutboxMessage:
    message_id = outbox.put(
        kind="approval.submit", lane=lane, payload={"case": 7}, at=AT, connection_id=connection.pk
    )
    OutboxMessage.objects.filter(pk=message_id).update(
        state="parked", reason="应用没有权限", hint="在开放平台打开权限", attempts=3
    )
    return OutboxMessage.objects.get(pk=message_id)


def test_one_health_word(house: House, dingtalk: Connection) -> None:
    browser = house.client("administrator")
    assert "正常" in text_of(browser.get("/connections"))
    park(dingtalk)
    assert "需处理" in text_of(browser.get("/connections"))
    assert "1 条停住" in text_of(browser.get("/connections"))


def test_a_stopped_message_shows_why_and_goes_out_again(house: House, dingtalk: Connection) -> None:
    message, browser = park(dingtalk), house.client("administrator")
    page = text_of(browser.get("/connections/dingtalk"))
    for words in ("approval.submit", "应用没有权限", "在开放平台打开权限", "&quot;case&quot;: 7"):
        assert words in page
    browser.post("/connections/dingtalk/replay", {"once": "a", "what": "one", "message": f"out:{message.pk}"})
    message.refresh_from_db()
    assert message.state == "waiting"
    assert (
        Fact.objects.filter(fact="message.replayed", actor=house.viewer("administrator").actor).count() == 1
    )
    again = browser.post(
        "/connections/dingtalk/replay",
        {"once": "b", "what": "one", "message": f"out:{message.pk}"},
        follow=True,
    )
    assert str(message.pk) in text_of(again)
    assert Fact.objects.filter(fact="message.replayed").count() == 1


def test_all_again_and_giving_up(house: House, dingtalk: Connection) -> None:
    messages = [park(dingtalk, f"expense_report:{n}") for n in range(3)]
    browser = house.client("administrator")
    browser.post(
        "/connections/dingtalk/replay",
        {"once": "a", "what": "drop", "message": f"out:{messages[0].pk}", "reason": "单据已作废"},
    )
    browser.post("/connections/dingtalk/replay", {"once": "b", "what": "all"})
    states = list(OutboxMessage.objects.order_by("pk").values_list("state", "reason"))
    assert states[0] == ("dropped", "单据已作废")
    assert [state for state, _reason in states[1:]] == ["waiting", "waiting"]


# The path


@pytest.fixture
def sim(monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """A DingTalk of its own; no token is known here yet."""
    with running(terminate_ban_s=0) as server:
        monkeypatch.setattr(client, "_tokens", TokenCache())
        yield server


def token(house: House, who: str = "administrator") -> str:
    return issue_token(user=house.people[who], name="test", at=AT, expires_at=None)


USES = ["todo", "messages", "directory", "sign_in"]


def begin(browser: Client, kind: str = "dingtalk", way: str = "approval", **more: Any) -> Connection:
    browser.post(
        "/connections/new", {"kind": kind, "name": "", "way": way, "uses": USES, "once": "new", **more}
    )
    return Connection.objects.get(kind=kind)


def version(house: House, connection: Connection, who: str = "administrator") -> str:
    return changes.version_of(house.viewer(who), Connection.objects.get(pk=connection.pk))


def keys(sim: Running) -> dict[str, str]:
    return {
        "app_key": sim.app_key, "app_secret": sim.app_secret, "corp_id": sim.corp_id, "agent_id": str(sim.agent_id),
        "token": sim.token, "aes_key": sim.aes_key,
    }  # fmt: skip


def places(sim: Running) -> dict[str, str]:
    return {"base_url": sim.base_url, "oapi_base_url": sim.oapi_base_url, "login_url": sim.base_url}


def step(connection: Connection, name: str) -> str:
    return f"/connections/{connection.slug}/setup/{name}"


def enter(house: House, browser: Client, connection: Connection, sim: Running, **changed: str) -> Any:
    """Everything the console shows, as an administrator copies it."""
    form = {**keys(sim), **places(sim), "version": version(house, connection), **changed}
    return browser.post(step(connection, "credentials"), form)


def ready(house: House, browser: Client, sim: Running) -> Connection:
    """A draft with credentials and mapped forms."""
    connection = begin(browser)
    enter(house, browser, connection, sim)
    connection.refresh_from_db()
    codes = {"expense_report": sim.process_codes["expense"], "travel_request": sim.process_codes["travel"]}
    connection.settings = {**connection.settings, "forms": registry.suggest(connection, codes)}
    connection.save()
    return connection


def facts_of(connection: Connection) -> list[str]:
    rows = Fact.objects.filter(ref_kind="connection", ref_key=connection.slug).order_by("id")
    return list(rows.values_list("fact", flat=True))


def test_a_draft_does_nothing_and_is_found_again(house: House) -> None:
    browser = house.client("administrator")
    cards = text_of(browser.get("/connections/new"))
    for word in ("钉钉", "飞书", "审批", "通讯录", "消息", "登录"):
        assert word in cards
    draft = begin(browser)
    assert (draft.slug, draft.name, draft.is_active, draft.uses) == (
        "dingtalk", "钉钉", False, ["approval", "todo", "messages", "directory", "sign_in"],
    )  # fmt: skip
    begin(browser)  # the same form once more
    assert Connection.objects.count() == 1
    assert facts_of(draft) == ["connection.created"]
    assert "设置中" in text_of(browser.get("/connections"))
    assert browser.get(step(draft, "next")).headers["Location"] == step(draft, "console")
    assert OutboxMessage.objects.count() == 0


def test_a_second_one_gets_another_address(house: House) -> None:
    browser = house.client("administrator")
    begin(browser)
    browser.post(
        "/connections/new", {"kind": "dingtalk", "name": "钉钉（子公司）", "way": "", "uses": "messages"}
    )
    assert list(Connection.objects.order_by("pk").values_list("slug", "name")) == [
        ("dingtalk", "钉钉"), ("dingtalk-2", "钉钉（子公司）"),
    ]  # fmt: skip


@pytest.mark.parametrize("form", [{"way": "", "uses": []}, {"way": "desk", "uses": []}, {"way": "x"}])
def test_a_use_the_product_cannot_serve_makes_nothing(house: House, form: dict[str, Any]) -> None:
    if "desk" in able(registry.of("feishu")) and form["way"] == "desk":
        form = {**form, "uses": ["todo"]}  # which Feishu has not
    answer = house.client("administrator").post("/connections/new", {"kind": "feishu", **form})
    assert answer.status_code == 422
    assert not Connection.objects.exists()


def test_the_console_s_pages_in_its_own_words(house: House) -> None:
    browser = house.client("administrator")
    draft = begin(browser)
    page = text_of(browser.get(step(draft, "console")))
    for word in (
        "权限管理", "工作流实例写权限", "Workflow.Instance.Write", "fieldMobile", "事件订阅", "bpms_instance_change",
        "http://testserver/hooks/dingtalk", "http://testserver/sign-in/with/dingtalk/back",
    ):  # fmt: skip
        assert word in page
    browser.post(
        step(draft, "product"),
        {"name": "钉钉", "way": "", "uses": "messages", "version": version(house, draft)},
    )
    page = text_of(browser.get(step(draft, "console")))
    assert "版本管理与发布" in page
    for word in ("Workflow.Instance.Write", "fieldMobile", "bpms_instance_change"):
        assert word not in page
    assert "Signing token" in text_of(house.client("administrator", "en").get(step(draft, "credentials")))


def test_secrets_are_sealed_and_never_seen_again(house: House, sim: Running) -> None:
    browser = house.client("administrator")
    draft = begin(browser)
    answer = enter(house, browser, draft, sim)
    assert answer.headers["Location"] == step(draft, "check")
    draft.refresh_from_db()
    assert draft.secrets() == {
        "app_secret": sim.app_secret, "token": sim.token, "aes_key": sim.aes_key,
    }  # fmt: skip
    assert (draft.settings["app_key"], draft.settings["base_url"]) == (sim.app_key, sim.base_url)
    seen = [
        browser.get(step(draft, name)) for name in ("credentials", "check", "switch", "product", "console")
    ]
    seen.append(browser.get(f"/connections/{draft.slug}"))
    bearer = {"Authorization": f"Bearer {token(house)}"}
    seen += [
        Client().get(f"/api/v1/connections/{draft.slug}{path}", headers=bearer)
        for path in ("", "/setup", "/check")
    ]
    told = [str(row) for row in Fact.objects.values_list("data", flat=True)]
    for secret in draft.secrets().values():
        assert not [one for one in seen if secret in one.content.decode()]
        assert not [one for one in told if secret in one]


def test_an_empty_secret_is_kept(house: House, sim: Running) -> None:
    browser = house.client("administrator")
    draft = begin(browser)
    enter(house, browser, draft, sim)
    enter(house, browser, draft, sim, app_secret="", token="", aes_key="", agent_id="777")
    draft.refresh_from_db()
    assert draft.secrets() == {"app_secret": sim.app_secret, "token": sim.token, "aes_key": sim.aes_key}
    assert draft.settings["agent_id"] == "777"
    last = Fact.objects.filter(fact="connection.entered").order_by("-id").first()
    assert last is not None and last.data == {"changed": ["agent_id", "app_key", "corp_id"]}


def test_a_secret_is_not_sent_to_another_server(house: House, sim: Running) -> None:
    browser = house.client("administrator")
    draft = begin(browser)
    enter(house, browser, draft, sim)
    before = Connection.objects.get(pk=draft.pk)
    answer = enter(
        house, browser, draft, sim, app_secret="", token="", aes_key="", base_url="https://evil.example"
    )
    assert answer.status_code == 422
    assert "服务器地址变了" in text_of(answer)
    after = Connection.objects.get(pk=draft.pk)
    assert (after.settings, bytes(after.secrets_sealed)) == (before.settings, bytes(before.secrets_sealed))
    enter(house, browser, draft, sim, base_url="https://open.example")
    assert Connection.objects.get(pk=draft.pk).settings["base_url"] == "https://open.example"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("app_secret", "", "缺少"),
        ("aes_key", "太短", "43 位字母和数字"),
        ("agent_id", "abc", "只有数字"),
        ("base_url", "api.dingtalk.com", "不是服务器地址"),
        ("base_url", "https://user@evil.example", "不是服务器地址"),
    ],
)
def test_a_value_that_cannot_be_right_is_refused_at_its_field(
    house: House, sim: Running, name: str, value: str, words: str
) -> None:
    browser = house.client("administrator")
    draft = begin(browser)
    answer = enter(house, browser, draft, sim, **{name: value})
    assert answer.status_code == 422
    assert words in text_of(answer)
    draft.refresh_from_db()
    assert (draft.settings, draft.secrets(), facts_of(draft)) == ({}, {}, ["connection.created"])


def test_of_two_administrators_the_second_sees_what_the_first_did(house: House, sim: Running) -> None:
    browser = house.client("administrator")
    draft = begin(browser)
    seen = version(house, draft)
    browser.post(step(draft, "product"), {"name": "集团钉钉", "way": "", "uses": "messages", "version": seen})
    answer = browser.post(
        step(draft, "product"), {"name": "钉钉二", "way": "approval", "uses": "todo", "version": seen}
    )
    assert answer.status_code == 409
    assert "别人刚改过" in text_of(answer)
    assert 'value="钉钉二"' in answer.content.decode()  # what was typed is not lost
    draft.refresh_from_db()
    assert (draft.name, draft.uses) == ("集团钉钉", ["messages"])


def test_the_live_check_says_what_is_wrong_and_where_to_mend_it(house: House, sim: Running) -> None:
    browser = house.client("administrator")
    draft = begin(browser)
    enter(house, browser, draft, sim, app_secret="wrong")
    assert browser.post(step(draft, "check")).headers["Location"] == step(draft, "check")
    page = browser.get(step(draft, "check"))
    assert "钉钉不接受" in text_of(page)
    assert step(draft, "credentials") in page.content.decode()
    enter(house, browser, draft, sim)
    assert "修改之前" in text_of(browser.get(step(draft, "check")))
    answer = browser.post(step(draft, "check"), headers={"HX-Request": "true"})
    assert (answer.status_code, "全部正常" in text_of(answer)) == (200, True)
    assert facts_of(draft) == [
        "connection.created", "connection.entered", "connection.checked", "connection.entered", "connection.checked",
    ]  # fmt: skip
    assert browser.get(step(draft, "next")).headers["Location"] == step(draft, "directory")


def test_it_is_switched_on_only_when_it_is_sound(house: House, sim: Running) -> None:
    browser = house.client("administrator")
    draft = begin(browser)
    enter(house, browser, draft, sim)
    on = {"what": "on", "entity": str(house.entity.pk)}
    answer = browser.post(step(draft, "switch"), {**on, "version": version(house, draft)})
    assert answer.status_code == 422
    assert "还不能启用" in text_of(answer)
    draft.refresh_from_db()
    house.entity.refresh_from_db()
    assert (draft.is_active, house.entity.connection) == (False, None)
    assert "connection.switched_on" not in facts_of(draft)


def test_switched_on_new_papers_go_there_and_the_others_stay(house: House, sim: Running) -> None:
    browser = house.client("administrator")
    draft = ready(house, browser, sim)
    staying = house.report(title="还在行资审批")
    page = text_of(browser.get(step(draft, "switch")))
    assert "1 张单据正在审批" in page
    on = {"what": "on", "entity": str(house.entity.pk), "version": version(house, draft)}
    browser.post(step(draft, "switch"), on)
    draft.refresh_from_db()
    house.entity.refresh_from_db()
    assert (draft.is_active, house.entity.connection) == (True, draft)
    assert facts_of(draft)[-2:] == ["connection.checked", "connection.switched_on"]
    OutsideIdentity.objects.bulk_create(
        OutsideIdentity(
            employee=user.employee, connection=draft, userid=name, unionid=f"u-{name}", dept_id="1"
        )
        for name, user in house.people.items()
        if user.employee
    )
    going = house.report(title="去钉钉审批")
    assert current_case(staying.ref).connection is None  # type: ignore[union-attr]
    assert current_case(going.ref).connection == draft  # type: ignore[union-attr]
    house.decide(staying)
    assert house.state(staying) == "to_audit"


def test_switched_off_again(house: House, sim: Running) -> None:
    browser = house.client("administrator")
    draft = ready(house, browser, sim)
    browser.post(step(draft, "switch"), {"what": "on", "version": version(house, draft)})
    assert "正常" in text_of(browser.get("/connections"))
    stale = version(house, draft)
    browser.post(step(draft, "switch"), {"what": "off", "version": stale})
    draft.refresh_from_db()
    assert draft.is_active is False
    assert "已停用" in text_of(browser.get("/connections"))
    again = browser.post(step(draft, "switch"), {"what": "off", "version": stale})
    assert again.status_code == 409
    assert facts_of(draft).count("connection.switched_off") == 1


def test_who_administers_one_company_does_not_change_what_serves_another(house: House, sim: Running) -> None:
    browser = house.client("administrator")
    draft = ready(house, browser, sim)
    other = LegalEntity.objects.create(code="BJ", name="行资示例科技（北京）有限公司", connection=draft)
    house.entity.connection = draft
    house.entity.save()
    before = version(house, draft)
    for name, form in (
        ("product", {"name": "改", "way": "", "uses": "messages"}),
        ("credentials", keys(sim)),
        ("switch", {"what": "on"}),
        ("switch", {"what": "off"}),
    ):
        answer = browser.post(step(draft, name), {**form, "version": before})
        assert answer.status_code == 403
        assert other.name in text_of(answer)
    assert version(house, draft) == before


def test_a_lost_key_is_no_dead_end(house: House, sim: Running) -> None:
    browser = house.client("administrator")
    draft = begin(browser)
    enter(house, browser, draft, sim)
    Connection.objects.filter(pk=draft.pk).update(secrets_sealed=b"sealed with a key that is gone")
    draft.refresh_from_db()
    assert browser.get(step(draft, "credentials")).status_code == 200
    assert browser.get(step(draft, "next")).headers["Location"] == step(draft, "console")
    enter(house, browser, draft, sim)
    assert Connection.objects.get(pk=draft.pk).secrets()["app_secret"] == sim.app_secret


# The same by the API


@dataclass
class Api:
    token: str

    def __call__(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
        answer = getattr(Client(), method)(
            f"/api/v1/connections{path}", json.dumps(body or {}) if method != "get" else None,
            content_type="application/json", headers={"Authorization": f"Bearer {self.token}"},
        )  # fmt: skip
        return answer.status_code, json.loads(answer.content) if answer.content else None


def test_the_whole_path_by_the_api(house: House, sim: Running) -> None:
    api = Api(token(house))
    _status, kinds = api("get", "/kinds")
    dingtalk = next(one for one in kinds if one["kind"] == "dingtalk")
    assert [one["name"] for one in dingtalk["credentials"]] == list(keys(sim))
    assert "Workflow.Instance.Write" in {one["code"] for one in dingtalk["permissions"]}
    status, made = api("post", "", {"kind": "dingtalk", "uses": ["messages", "sign_in"]})
    assert (status, made["slug"], made["is_on"], made["version"] != "") == (201, "dingtalk", False, True)
    assert made["missing"] == ["app_key", "app_secret", "corp_id", "agent_id"]
    assert made["addresses"]["hook"] == "http://testserver/hooks/dingtalk"
    entered = {"version": made["version"], "values": keys(sim), "hosts": places(sim)}
    status, setup = api("put", "/dingtalk/credentials", entered)
    assert (status, setup["missing"], setup["kept"]) == (200, [], ["app_secret", "token", "aes_key"])
    assert [one["ok"] for one in api("get", "/dingtalk/check")[1]] == [True]
    assert api("put", "/dingtalk/credentials", entered)[1]["code"] == "connections.changed_meanwhile"
    status, used = api(
        "put", "/dingtalk/use", {"version": setup["version"], "name": "钉钉甲", "uses": ["messages"]}
    )
    assert (status, used["name"], used["uses"]) == (200, "钉钉甲", ["messages"])
    status, refused = api("put", "/dingtalk/entities/SH", {"version": used["version"]})
    assert (status, refused["code"]) == (422, "connections.is_off")
    status, on = api("post", "/dingtalk/on", {"version": used["version"], "entities": []})
    assert (status, on["is_on"], on["entities"][0]["approves_through"]) == (200, True, None)
    status, serving = api("put", "/dingtalk/entities/SH", {"version": on["version"]})
    assert (status, serving["entities"][0]["approves_through"]) == (200, "dingtalk")
    status, released = api("delete", f"/dingtalk/entities/SH?version={serving['version']}")
    assert (status, released["entities"][0]["approves_through"]) == (200, None)
    status, off = api("post", "/dingtalk/off", {"version": released["version"]})
    assert (status, off["is_on"]) == (200, False)
    connection = Connection.objects.get()
    assert facts_of(connection) == [
        "connection.created", "connection.entered", "connection.changed", "connection.checked",
        "connection.switched_on", "connection.entities", "connection.entities", "connection.switched_off",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"values": {"password": "x"}}, "connections.unknown_value"),
        ({"values": {"aes_key": "short"}}, "connections.bad_value"),
        ({"values": {"app_key": "x"}}, "connections.missing"),
        ({"values": {}, "hosts": {"base_url": "ftp://x"}}, "connections.bad_address"),
    ],
)
def test_the_api_refuses_what_the_page_refuses(house: House, body: dict[str, Any], code: str) -> None:
    draft = begin(house.client("administrator"))
    api = Api(token(house))
    status, answer = api("put", "/dingtalk/credentials", {"version": version(house, draft), **body})
    assert (status, answer["code"]) == (422, code)
    draft.refresh_from_db()
    assert (draft.settings, draft.secrets()) == ({}, {})


def test_an_entity_of_somebody_else_is_unknown(house: House) -> None:
    LegalEntity.objects.create(code="BJ", name="行资示例科技（北京）有限公司")
    draft = begin(house.client("administrator"))
    Connection.objects.filter(pk=draft.pk).update(is_active=True)
    api = Api(token(house))
    status, _answer = api("put", "/dingtalk/entities/BJ", {"version": version(house, draft)})
    assert status == 404
    assert LegalEntity.objects.filter(connection=draft).count() == 0
