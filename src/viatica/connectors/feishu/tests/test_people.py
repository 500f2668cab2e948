"""The two ways to sign in."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from pytest_httpserver import HTTPServer

from simulators.feishu.testing import Running
from viatica.connectors.errors import NotOfThisCompany, ScopeMissing
from viatica.connectors.feishu.directory import USER_ID_SCOPE
from viatica.connectors.feishu.people import FeishuSignIn
from viatica.connectors.feishu.tests.conftest import connection_to
from viatica.kernel.errors import OutsideRefused
from viatica.offices.access.ports import SignedIn
from viatica.spine.models import Connection

CHILDREN = "/open-apis/contact/v3/departments/{department_id}/children"
MEMBERS = "GET /open-apis/contact/v3/users/find_by_department"


def unionid(feishu: Running, userid: str) -> str:
    return str(next(one["union_id"] for one in feishu.facts["users"] if one["user_id"] == userid))


def test_the_browser_is_sent_to_feishu_and_back(connection: Connection, feishu: Running) -> None:
    url = urlsplit(
        FeishuSignIn(connection).start_url(
            "st&ate", "https://v.example.com/sign-in/feishu?next=/", inside=False
        )
    )
    assert f"{url.scheme}://{url.netloc}{url.path}" == f"{feishu.base_url}/open-apis/authen/v1/authorize"
    assert {key: value for key, (value,) in parse_qs(url.query).items()} == {
        "client_id": feishu.facts["app_id"],
        "response_type": "code",
        "redirect_uri": "https://v.example.com/sign-in/feishu?next=/",
        "state": "st&ate",
    }


@pytest.mark.parametrize("way", ["finish", "free_login"])
def test_a_code_tells_who_it_is_once(connection: Connection, feishu: Running, way: str) -> None:
    redeem = getattr(FeishuSignIn(connection), way)
    code = feishu.login_code("zhangsan")
    assert redeem(code) == SignedIn("zhangsan", "张三", unionid(feishu, "zhangsan"))
    for bad in (code, "invented"):
        with pytest.raises(OutsideRefused, match="200"):
            redeem(bad)


def test_without_the_permission_to_read_ids_nobody_is_let_in_and_it_is_named(
    connection: Connection, feishu: Running
) -> None:
    code = feishu.login_code("zhangsan")
    feishu.set(missing_scopes=[USER_ID_SCOPE])
    with pytest.raises(ScopeMissing, match=USER_ID_SCOPE):
        FeishuSignIn(connection).finish(code)


def test_someone_of_another_tenant_is_refused(feishu: Running, forms: dict[str, Any]) -> None:
    port = FeishuSignIn(connection_to(feishu, forms, tenant_key="another"))
    with pytest.raises(NotOfThisCompany):
        port.finish(feishu.login_code("zhangsan"))
    ours = FeishuSignIn(connection_to(feishu, forms, tenant_key=feishu.facts["tenant_key"]))
    assert ours.finish(feishu.login_code("zhangsan")).userid == "zhangsan"


def test_someone_our_directory_does_not_know_is_refused(
    feishu: Running, forms: dict[str, Any], httpserver: HTTPServer
) -> None:
    answers: dict[str, tuple[int, dict[str, Any]]] = {
        "/open-apis/auth/v3/tenant_access_token/internal": (200, {"code": 0, "tenant_access_token": "t-1"}),
        "/open-apis/authen/v2/oauth/token": (200, {"code": 0, "access_token": "u-1"}),
        "/open-apis/authen/v1/user_info": (200, {"code": 0, "data": {"open_id": "ou_x", "name": "陌生人"}}),
        "/open-apis/contact/v3/users/ou_x": (400, {"code": 41012, "msg": "user id invalid error"}),
    }
    for path, (status, body) in answers.items():
        httpserver.expect_request(path).respond_with_json(body, status=status)
    with pytest.raises(NotOfThisCompany):
        FeishuSignIn(connection_to(feishu, forms, base_url=httpserver.url_for(""))).finish("code")
