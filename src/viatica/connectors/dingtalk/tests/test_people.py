"""The two ways to sign in."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from pytest_httpserver import HTTPServer

from simulators.dingtalk.testing import Running
from viatica.connectors.dingtalk.people import DingTalkSignIn
from viatica.connectors.dingtalk.tests.conftest import connection_to
from viatica.connectors.errors import NotOfThisCompany
from viatica.kernel.errors import OutsideRefused
from viatica.offices.access.models import User
from viatica.offices.access.ports import SignedIn
from viatica.offices.access.sign_in import Stranger, user_behind
from viatica.offices.company.models import Department, Employee, Grade, LegalEntity, OutsideIdentity
from viatica.spine.models import Connection


def hire(number: str, mobile: str = "", *, is_active: bool = True) -> Employee:
    entity, _ = LegalEntity.objects.get_or_create(code="SH", defaults={"name": "上海云帆"})
    department, _ = Department.objects.get_or_create(name="市场部", entity=entity)
    grade, _ = Grade.objects.get_or_create(code="P5", defaults={"name": "P5", "rank": 5})
    return Employee.objects.create(
        number=number, name=f"员工{number}", entity=entity, department=department, grade=grade, mobile=mobile,
        is_active=is_active,
    )  # fmt: skip


def unionid(dingtalk: Running, userid: str) -> str:
    return str(next(one["unionid"] for one in dingtalk.facts["users"] if one["userid"] == userid))


# Signing in


def test_the_browser_is_sent_to_dingtalk_and_back(connection: Connection, dingtalk: Running) -> None:
    url = urlsplit(
        DingTalkSignIn(connection).start_url(
            "st&ate", "https://v.example.com/sign-in/dingtalk?next=/", inside=False
        )
    )
    assert f"{url.scheme}://{url.netloc}{url.path}" == f"{dingtalk.base_url}/oauth2/auth"
    assert {key: value for key, (value,) in parse_qs(url.query).items()} == {
        "redirect_uri": "https://v.example.com/sign-in/dingtalk?next=/",
        "response_type": "code",
        "client_id": dingtalk.app_key,
        "scope": "openid corpid",
        "state": "st&ate",
        "prompt": "consent",
        "corpId": dingtalk.corp_id,
    }


def test_a_code_from_the_browser_tells_who_it_is_once(connection: Connection, dingtalk: Running) -> None:
    port = DingTalkSignIn(connection)
    code = dingtalk.browser_code("zhangsan")
    assert port.finish(code) == SignedIn("zhangsan", "张三", unionid(dingtalk, "zhangsan"))
    for bad in (code, "invented"):
        with pytest.raises(OutsideRefused):
            port.finish(bad)


def test_a_page_inside_the_client_names_itself(connection: Connection, dingtalk: Running) -> None:
    script = DingTalkSignIn(connection).client_script()
    assert script.url == "https://g.alicdn.com/dingding/dingtalk-jsapi/3.0.25/dingtalk.open.js"
    assert script.asks_as == {"corp": dingtalk.corp_id, "client": dingtalk.app_key}


def test_a_code_from_inside_the_client_tells_who_it_is_once(
    connection: Connection, dingtalk: Running
) -> None:
    port = DingTalkSignIn(connection)
    code = dingtalk.free_login_code("lisiyuan")
    assert port.free_login(code) == SignedIn("lisiyuan", "李思源", unionid(dingtalk, "lisiyuan"))
    with pytest.raises(OutsideRefused, match="40078"):
        port.free_login(code)


def test_someone_who_is_no_longer_a_member_cannot_finish(dingtalk: Running) -> None:
    port = DingTalkSignIn(connection_to(dingtalk))
    code = dingtalk.browser_code("xujia")
    dingtalk.leave("xujia")
    with pytest.raises(OutsideRefused):
        port.finish(code)


@pytest.mark.parametrize(
    "answer",
    [
        {"errcode": 60121, "errmsg": "找不到该用户"},
        {"errcode": 0, "errmsg": "ok", "result": {"contact_type": 1, "userid": "partner"}},
    ],
)
def test_an_outsider_is_not_of_this_company(
    dingtalk: Running, httpserver: HTTPServer, answer: dict[str, object]
) -> None:
    token = {"errcode": 0, "access_token": "t", "expires_in": 7200}
    httpserver.expect_request("/gettoken").respond_with_json(token)
    httpserver.expect_request("/topapi/user/getbyunionid").respond_with_json(answer)
    port = DingTalkSignIn(connection_to(dingtalk, oapi_base_url=httpserver.url_for("")))
    with pytest.raises(NotOfThisCompany):
        port.finish(dingtalk.browser_code("zhangsan"))


@pytest.mark.django_db
def test_behind_a_signed_in_person_stands_one_user(dingtalk: Running) -> None:
    connection = connection_to(dingtalk)
    connection.save()
    employee = hire("E0004")
    OutsideIdentity.objects.create(employee=employee, connection=connection, userid="zhangsan")
    who = SignedIn("zhangsan", "张三")
    user = user_behind(connection=connection, who=who)
    assert (user.employee, user.username, user.has_usable_password()) == (employee, "E0004", False)
    assert user_behind(connection=connection, who=who) == user
    User.objects.update(is_active=False)
    with pytest.raises(Stranger):
        user_behind(connection=connection, who=who)


@pytest.mark.django_db
def test_strangers_and_leavers_are_refused_and_no_user_is_made(dingtalk: Running) -> None:
    connection = connection_to(dingtalk)
    connection.save()
    OutsideIdentity.objects.create(employee=hire("E1", is_active=False), connection=connection, userid="left")
    for userid in ("left", "nobody"):
        with pytest.raises(Stranger, match="某人"):
            user_behind(connection=connection, who=SignedIn(userid, "某人"))
    assert not User.objects.exists()
