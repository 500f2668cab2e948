"""The product's own SDK, pointed at a simulator: every call it wraps and a connector needs, its event handler,
and its long connection. Left out where the SDK is not installed."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from simulators.feishu.testing import Running
from simulators.feishu.tests.wire import Wire

lark = pytest.importorskip("lark_oapi", reason="the official SDK lark-oapi is not installed")
approval = pytest.importorskip("lark_oapi.api.approval.v4")
contact = pytest.importorskip("lark_oapi.api.contact.v3")
im = pytest.importorskip("lark_oapi.api.im.v1")
authen = pytest.importorskip("lark_oapi.api.authen.v1")

BOOK = json.loads((Path(__file__).parent / "event_vectors.json").read_text("utf-8"))


@pytest.fixture
def client(feishu: Running) -> Any:
    # The SDK keeps its tokens by app id for the whole process, and every simulator is the same app.
    lark.core.token.TokenManager.cache = type(lark.core.token.TokenManager.cache)()
    builder = lark.Client.builder().app_id(feishu.app_id).app_secret(feishu.app_secret)
    builder.enable_set_token(True)
    return builder.domain(feishu.base_url).timeout(5).log_level(lark.LogLevel.CRITICAL).build()


def build(builder: Any, **fields: Any) -> Any:
    for name, value in fields.items():
        if value is not None:
            getattr(builder, name)(value)
    return builder.build()


def fine(response: Any) -> Any:
    assert response.success(), (response.code, response.msg)
    return response.data


def create(client: Any, wire: Wire, **more: Any) -> Any:
    body = build(approval.InstanceCreate.builder(), **wire.order(**more))
    request = build(approval.CreateInstanceRequest.builder(), request_body=body)
    return client.approval.v4.instance.create(request)


def look(client: Any, instance: str) -> Any:
    request = build(approval.GetInstanceRequest.builder(), instance_id=instance, user_id_type="open_id")
    return fine(client.approval.v4.instance.get(request))


# Directory.


def test_the_directory(client: Any, wire: Wire) -> None:
    v3 = client.contact.v3
    request = build(
        contact.ChildrenDepartmentRequest.builder(),
        department_id="0",
        fetch_child=True,
        page_size=50,
        department_id_type="department_id",
    )
    rows = fine(v3.department.children(request)).items
    assert [row.department_id for row in rows][:2] == ["D10", "D11"]
    assert rows[0].open_department_id.startswith("od-")
    request = build(
        contact.FindByDepartmentUserRequest.builder(),
        department_id="D11",
        department_id_type="department_id",
        user_id_type="user_id",
    )
    people = fine(v3.user.find_by_department(request)).items
    assert {person.user_id for person in people} == {"wangkai", "zhangsan"}
    assert people[0].status.is_activated is True
    request = build(contact.GetUserRequest.builder(), user_id=wire.open_id("zhangsan"))
    user = fine(v3.user.get(request)).user
    assert (user.name, user.employee_no, user.orders[0].is_primary_dept) == ("张三", "E0004", True)
    request = build(
        contact.BatchUserRequest.builder(), user_ids=["zhangsan", "sunhui"], user_id_type="user_id"
    )
    assert [row.name for row in fine(v3.user.batch(request)).items] == ["张三", "孙慧"]
    body = build(contact.BatchGetIdUserRequestBody.builder(), mobiles=["13800000004"])
    request = build(contact.BatchGetIdUserRequest.builder(), user_id_type="user_id", request_body=body)
    assert fine(v3.user.batch_get_id(request)).user_list[0].user_id == "zhangsan"
    request = build(
        contact.GetDepartmentRequest.builder(), department_id="D10", department_id_type="department_id"
    )
    assert fine(v3.department.get(request)).department.name == "研发部"


# Native approval.


def test_an_approval_from_its_definition_to_its_end(client: Any, feishu: Running, wire: Wire) -> None:
    v4 = client.approval.v4
    code = feishu.approval_codes["expense"]
    definition = fine(v4.approval.get(build(approval.GetApprovalRequest.builder(), approval_code=code)))
    assert json.loads(definition.form)[0]["id"] == wire.widget("number")["id"]
    assert [node.custom_node_id for node in definition.node_list] == [None, "manager", "finance", None]
    request = build(approval.SubscribeApprovalRequest.builder(), approval_code=code)
    assert v4.approval.subscribe(request).success()
    assert v4.approval.subscribe(request).code == 1390007
    made = fine(create(client, wire, uuid="BX1")).instance_code
    again = create(client, wire, uuid="BX1")
    assert (again.success(), again.code, again.raw.status_code) == (False, 60012, 400)
    shown = look(client, "BX1")
    assert (shown.instance_code, shown.status, shown.task_list[0].status) == (made, "PENDING", "PENDING")
    for verdict in ("approve", "transfer", "approve"):
        shown = look(client, made)
        task = shown.task_list[-1]
        fields: dict[str, Any] = {
            "approval_code": code,
            "instance_code": made,
            "user_id": task.user_id,
            "task_id": task.id,
            "comment": "好",
        }
        if verdict == "transfer":
            body = build(approval.TaskTransfer.builder(), transfer_user_id="qianwei", **fields)
            request = build(approval.TransferTaskRequest.builder(), user_id_type="user_id", request_body=body)
            assert v4.task.transfer(request).success()
        else:
            body = build(approval.TaskApprove.builder(), **fields)
            request = build(approval.ApproveTaskRequest.builder(), user_id_type="user_id", request_body=body)
            assert v4.task.approve(request).success()
    shown = look(client, made)
    assert (shown.status, shown.reverted) == ("APPROVED", False)
    assert [entry.type for entry in shown.timeline] == ["START", "PASS", "TRANSFER", "PASS"]
    assert [task.status for task in shown.task_list] == ["APPROVED", "TRANSFERRED", "APPROVED"]


def test_rejecting_commenting_withdrawing_and_listing(client: Any, feishu: Running, wire: Wire) -> None:
    v4 = client.approval.v4
    code = feishu.approval_codes["expense"]
    first = fine(create(client, wire)).instance_code
    second = fine(create(client, wire, user_id=None, open_id=wire.open_id("zhangsan"))).instance_code
    task = look(client, first).task_list[0]
    body = build(
        approval.TaskApprove.builder(),
        approval_code=code,
        instance_code=first,
        user_id=task.open_id,
        task_id=task.id,
    )
    assert v4.task.reject(build(approval.RejectTaskRequest.builder(), request_body=body)).success()
    comment = build(approval.CommentRequest.builder(), content=json.dumps({"text": "请看"}))
    request = build(
        approval.CreateInstanceCommentRequest.builder(),
        instance_id=second,
        user_id=wire.open_id("sunhui"),
        request_body=comment,
    )
    assert fine(v4.instance_comment.create(request)).comment_id
    body = build(
        approval.InstanceCancel.builder(),
        approval_code=code,
        instance_code=second,
        user_id=wire.open_id("zhangsan"),
    )
    assert v4.instance.cancel(build(approval.CancelInstanceRequest.builder(), request_body=body)).success()
    shown = look(client, second)
    assert (shown.status, shown.comment_list[0].comment) == ("CANCELED", "请看")
    now = int(time.time() * 1000)
    request = build(
        approval.ListInstanceRequest.builder(),
        approval_code=code,
        start_time=str(now - 60_000),
        end_time=str(now + 1000),
    )
    assert fine(v4.instance.list(request)).instance_code_list == [first, second]
    search = build(approval.InstanceSearch.builder(), approval_code=code, instance_status="REJECT")
    request = build(approval.QueryInstanceRequest.builder(), request_body=search)
    assert [row.instance.code for row in fine(v4.instance.query(request)).instance_list] == [first]
    request = build(
        approval.QueryTaskRequest.builder(), user_id="zhangsan", topic="3", user_id_type="user_id"
    )
    assert len(fine(v4.task.query(request)).tasks) == 2


def test_an_attachment(client: Any, wire: Wire) -> None:
    """The upload is not wrapped: raw, with the encoder the SDK lets pass."""
    encoder = pytest.importorskip("requests_toolbelt").MultipartEncoder(
        {"name": "a.pdf", "type": "attachment", "content": ("a.pdf", io.BytesIO(b"%PDF"), "application/pdf")}
    )
    request = (
        lark.BaseRequest.builder()
        .http_method(lark.HttpMethod.POST)
        .uri("/approval/openapi/v2/file/upload")
        .token_types({lark.AccessTokenType.TENANT})
        .headers({"Content-Type": encoder.content_type})
        .body(encoder)
        .build()
    )
    response = client.request(request)
    assert response.success(), response.msg
    code = json.loads(response.raw.content)["data"]["code"]
    made = fine(create(client, wire, form=[*wire.form(), wire.item("attachments", [code])]))
    assert json.loads(look(client, made.instance_code).form)[6]["ext"] == "a.pdf"


# Third-party approval.


def test_a_third_party_approval(client: Any, feishu: Running) -> None:
    v4 = client.approval.v4

    def texts(**given: str) -> list[Any]:
        pairs = [
            build(approval.I18nResourceText.builder(), key=f"@i18n@{key}", value=value)
            for key, value in given.items()
        ]
        return [build(approval.I18nResource.builder(), locale="zh-CN", is_default=True, texts=pairs)]

    body = build(
        approval.ExternalApproval.builder(),
        approval_name="@i18n@name",
        approval_code="viatica",
        group_code="g",
        external=build(approval.ApprovalCreateExternal.builder(), support_pc=True, support_mobile=True),
        viewers=[build(approval.ApprovalCreateViewers.builder(), viewer_type="TENANT")],
        i18n_resources=texts(name="差旅报销"),
    )
    request = build(approval.CreateExternalApprovalRequest.builder(), request_body=body)
    code = fine(v4.external_approval.create(request)).approval_code
    request = build(approval.GetExternalApprovalRequest.builder(), approval_code=code)
    assert fine(v4.external_approval.get(request)).approval_name == "@i18n@name"
    link = build(approval.ExternalInstanceLink.builder(), pc_link="https://e.example.com/1")
    task = build(
        approval.ExternalInstanceTaskNode.builder(),
        task_id="t1",
        user_id="wangkai",
        links=link,
        status="PENDING",
        create_time="1700000000000",
        end_time="0",
        update_time="1700000000000",
    )
    body = build(
        approval.ExternalInstance.builder(),
        approval_code=code,
        instance_id="BX1",
        status="PENDING",
        user_id="zhangsan",
        title="@i18n@title",
        links=link,
        start_time="1700000000000",
        end_time="0",
        update_time="1700000000000",
        task_list=[task],
        i18n_resources=texts(title="张三的报销"),
    )
    request = build(approval.CreateExternalInstanceRequest.builder(), request_body=body)
    assert fine(v4.external_instance.create(request)).data.instance_id == "BX1"
    assert [row["instance_id"] for row in feishu.todos("wangkai")] == ["BX1"]
    row = build(approval.ExteranlInstanceCheck.builder(), instance_id="BX1", update_time="1", tasks=[])
    body = build(approval.CheckExternalInstanceRequestBody.builder(), instances=[row])
    request = build(approval.CheckExternalInstanceRequest.builder(), request_body=body)
    assert fine(v4.external_instance.check(request)).diff_instances[0].update_time == "1700000000000"
    body = build(approval.ListExternalTaskRequestBody.builder(), approval_codes=[code], status="PENDING")
    request = build(approval.ListExternalTaskRequest.builder(), page_size=10, request_body=body)
    assert fine(v4.external_task.list(request)).data[0].tasks[0].id == "t1"


# Messages and sign-in.


def test_a_card_and_its_change(client: Any, feishu: Running) -> None:
    card = {"config": {"update_multi": True}, "elements": [{"tag": "div"}]}
    body = build(
        im.CreateMessageRequestBody.builder(),
        receive_id="wangkai",
        msg_type="interactive",
        content=json.dumps(card),
        uuid="once",
    )
    request = build(im.CreateMessageRequest.builder(), receive_id_type="user_id", request_body=body)
    message_id = fine(client.im.v1.message.create(request)).message_id
    assert fine(client.im.v1.message.create(request)).message_id == message_id
    body = build(im.PatchMessageRequestBody.builder(), content=json.dumps(card))
    request = build(im.PatchMessageRequest.builder(), message_id=message_id, request_body=body)
    assert client.im.v1.message.patch(request).success()
    assert feishu.messages("wangkai")[0]["updates"] == 1


def test_signing_in(client: Any, feishu: Running) -> None:
    body = build(
        authen.CreateOidcAccessTokenRequestBody.builder(),
        grant_type="authorization_code",
        code=feishu.login_code("zhangsan"),
    )
    request = build(authen.CreateOidcAccessTokenRequest.builder(), request_body=body)
    token = fine(client.authen.v1.oidc_access_token.create(request)).access_token
    option = lark.RequestOption.builder().user_access_token(token).build()
    request = authen.GetUserInfoRequest.builder().build()
    assert fine(client.authen.v1.user_info.get(request, option)).user_id == "zhangsan"


# Refusals.


def test_refusals_come_as_codes(client: Any, feishu: Running, wire: Wire) -> None:
    look_request = build(approval.GetInstanceRequest.builder(), instance_id="none")
    response = client.approval.v4.instance.get(look_request)
    assert (response.success(), response.code) == (False, 1390003)
    feishu.fault("rate_limit", times=1)
    response = client.approval.v4.instance.get(look_request)
    assert (response.code, response.raw.status_code) == (99991400, 429)
    assert response.raw.headers["x-ogw-ratelimit-reset"] == "1"
    feishu.expire_tokens()
    assert client.approval.v4.instance.get(look_request).code == 99991663


def test_a_wrong_secret(feishu: Running) -> None:
    lark.core.token.TokenManager.cache = type(lark.core.token.TokenManager.cache)()
    builder = lark.Client.builder().app_id(feishu.app_id).app_secret("wrong").domain(feishu.base_url)
    client = builder.log_level(lark.LogLevel.CRITICAL).build()
    with pytest.raises(Exception, match="10015"):
        client.approval.v4.instance.get(build(approval.GetInstanceRequest.builder(), instance_id="x"))


# Events.


def handler(key: str, token: str, hear: Callable[[Any], Any]) -> Any:
    builder = lark.EventDispatcherHandler.builder(key, token, lark.LogLevel.CRITICAL)
    for kind in ("approval_instance", "approval_task", "approval_cc"):
        builder.register_p1_customized_event(kind, hear)
    builder.register_p2_contact_user_created_v3(hear)
    builder.register_p2_contact_user_updated_v3(hear)
    builder.register_p2_contact_user_deleted_v3(hear)
    builder.register_p2_contact_department_created_v3(hear)
    builder.register_p2_contact_department_updated_v3(hear)
    builder.register_p2_contact_department_deleted_v3(hear)
    builder.register_p2_approval_instance_status_changed_v4(hear)
    builder.register_p2_card_action_trigger(hear)
    return builder.build()


def answered(events: Any, headers: dict[str, str], body: bytes) -> tuple[int, Any]:
    request = lark.RawRequest()
    request.uri, request.headers, request.body = "/hooks", headers, body
    response = events.do(request)
    return response.status_code, json.loads(response.content)


@pytest.mark.parametrize("vector", BOOK["vectors"], ids=lambda vector: vector["name"])
def test_the_vectors_are_what_the_sdk_answers(vector: dict[str, Any]) -> None:
    heard: list[Any] = []

    def hear(event: Any) -> Any:
        heard.append(event)
        return {"toast": {"type": "success", "content": "已同意"}}

    events = handler(BOOK["inputs"]["encrypt_key"], BOOK["inputs"]["verification_token"], hear)
    request, expected = vector["request"], vector["official_handler_response"]
    said = answered(events, request["headers"], request["raw_body"].encode())
    assert said == (expected["status"], json.loads(expected["body"]))


@pytest.fixture
def hooks(feishu: Running, httpserver: HTTPServer) -> list[Any]:
    """The SDK's own handler behind the registered address; what it heard."""
    heard: list[Any] = []

    def hear(event: Any) -> Any:
        heard.append(event)
        return {"toast": {"type": "success", "content": "好"}}

    events = handler(feishu.encrypt_key, feishu.verification_token, hear)

    def answer(request: Request) -> Response:
        status, body = answered(events, dict(request.headers), request.get_data())
        return Response(json.dumps(body), status=status)

    httpserver.expect_request("/hooks").respond_with_handler(answer)
    assert feishu.set_callback(httpserver.url_for("/hooks")) == "success"
    feishu.subscribe()
    return heard


def test_what_is_pushed_passes_the_sdk(feishu: Running, wire: Wire, hooks: list[Any]) -> None:
    code = wire.create(node_cc_user_id_list=[{"key": "START", "value": ["qianwei"]}])
    feishu.decide(code)
    feishu.put_user("newbie", name="新人", department_id="D10")
    feishu.leave("newbie")
    assert feishu.wait_for_callbacks()
    approval_kinds = [
        event.event["type"] for event in hooks if isinstance(getattr(event, "event", None), dict)
    ]
    assert sorted(approval_kinds) == ["approval_cc", "approval_instance", *["approval_task"] * 3]
    people = [event.event.object.user_id for event in hooks if not isinstance(event.event, dict)]
    assert people == ["newbie", "newbie"]
    assert {event["fate"] for event in feishu.events()} == {"delivered"}


def test_a_pressed_button_passes_the_sdk(feishu: Running, wire: Wire, hooks: list[Any]) -> None:
    button = {"tag": "button", "text": {"tag": "plain_text", "content": "同意"}, "value": {"item": 7}}
    content = {"config": {"update_multi": True}, "elements": [{"tag": "action", "actions": [button]}]}
    body = {"receive_id": "wangkai", "msg_type": "interactive", "content": json.dumps(content)}
    sent = wire.post("/open-apis/im/v1/messages", body, receive_id_type="user_id").data
    assert feishu.click(sent["message_id"])["toast"]["content"] == "好"
    assert hooks[0].event.action.value == {"item": 7}
    assert hooks[0].event.operator.user_id == "wangkai"


def test_a_forged_push_is_refused_by_the_sdk(feishu: Running) -> None:
    vector = BOOK["vectors"][2]["request"]
    events = handler(BOOK["inputs"]["encrypt_key"], "another token", lambda event: None)
    status, body = answered(events, vector["headers"], vector["raw_body"].encode())
    assert (status, body["msg"]) == (500, "invalid verification_token")


@pytest.fixture
def long_connection(feishu: Running) -> Iterator[list[Any]]:
    """The SDK's client, connected; what it heard."""
    ws = pytest.importorskip("lark_oapi.ws.client")
    heard: list[Any] = []
    loop = asyncio.new_event_loop()
    ws.loop = loop  # the module takes one when it is imported; this one runs in a thread of ours
    logging.getLogger("Lark").setLevel(logging.CRITICAL)

    def hear(event: Any) -> Any:
        heard.append(event)
        return {"toast": {"type": "success", "content": "好"}}

    events = handler("", "", hear)

    def run() -> None:
        asyncio.set_event_loop(loop)
        loop.run_forever()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()

    async def connect() -> Any:
        client = ws.Client(
            feishu.app_id,
            feishu.app_secret,
            event_handler=events,
            domain=feishu.base_url,
            log_level=lark.LogLevel.CRITICAL,
            auto_reconnect=False,
        )
        await client._connect()
        return client

    client = asyncio.run_coroutine_threadsafe(connect(), loop).result(5)
    yield heard

    async def leave() -> None:
        await client._disconnect()
        # Its cache sweeps on this loop until it is told not to.
        client._cache._cron.cancel()
        await asyncio.gather(client._cache._cron, return_exceptions=True)

    asyncio.run_coroutine_threadsafe(leave(), loop).result(5)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(5)


def test_the_long_connection(feishu: Running, wire: Wire, long_connection: list[Any]) -> None:
    feishu.subscribe()
    code = wire.create()
    feishu.decide(code)
    assert feishu.wait_for_callbacks()
    assert [(event.event["type"], event.event["status"]) for event in long_connection] == [
        ("approval_instance", "PENDING"),
        ("approval_task", "PENDING"),
        ("approval_task", "APPROVED"),
        ("approval_task", "PENDING"),
    ]
    assert {event["fate"] for event in feishu.events()} == {"delivered"}
    # A type nobody registered is answered 500, and told again.
    feishu.set(retry_after_s=[])
    feishu.emit("moon.landing_v1", {})
    assert feishu.wait_for_callbacks()
    assert feishu.events("moon.landing_v1")[0]["attempts"] == ["code 500"]


def test_a_pressed_button_over_the_long_connection(
    feishu: Running, wire: Wire, long_connection: list[Any]
) -> None:
    button = {"tag": "button", "text": {"tag": "plain_text", "content": "同意"}, "value": {"item": 7}}
    content = {"config": {"update_multi": True}, "elements": [{"tag": "action", "actions": [button]}]}
    body = {"receive_id": "wangkai", "msg_type": "interactive", "content": json.dumps(content)}
    sent = wire.post("/open-apis/im/v1/messages", body, receive_id_type="user_id").data
    assert feishu.click(sent["message_id"])["toast"] == {"type": "success", "content": "好"}
    (event,) = long_connection
    assert (event.event.action.value, event.event.operator.user_id) == ({"item": 7}, "wangkai")


def test_a_changed_company_passes_the_sdk(feishu: Running, hooks: list[Any]) -> None:
    feishu.put_user("newbie", name="新人", department_id="D10")
    feishu.put_user("newbie", department_id="D20")
    feishu.put_department("D12", name="质量组", parent_department_id="D10", leaders=["newbie"])
    feishu.put_department("D12", parent_department_id="D30")
    feishu.drop_department("D12")
    feishu.leave("newbie")
    assert feishu.wait_for_callbacks()
    assert {event["fate"] for event in feishu.events()} == {"delivered"}
    heard = {event.header.event_type: event.event for event in hooks}
    assert sorted(name.removeprefix("contact.") for name in heard) == [
        "department.created_v3",
        "department.deleted_v3",
        "department.updated_v3",
        "user.created_v3",
        "user.deleted_v3",
        "user.updated_v3",
    ]
    assert heard["contact.user.updated_v3"].object.user_id == "newbie"
    assert heard["contact.user.updated_v3"].old_object.department_ids[0].startswith("od-")
    assert heard["contact.department.created_v3"].object.name == "质量组"
    assert heard["contact.department.deleted_v3"].object.status.is_deleted is True
