"""Signing in, in the browser and inside the client."""

from __future__ import annotations

from urllib.parse import urlencode

from viatica.connectors.dingtalk.client import DingTalkClient
from viatica.connectors.dingtalk.errors import SYSTEM
from viatica.connectors.errors import NotOfThisCompany
from viatica.offices.access.ports import ClientScript, SignedIn
from viatica.spine.models import Connection

CLIENT_SCRIPT = "https://g.alicdn.com/dingding/dingtalk-jsapi/3.0.25/dingtalk.open.js"


class DingTalkSignIn:
    """Fills `access.ports.SignInPort`."""

    kind = "dingtalk"
    client_mark = "DingTalk"

    def __init__(self, connection: Connection) -> None:
        self.client = DingTalkClient.of(connection)
        self.script_url = connection.settings.get("client_script") or CLIENT_SCRIPT

    def start_url(self, state: str, redirect: str, *, inside: bool) -> str:
        setup = self.client.setup
        query = {
            "redirect_uri": redirect,
            "response_type": "code",
            "client_id": setup.app_key,
            "scope": "openid corpid" if setup.corp_id else "openid",
            "state": state,
            "prompt": "consent",
        }
        if setup.corp_id:
            query["corpId"] = setup.corp_id
        return f"{setup.login_url.rstrip('/')}/oauth2/auth?{urlencode(query)}"

    def client_script(self) -> ClientScript:
        setup = self.client.setup
        return ClientScript(self.script_url, {"corp": setup.corp_id, "client": setup.app_key})

    def finish(self, code: str) -> SignedIn:
        """The browser way. The person's token tells the unionId; only the app's token leads to the userId."""
        profile = self.client.me(self.client.user_token(code))
        unionid = str(profile.get("unionId") or "")
        userid = self.client.userid_of(unionid) if unionid else None
        if userid is None:
            raise NotOfThisCompany(system=SYSTEM, said_by=str(profile.get("nick") or ""))
        return SignedIn(userid=userid, name=str(profile.get("nick") or ""), unionid=unionid)

    def free_login(self, code: str) -> SignedIn:
        found = self.client.user_by_code(code)
        return SignedIn(
            userid=str(found["userid"]),
            name=str(found.get("name") or ""),
            unionid=str(found.get("unionid") or ""),
        )
