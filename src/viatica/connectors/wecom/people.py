"""Signing in through WeCom: in its own client without a word, elsewhere by scanning."""

from __future__ import annotations

from urllib.parse import urlencode

from viatica.connectors.errors import NotOfThisCompany
from viatica.connectors.wecom.client import WeComClient
from viatica.connectors.wecom.errors import SYSTEM
from viatica.offices.access.ports import SignedIn
from viatica.spine.models import Connection


class WeComSignIn:
    """Fills `access.ports.SignInPort`."""

    kind = "wecom"
    client_mark = "wxwork"

    def __init__(self, connection: Connection) -> None:
        self.client = WeComClient.of(connection)

    def start_url(self, state: str, redirect: str, *, inside: bool) -> str:
        setup = self.client.setup
        back = {"redirect_uri": redirect, "state": state}
        if not inside:
            query = {"login_type": "CorpApp", "appid": setup.corp_id, "agentid": setup.agent_id, **back}
            return f"{setup.sso_url}?{urlencode(query)}"
        query = {
            "appid": setup.corp_id,
            "response_type": "code",
            "scope": "snsapi_base",
            **back,
            "agentid": setup.agent_id,
        }
        # Without the fragment the client does nothing.
        return f"{setup.authorize_url}?{urlencode(query)}#wechat_redirect"

    def client_script(self) -> None:
        return None

    def finish(self, code: str) -> SignedIn:
        """Only a member has a userid; one of a linked company has it with a slash.

        A member outside the app's visible range is told all the same: our own people are those we know.
        """
        userid = str(self.client.who(code).get("userid") or "")
        if not userid or "/" in userid:
            raise NotOfThisCompany(system=SYSTEM, said_by=userid or "–")
        row = self.client.user(userid) or {}
        return SignedIn(userid=str(row.get("userid") or userid), name=str(row.get("name") or ""))

    def free_login(self, code: str) -> SignedIn:
        """The client's code is redeemed like a browser's."""
        return self.finish(code)
