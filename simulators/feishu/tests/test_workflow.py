from __future__ import annotations

import json
import time
from typing import Any

import pytest

from simulators.feishu.testing import Running
from simulators.feishu.tests.wire import CREATE, Wire

HOME = "/open-apis/approval/v4"


def tasks(shown: dict[str, Any]) -> list[tuple[str, str]]:
    return [(task["user_id"], task["status"]) for task in shown["task_list"]]


def moves(shown: dict[str, Any]) -> list[tuple[str, str]]:
    return [(entry["type"], entry["user_id"]) for entry in shown["timeline"]]


def test_a_definition_tells_its_widgets_and_nodes(feishu: Running, wire: Wire) -> None:
    code = feishu.approval_codes["expense"]
    shown = wire.get(f"{HOME}/approvals/{code}").data
    assert (shown["approval_name"], shown["status"]) == ("差旅报销", "ACTIVE")
    form = json.loads(shown["form"])
    assert [row["type"] for row in form] == [row["type"] for row in feishu.forms[code]]
    table = next(row for row in form if row["type"] == "fieldList")
    assert [child["name"] for child in table["children"]] == ["费用类型", "日期", "金额", "说明"]
    assert table["children"][0]["option"][0]["text"] == "机票"
    amount = next(row for row in form if row["custom_id"] == "amount")
    assert "CNY" in amount["option"]["currencyRange"]
    assert [(node["name"], node["need_approver"]) for node in shown["node_list"]] == [
        ("开始", False),
        ("直属主管", False),
        ("财务负责人", False),
        ("结束", False),
    ]
    assert wire.get(f"{HOME}/approvals/none").code == 1390002


def test_the_whole_way(feishu: Running, wire: Wire) -> None:
    code = wire.create(uuid="bx202611-000001")
    shown = wire.look(code)
    assert (shown["status"], shown["end_time"], shown["reverted"]) == ("PENDING", "0", False)
    assert (shown["user_id"], shown["open_id"]) == ("zhangsan", wire.open_id("zhangsan"))
    assert (shown["department_id"], shown["uuid"]) == ("D11", "bx202611-000001")
    assert shown["serial_number"].isdigit()
    assert tasks(shown) == [("wangkai", "PENDING")]
    assert shown["task_list"][0]["custom_node_id"] == "manager"
    assert wire.act("approve", code, comment="好").data == {}
    assert wire.act("approve", code).data == {}
    shown = wire.look("BX202611-000001")  # by the uuid, whatever its case
    assert (shown["instance_code"], shown["status"]) == (code, "APPROVED")
    assert int(shown["end_time"]) >= int(shown["start_time"])
    assert tasks(shown) == [("wangkai", "APPROVED"), ("sunhui", "APPROVED")]
    assert moves(shown) == [("START", "zhangsan"), ("PASS", "wangkai"), ("PASS", "sunhui")]
    assert shown["timeline"][1]["comment"] == "好"


def test_the_form_reads_back_as_the_product_shows_it(feishu: Running, wire: Wire) -> None:
    photo = feishu.upload("票.png", b"\x89PNG", "image")
    paper = feishu.upload("水单.pdf", b"%PDF")
    form = [*wire.form(), wire.item("invoices", [photo]), wire.item("attachments", [paper])]
    code = wire.create(form=form)
    values = {row["custom_id"]: row for row in json.loads(wire.look(code)["form"])}
    assert values["number"]["value"] == "BX202611-000001"
    assert (values["amount"]["value"], values["amount"]["ext"]["currency"]) == (1448.5, "CNY")
    assert values["applicant"]["value"] == ["zhangsan"]
    first = {cell["custom_id"]: cell for cell in values["lines"]["value"][0]}
    assert first["line_category"]["value"] == "机票"  # the key went in, the text comes out
    assert first["line_amount"]["value"] == 980.0
    assert [row["value"] for row in values["lines"]["ext"]] == ["1448.5"]
    assert values["attachments"]["ext"] == "水单.pdf"
    answer = wire.http.request("GET", values["attachments"]["value"][0])
    assert (answer.status, answer.data) == (200, b"%PDF")


def test_a_uuid_is_good_for_one_instance(feishu: Running, wire: Wire) -> None:
    code = wire.create(uuid="same")
    said = wire.post(CREATE, wire.order(uuid="SAME"))
    assert (said.status, said.code) == (400, 60012)
    assert [row["id"] for row in feishu.instances()] == [code]
    assert wire.post(CREATE, wire.order(uuid="x" * 65)).code == 1390001


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"approval_code": "none"}, 1390002),
        ({"user_id": "nobody"}, 1390004),
        ({"user_id": None}, 1390001),
        ({"user_id": None, "open_id": "ou_none"}, 1390004),
        ({"department_id": "0"}, 1390001),
        ({"department_id": "D20"}, 1390001),
        ({"form": [{"id": "widget1", "type": "input", "value": "x"}]}, 1390001),
        ({"node_approver_user_id_list": [{"key": "manager", "value": ["sunhui"]}]}, 1390001),
        ({"node_cc_user_id_list": [{"key": "finance", "value": ["nobody"]}]}, 1390004),
    ],
)
def test_what_is_refused_leaves_nothing(feishu: Running, wire: Wire, more: dict[str, Any], code: int) -> None:
    said = wire.post(CREATE, wire.order(**more))
    assert (said.status, said.code) == (400, code)
    assert feishu.instances() == []


def test_a_form_must_be_a_string(feishu: Running, wire: Wire) -> None:
    assert wire.post(CREATE, {**wire.order(), "form": wire.form()}).code == 1390001
    assert wire.post(CREATE, {**wire.order(), "form": "{"}).code == 1390001
    assert feishu.instances() == []


@pytest.mark.parametrize(
    ("custom_id", "value", "more"),
    [
        ("amount", "1448.50", {}),
        ("amount", 1.0, {"currency": "XAU"}),
        ("amount", True, {}),
        ("number", 7, {}),
        ("period", {"start": "2026-11-18", "end": "2026-11-20", "interval": 1.0}, {}),
        (
            "period",
            {"start": "2026-11-20T00:00:00+08:00", "end": "2026-11-18T00:00:00+08:00", "interval": 1.0},
            {},
        ),
        ("applicant", ["nobody"], {}),
        ("invoices", ["never uploaded"], {}),
        ("lines", [{"id": "x"}], {}),
        ("reason", "", {}),
    ],
)
def test_a_misfit_names_its_control(
    feishu: Running, wire: Wire, custom_id: str, value: Any, more: dict[str, Any]
) -> None:
    form = [row for row in wire.form() if row["id"] != wire.widget(custom_id)["id"]]
    said = wire.post(CREATE, wire.order(form=[*form, wire.item(custom_id, value, **more)]))
    assert said.code == 1390001
    assert f"控件= {wire.widget(custom_id)['id']}" in said.body["msg"]
    assert feishu.instances() == []


def test_a_radio_takes_the_key_and_not_the_text(wire: Wire) -> None:
    line = wire.line("机票", 1.0)
    line[0]["value"] = "机票"
    form = [row for row in wire.form() if row["type"] != "fieldList"]
    said = wire.post(CREATE, wire.order(form=[*form, wire.item("lines", [line])]))
    assert wire.widget("line_category")["id"] in said.body["msg"]


def test_an_attachment_must_have_been_uploaded_as_one(feishu: Running, wire: Wire) -> None:
    photo = feishu.upload("票.png", b"\x89PNG", "image")
    assert (
        wire.post(CREATE, wire.order(form=[*wire.form(), wire.item("attachments", [photo])])).code == 1390001
    )
    wire.create(form=[*wire.form(), wire.item("invoices", [photo])])


def test_a_definition_that_changed_under_us(feishu: Running, wire: Wire) -> None:
    form = wire.form()
    widgets = [{"type": "input", "name": "单号", "custom_id": "number"}]
    feishu.control("PUT", "/templates/expense", {"widgets": widgets})
    assert wire.post(CREATE, wire.order(form=form)).code == 1390001
    wire.create(form=[form[0]])
    feishu.control("PUT", "/templates/expense", {"status": "INACTIVE"})
    assert wire.post(CREATE, wire.order(form=[form[0]])).code == 1390015
    feishu.control("PUT", "/templates/expense", {"status": "ACTIVE", "is_free": True})
    assert wire.post(CREATE, wire.order(form=[form[0]])).code == 1390013
    feishu.control(
        "PUT", "/templates/expense", {"widgets": [{"type": "tripGroup", "name": "出差"}], "is_free": False}
    )
    trip = feishu.control("PUT", "/templates/expense", {})["widgets"][0]["id"]
    said = wire.post(CREATE, wire.order(form=[{"id": trip, "type": "tripGroup", "value": [1]}]))
    assert "not supported by API" in said.body["msg"]


def test_rejecting_ends_it(wire: Wire) -> None:
    code = wire.create()
    wire.act("reject", code, comment="缺少水单")
    shown = wire.look(code)
    assert (shown["status"], tasks(shown)) == ("REJECTED", [("wangkai", "REJECTED")])
    said = wire.act("approve", code)
    assert (said.status, said.code) == (400, 1390010)
    assert wire.look(code)["status"] == "REJECTED"


def test_only_the_asked_may_decide(wire: Wire) -> None:
    code = wire.create()
    assert wire.act("approve", code, user_id="sunhui").code == 1390010
    assert wire.act("approve", code, user_id="nobody").code == 1390004
    assert wire.act("approve", code, task_id="1").code == 1390010
    assert wire.act("approve", code, approval_code="none").code == 1390002
    assert tasks(wire.look(code)) == [("wangkai", "PENDING")]


def test_handing_over(wire: Wire) -> None:
    code = wire.create()
    wire.act("transfer", code, transfer_user_id="lisiyuan", comment="你来").data  # noqa: B018 - it went well
    shown = wire.look(code)
    assert tasks(shown) == [("wangkai", "TRANSFERRED"), ("lisiyuan", "PENDING")]
    entry = shown["timeline"][-1]
    assert (entry["type"], json.loads(entry["ext"])["user_id_list"]) == ("TRANSFER", ["lisiyuan"])
    wire.act("approve", code)
    assert tasks(wire.look(code))[-1] == ("sunhui", "PENDING")


@pytest.mark.parametrize(
    ("mode", "after_one"),
    [
        ("AND", [("wangkai", "PENDING"), ("sunhui", "APPROVED")]),
        ("OR", [("wangkai", "DONE"), ("sunhui", "APPROVED")]),
    ],
)
def test_countersign_and_any_sign(
    feishu: Running, wire: Wire, mode: str, after_one: list[tuple[str, str]]
) -> None:
    flow = [{"kind": "users", "user_ids": ["wangkai", "sunhui"], "mode": mode}]
    feishu.control("PUT", "/templates/expense", {"flow": flow})
    code = wire.create()
    feishu.decide(code, user_id="sunhui")
    shown = wire.look(code)
    assert tasks(shown) == after_one
    assert shown["status"] == ("PENDING" if mode == "AND" else "APPROVED")
    assert {task["type"] for task in shown["task_list"]} == {mode}
    if mode == "AND":
        feishu.decide(code, "reject", user_id="wangkai")
        assert wire.look(code)["status"] == "REJECTED"


def test_one_after_the_other(feishu: Running, wire: Wire) -> None:
    flow = [{"kind": "users", "user_ids": ["wangkai", "sunhui"], "mode": "SEQUENTIAL"}]
    feishu.control("PUT", "/templates/expense", {"flow": flow})
    code = wire.create()
    assert tasks(wire.look(code)) == [("wangkai", "PENDING")]
    wire.act("approve", code)
    assert tasks(wire.look(code)) == [("wangkai", "APPROVED"), ("sunhui", "PENDING")]
    wire.act("approve", code)
    assert wire.look(code)["status"] == "APPROVED"


def test_chosen_by_the_originator(feishu: Running, wire: Wire) -> None:
    flow = [{"kind": "self_select", "name": "自选", "custom_node_id": "mine"}]
    node = feishu.control("PUT", "/templates/expense", {"flow": flow})["flow"][0]
    assert wire.post(CREATE, wire.order()).code == 1390001
    chosen = [{"key": "mine", "value": ["chenjing"]}]
    by_open_id = [{"key": node["node_id"], "value": [wire.open_id("hetao")]}]
    code = wire.create(node_approver_user_id_list=chosen, node_approver_open_id_list=by_open_id)
    assert tasks(wire.look(code)) == [("chenjing", "PENDING"), ("hetao", "PENDING")]


def test_nobody_to_ask_passes_by_itself(wire: Wire) -> None:
    """The head of the house has no manager: that node passes with a task of nobody."""
    code = wire.create(user_id="zhoumingyuan", department_id=None)
    shown = wire.look(code)
    assert [(task["user_id"], task["open_id"], task["type"]) for task in shown["task_list"]] == [
        ("", "", "AUTO_PASS"),
        ("sunhui", wire.open_id("sunhui"), "AND"),
    ]


def test_the_same_person_is_not_asked_twice(feishu: Running, wire: Wire) -> None:
    flow = [{"kind": "users", "user_ids": ["sunhui"], "name": name} for name in ("一", "二")]
    feishu.control("PUT", "/templates/expense", {"flow": flow})
    code = wire.create()
    wire.act("approve", code)
    shown = wire.look(code)
    assert shown["status"] == "APPROVED"
    assert [kind for kind, _ in moves(shown)] == ["START", "PASS", "REMOVE_REPEAT"]


def test_a_handwritten_signature_cannot_be_given_here(feishu: Running, wire: Wire) -> None:
    flow = [{"kind": "users", "user_ids": ["sunhui"], "needs_signature": True}]
    feishu.control("PUT", "/templates/expense", {"flow": flow})
    code = wire.create()
    assert wire.act("approve", code).code == 1390018
    feishu.decide(code)
    assert wire.look(code)["status"] == "APPROVED"


def test_withdrawing(feishu: Running, wire: Wire) -> None:
    code = wire.create()
    body = {
        "approval_code": feishu.approval_codes["expense"],
        "instance_code": code,
        "user_id": wire.open_id("zhangsan"),
    }
    stranger = {**body, "user_id": wire.open_id("linxiao")}
    assert wire.post(f"{CREATE}/cancel", stranger).code == 1390009
    assert wire.look(code)["status"] == "PENDING"
    assert wire.post(f"{CREATE}/cancel", body).data == {}
    shown = wire.look(code)
    assert (shown["status"], tasks(shown)) == ("CANCELED", [("wangkai", "DONE")])
    assert wire.post(f"{CREATE}/cancel", body).code == 1390001


def test_undoing_what_was_approved(feishu: Running, wire: Wire) -> None:
    code = wire.create()
    feishu.decide(code)
    feishu.decide(code)
    body = {"approval_code": feishu.approval_codes["expense"], "instance_code": code, "user_id": "zhangsan"}
    feishu.control("PUT", "/templates/expense", {"lets_revert": False})
    assert wire.post(f"{CREATE}/cancel", body, user_id_type="user_id").code == 1390009
    feishu.control("PUT", "/templates/expense", {"lets_revert": True})
    assert wire.post(f"{CREATE}/cancel", body, user_id_type="user_id").data == {}
    shown = wire.look(code)
    assert (shown["status"], shown["reverted"]) == ("PENDING", True)


def test_some_may_not_be_withdrawn(feishu: Running, wire: Wire) -> None:
    code = wire.create(forbid_revoke=True)
    body = {"approval_code": feishu.approval_codes["expense"], "instance_code": code, "user_id": "zhangsan"}
    assert wire.post(f"{CREATE}/cancel", body, user_id_type="user_id").code == 1390009
    assert wire.look(code)["status"] == "PENDING"


def test_sent_back_and_handed_in_again(feishu: Running, wire: Wire) -> None:
    code = wire.create()
    feishu.send_back(code, comment="补水单")
    shown = wire.look(code)
    assert tasks(shown) == [("wangkai", "DONE"), ("zhangsan", "PENDING")]
    assert moves(shown)[-1] == ("ROLLBACK", "wangkai")
    wire.act("resubmit", code).data  # noqa: B018 - it went well
    assert tasks(wire.look(code))[-1] == ("wangkai", "PENDING")


def test_comments(feishu: Running, wire: Wire) -> None:
    code = wire.create()
    content = json.dumps({"text": "请看附件"})
    said = wire.post(
        f"{CREATE}/{code}/comments", {"content": content}, user_id="sunhui", user_id_type="user_id"
    )
    assert said.data["comment_id"].isdigit()
    (comment,) = wire.look(code)["comment_list"]
    assert (comment["user_id"], comment["comment"]) == ("sunhui", "请看附件")
    assert (
        wire.post(f"{CREATE}/{code}/comments", {"content": "plain"}, user_id=wire.open_id("sunhui")).code
        == 1390001
    )
    assert wire.post(f"{CREATE}/{code}/comments", {"content": content}).code == 1390001
    listed = wire.get(f"{CREATE}/{code}/comments", user_id=wire.open_id("sunhui")).data["comments"]
    assert json.loads(listed[0]["content"])["text"] == "请看附件"


def test_copies(feishu: Running, wire: Wire) -> None:
    cc = [{"key": "manager", "value": ["qianwei"]}, {"key": "END", "value": ["zhaomin"]}]
    code = wire.create(node_cc_user_id_list=cc)
    feishu.decide(code)
    assert wire.look(code)["timeline"][-1]["cc_user_list"][0]["user_id"] == "qianwei"
    feishu.decide(code)
    assert [entry["type"] for entry in wire.look(code)["timeline"]][-1] == "CC"
    body = {
        "approval_code": feishu.approval_codes["expense"],
        "instance_code": code,
        "user_id": "zhangsan",
        "cc_user_ids": ["xujia"],
    }
    wire.post(f"{CREATE}/cc", body, user_id_type="user_id").data  # noqa: B018 - it went well
    rows = wire.get(f"{HOME}/tasks/query", user_id="xujia", topic=17, user_id_type="user_id").data["tasks"]
    assert [row["process_id"] for row in rows] == [code]


def test_listing_by_window(feishu: Running, wire: Wire) -> None:
    codes = [wire.create() for _ in range(5)]
    now = int(time.time() * 1000)
    query: dict[str, Any] = {
        "approval_code": feishu.approval_codes["expense"],
        "start_time": now - 3_600_000,
        "end_time": now + 1000,
    }
    whole = wire.get(CREATE, **query).data
    assert (whole["instance_code_list"], whole["has_more"]) == (codes, False)
    first = wire.get(CREATE, **query, page_size=3).data
    second = wire.get(CREATE, **query, page_size=3, page_token=first["page_token"]).data
    assert first["instance_code_list"] + second["instance_code_list"] == codes
    assert (first["has_more"], second["has_more"]) == (True, False)
    assert wire.get(CREATE, **{**query, "start_time": now - 36_000_000 - 5000}).code == 1390001  # ten hours
    assert wire.get(CREATE, **query, page_size=101).code == 1390001
    assert wire.get(CREATE, **{**query, "end_time": now - 3_599_000}).data["instance_code_list"] == []


def test_searching(feishu: Running, wire: Wire) -> None:
    first, second = wire.create(uuid="ONE"), wire.create(user_id="linxiao", department_id="D10")
    feishu.decide(first, "reject")
    query = f"{CREATE}/query"

    def found(**body: Any) -> list[str]:
        rows = wire.post(query, body, user_id_type="user_id").data["instance_list"]
        return [row["instance"]["code"] for row in rows]

    code = feishu.approval_codes["expense"]
    now = int(time.time() * 1000)
    assert found(approval_code=code) == [first, second]
    assert found(approval_code=code, instance_status="REJECT") == [first]
    assert found(instance_external_id="one") == [first]
    assert found(user_id="linxiao") == [second]
    window = {"instance_start_time_from": str(now - 60_000), "instance_start_time_to": str(now + 1000)}
    assert found(**window) == [first, second]
    row = wire.post(query, {"instance_code": first}).data["instance_list"][0]["instance"]
    assert (row["status"], row["external_id"]) == ("rejected", "ONE")
    assert wire.post(query, {}).code == 1390001
    too_long = {"instance_start_time_from": now - 31 * 86_400_000, "instance_start_time_to": now}
    assert wire.post(query, too_long).code == 1390001


def test_what_waits_for_whom(feishu: Running, wire: Wire) -> None:
    code = wire.create()

    def topics(user_id: str) -> dict[int, list[str]]:
        found = {}
        for topic in (1, 2, 3):
            query = {"user_id": user_id, "topic": topic, "user_id_type": "user_id"}
            rows = wire.get(f"{HOME}/tasks/query", **query).data["tasks"]
            found[topic] = [row["process_id"] for row in rows]
        return found

    assert topics("wangkai") == {1: [code], 2: [], 3: []}
    feishu.decide(code)
    assert topics("wangkai") == {1: [], 2: [code], 3: []}
    assert topics("zhangsan") == {1: [], 2: [], 3: [code]}


def test_previewing_the_flow(wire: Wire) -> None:
    body = {**wire.order(), "user_id": wire.open_id("zhangsan")}
    nodes = wire.post(f"{CREATE}/preview", body, user_id_type="open_id").data["preview_nodes"]
    assert [(node["node_name"], len(node["user_id_list"])) for node in nodes] == [
        ("发起", 1),
        ("直属主管", 1),
        ("财务负责人", 1),
        ("结束", 0),
    ]


def test_a_deleted_definition_takes_its_open_instances_along(feishu: Running, wire: Wire) -> None:
    running, done = wire.create(), wire.create()
    feishu.decide(done, "reject")
    feishu.control("DELETE", "/templates/expense")
    assert (wire.look(running)["status"], wire.look(done)["status"]) == ("DELETED", "REJECTED")
    assert wire.get(f"{HOME}/approvals/{feishu.approval_codes['expense']}").code == 1390016


def test_without_the_scope_for_it_user_ids_are_empty(feishu: Running, wire: Wire) -> None:
    code = wire.create()
    feishu.set(missing_scopes=["contact:user.employee_id:readonly"])
    shown = wire.look(code)
    assert (shown["user_id"], shown["open_id"]) == ("", wire.open_id("zhangsan"))
    assert shown["task_list"][0]["open_id"] == wire.open_id("wangkai")


def test_tasks_can_be_approved_by_themselves(feishu: Running, wire: Wire) -> None:
    feishu.set(auto_approve_after_s=0.01)
    code = wire.create()
    ends = time.monotonic() + 5
    while wire.look(code)["status"] == "PENDING" and time.monotonic() < ends:
        time.sleep(0.01)
    assert wire.look(code)["status"] == "APPROVED"
