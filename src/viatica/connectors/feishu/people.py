"""Signing in through Feishu."""

from __future__ import annotations

from urllib.parse import urlencode

from viatica.connectors.errors import NotOfThisCompany, ScopeMissing
from viatica.connectors.feishu import translate
from viatica.connectors.feishu.client import FeishuClient
from viatica.connectors.feishu.directory import USER_ID_SCOPE
from viatica.connectors.feishu.errors import SYSTEM
from viatica.connectors.feishu.translate import OutsideUser
from viatica.kernel.errors import OutsideRefused
from viatica.offices.access.ports import SignedIn
from viatica.spine.models import Connection


class FeishuSignIn:
    """Fills `access.ports.SignInPort`."""

    kind = "feishu"
    client_mark = "Lark"

    def __init__(self, connection: Connection) -> None:
        self.client = FeishuClient.of(connection)

    def start_url(self, state: str, redirect: str, *, inside: bool) -> str:
        """The same for both: Feishu's client redirects without a prompt."""
        setup = self.client.setup
        query = {"client_id": setup.app_id, "response_type": "code", "redirect_uri": redirect, "state": state}
        return f"{setup.login_url.rstrip('/')}/open-apis/authen/v1/authorize?{urlencode(query)}"

    def client_script(self) -> None:
        return None

    def finish(self, code: str) -> SignedIn:
        """The person's token tells their open_id; that they are of this company, only our own directory tells."""
        profile = self.client.me(self.client.user_token(code))
        name, tenant_key = str(profile.get("name") or ""), self.client.setup.tenant_key
        if tenant_key and profile.get("tenant_key") != tenant_key:
            raise NotOfThisCompany(system=SYSTEM, said_by=name)
        found = self._of_this_company(str(profile.get("open_id") or ""), name)
        return SignedIn(userid=found.userid, name=found.name or name, unionid=found.unionid)

    def _of_this_company(self, open_id: str, name: str) -> OutsideUser:
        try:
            found = translate.user(self.client.user_by_open_id(open_id))
        except ScopeMissing:
            raise
        except OutsideRefused as refusal:
            raise NotOfThisCompany(system=SYSTEM, said_by=name) from refusal
        if not found.userid:
            raise ScopeMissing(system=SYSTEM, said_by=name, scopes=USER_ID_SCOPE)
        if not found.is_active:
            raise NotOfThisCompany(system=SYSTEM, said_by=name)
        return found

    def free_login(self, code: str) -> SignedIn:
        """The client's code is redeemed like a browser's."""
        return self.finish(code)
