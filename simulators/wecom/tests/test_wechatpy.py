"""The best-kept community client (there is no official SDK), pointed here: what it sends is taken, what it reads fits."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from simulators.wecom.testing import Running
from simulators.wecom.tests.client import contents, summary
from simulators.wecom.tests.receiver import Receiver
from simulators.wecom.tests.test_messages import TASK, card

exceptions = pytest.importorskip("wechatpy.exceptions", reason="wechatpy is not installed")


def module(name: str) -> Any:
    """wechatpy.work since 2.0, wechatpy.enterprise before."""
    try:
        return importlib.import_module(f"wechatpy.work{name}")
    except ModuleNotFoundError:
        return importlib.import_module(f"wechatpy.enterprise{name}")


def new_client(wecom: Running, **more: Any) -> Any:
    class Client(module("").WeChatClient):  # type: ignore[misc] # a class found at run time
        API_BASE_URL = f"{wecom.base_url}/cgi-bin/"

        def fetch_access_token(self) -> Any:
            # Hard-wired to qyapi.weixin.qq.com, whatever API_BASE_URL says.
            params = {"corpid": self.corp_id, "corpsecret": self.secret}
            return self._fetch_access_token(url=f"{self.API_BASE_URL}gettoken", params=params)

    return Client(wecom.corp_id, wecom.secret, **more)


@pytest.fixture
def client(wecom: Running) -> Any:
    return new_client(wecom)


def apply(wecom: Running, client: Any, **more: Any) -> str:
    whole: dict[str, Any] = {
        "creator_userid": "zhangsan",
        "template_id": wecom.template_ids["expense"],
        "use_template_approver": 0,
        "approver": [{"attr": 1, "userid": ["wangkai", "lisiyuan"]}, {"attr": 2, "userid": ["sunhui"]}],
        "apply_data": {"contents": contents(wecom)},
        "summary_list": summary("BX202611-000001"),
        "notifyer": ["zhaomin"],
        **more,
    }
    return str(oa_of(client).apply_event(**whole)["sp_no"])


def oa_of(client: Any) -> Any:
    return client.oa if hasattr(client, "oa") else client.OA


def errcode(call: Callable[[], object]) -> int:
    with pytest.raises(exceptions.WeChatClientException) as error:
        call()
    return int(error.value.errcode)


def test_directory(client: Any) -> None:
    departments = client.department.list() if hasattr(client.department, "list") else client.department.get()
    assert [row["name"] for row in departments][:3] == ["行资演示公司", "研发部", "平台组"]
    assert client.department.get_users(11) == client.user.list(11, simple=True)
    assert [row["userid"] for row in client.user.list(11)] == ["wangkai", "zhangsan"]
    user = client.user.get("zhangsan")
    assert (user["name"], user["department"]) == ("张三", [11])
    assert errcode(lambda: client.user.get("nobody")) == 60111
    assert client.misc.get_wechat_ips() == ["127.0.0.1"]


def test_an_app_about_itself(wecom: Running, client: Any) -> None:
    assert client.agent.get(wecom.agent_id)["allow_partys"] == {"partyid": [1]}


def test_tokens_are_fetched_again(wecom: Running, client: Any) -> None:
    assert client.user.get("zhangsan")["errcode"] == 0
    for forget in (False, True):
        wecom.expire_tokens(forget=forget)
        assert client.user.get("zhangsan")["errcode"] == 0
    assert wecom.calls()["GET /cgi-bin/gettoken"] == 3
    wrong = new_client(wecom)
    wrong.secret = "wrong"
    assert errcode(lambda: wrong.user.get("zhangsan")) == 40001


def test_approvals(wecom: Running, client: Any) -> None:
    oa = oa_of(client)
    template = oa.get_template_detail(wecom.template_ids["expense"])
    assert template["template_names"][0]["text"] == "差旅报销"
    sp_no = apply(wecom, client)
    info = oa.get_approval_detail(sp_no)["info"]
    assert (info["sp_status"], info["notifyer"]) == (1, [{"userid": "zhaomin"}])
    assert [row["approverattr"] for row in info["sp_record"]] == [1, 2]
    assert errcode(lambda: oa.get_approval_detail("1")) == 301025
    assert errcode(lambda: apply(wecom, client, creator_userid="nobody")) == 301055


def test_the_retired_cursor(wecom: Running, client: Any) -> None:
    oa = oa_of(client)
    sent = [apply(wecom, client) for _ in range(3)]
    now = int(time.time())
    found: list[str] = []
    cursor: Any = 0
    while cursor is not None:
        page = oa.get_approval_info(now - 3600, now + 3600, cursor, size=2)
        found += page["sp_no_list"]
        cursor = page.get("next_cursor")
    assert found == sent


def test_media(client: Any) -> None:
    answer = client.media.upload("file", ("发票.pdf", b"%PDF-1.7 ..."))
    assert answer["type"] == "file"
    got = client.get("media/get", params={"media_id": answer["media_id"]})
    assert got.content == b"%PDF-1.7 ..."
    assert errcode(lambda: client.get("media/get", params={"media_id": "none"})) == 40007
    assert errcode(lambda: client.media.upload("paper", ("x.pdf", b"%PDF-1.7"))) == 40004


def test_messages(wecom: Running, client: Any) -> None:
    sent = client.message.send_text(wecom.agent_id, ["wangkai", "nobody"], "你好")
    assert sent["invaliduser"] == "nobody"
    client.message.send_text_card(wecom.agent_id, "wangkai", "标题", "描述", "https://x.example.com")
    client.message.send_markdown(wecom.agent_id, "wangkai", "# 标题")
    sent = client.message.send(
        wecom.agent_id, "wangkai", msg={"msgtype": "template_card", "template_card": card()}
    )
    body = {
        "userids": ["wangkai"],
        "agentid": wecom.agent_id,
        "response_code": sent["response_code"],
        "button": {"replace_name": "已同意"},
    }
    assert client.post("message/update_template_card", data=body)["invaliduser"] == []
    assert [row["msgtype"] for row in wecom.messages("wangkai")] == [
        "template_card",
        "markdown",
        "textcard",
        "text",
    ]
    assert errcode(lambda: client.message.send_text(wecom.agent_id, "nobody", "x")) == 81013


def test_sign_in(wecom: Running, client: Any) -> None:
    url = client.oauth.authorize_url("https://expense.example.com/in", "abc")
    assert url.endswith("#wechat_redirect")
    assert client.oauth.get_user_info(wecom.code("zhangsan"))["UserId"] == "zhangsan"
    assert errcode(lambda: client.oauth.get_user_info("never")) == 40029


def test_pages_are_signed_alike(wecom: Running, client: Any) -> None:
    ticket = client.jsapi.get_jsapi_ticket()
    assert client.jsapi.get_agent_jsapi_ticket() != ticket
    url = "https://expense.example.com/m/claims/1"
    signature = client.jsapi.get_jsapi_signature("n", ticket, "1", url)
    given = {
        "kind": "config",
        "corpid": wecom.corp_id,
        "timestamp": "1",
        "nonceStr": "n",
        "signature": signature,
        "url": url,
    }
    answer = wecom.http.request("POST", f"{wecom.base_url}/client/config", json=given)
    assert answer.json() == {"result": "ok"}


def test_the_engine(wecom: Running, client: Any) -> None:
    wecom.start_engine("BX-1", "zhangsan")
    answer = client.post("corp/getopenapprovaldata", data={"thirdNo": "BX-1"})
    assert answer["data"]["ThirdNo"] == "BX-1"


def test_limits_are_an_exception_of_their_own(wecom: Running, client: Any) -> None:
    assert client.user.get("zhangsan")["errcode"] == 0
    wecom.fault("rate_limit", times=1)
    with pytest.raises(exceptions.APILimitedException):
        client.user.get("zhangsan")


def test_what_is_pushed_opens_and_parses(wecom: Running, client: Any, httpserver: HTTPServer) -> None:
    receiver = Receiver(wecom, httpserver)
    crypto = module(".crypto").WeChatCrypto(wecom.token, wecom.aes_key, wecom.corp_id)
    assert wecom.set_callback(receiver.url) == "success"
    sp_no = apply(wecom, client)
    client.message.send(wecom.agent_id, "wangkai", msg={"msgtype": "template_card", "template_card": card()})
    wecom.click(TASK, "wangkai", "approve")
    wecom.start_engine("BX-1", "zhangsan")
    assert wecom.wait_for_callbacks()
    for envelope, query, text in zip(receiver.envelopes, receiver.queries, receiver.texts, strict=True):
        sealed = f"<xml><Encrypt><![CDATA[{envelope['Encrypt']}]]></Encrypt></xml>"
        signed = (query["msg_signature"], query["timestamp"], query["nonce"])
        assert crypto.decrypt_message(sealed, *signed) == text
        with pytest.raises(exceptions.InvalidSignatureException):
            crypto.decrypt_message(sealed, "0" * 40, *signed[1:])
    parsed = {text.partition("<Event><![CDATA[")[2].partition("]")[0]: text for text in receiver.texts}
    assert set(parsed) == {"sys_approval_change", "template_card_event", "open_approval_change"}
    news = module(".parser").parse_message(parsed["sys_approval_change"])
    if hasattr(news, "approval_info"):  # 1.8 knows no approval events
        assert (news.sp_no, news.sp_status, news.apply_user_id) == (sp_no, "1", "zhangsan")
        opened = module(".parser").parse_message(parsed["open_approval_change"])
        assert (opened.third_no, opened.open_sp_status, opened.approver_step) == ("BX-1", "1", "0")


def test_its_sealed_reply_is_followed(wecom: Running, client: Any, httpserver: HTTPServer) -> None:
    crypto = module(".crypto").WeChatCrypto(wecom.token, wecom.aes_key, wecom.corp_id)
    reply = (
        "<xml><ToUserName>wangkai</ToUserName><MsgType>update_button</MsgType>"
        "<Button><ReplaceName>已同意</ReplaceName></Button></xml>"
    )
    httpserver.expect_request("/cards").respond_with_data(crypto.encrypt_message(reply, "nonce", 1700000000))
    assert wecom.set_callback(httpserver.url_for("/cards"), check=False) == "success"
    client.message.send(wecom.agent_id, "wangkai", msg={"msgtype": "template_card", "template_card": card()})
    assert wecom.click(TASK, "wangkai", "approve")["greyed"] == {"wangkai": "已同意"}
