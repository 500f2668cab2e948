"""Whether a connection can do what it is used for: credentials, permissions, callbacks, and forms against their mapping."""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings

from viatica.connectors import forms
from viatica.connectors.checking import Check
from viatica.connectors.errors import FormNotMapped
from viatica.connectors.setup import ConnectionIncomplete
from viatica.connectors.wecom import mapping, translate
from viatica.connectors.wecom.client import Json, WeComClient
from viatica.connectors.wecom.errors import BadAgentId
from viatica.connectors.wecom.forms import WeComForms
from viatica.connectors.wecom.signing import BadAesKey, CallbackCipher
from viatica.kernel.errors import OutsideError
from viatica.kernel.words import N_
from viatica.spine.models import Connection


def check(connection: Connection) -> list[Check]:
    """Everything that can be told without creating anything."""
    try:
        client = WeComClient.of(connection)
    except (ConnectionIncomplete, BadAgentId) as error:
        return [Check.bad("credentials", error.message, error.hint, error.params)]
    callback = _callback(client, frozenset(connection.uses))
    token = _token(client)
    if not token.ok:
        return [token, *callback]
    app = list(_app(client, connection))
    if not all(one.ok for one in app):
        return [token, *app, *callback]  # whatever else is asked would be refused for the same reason
    people = _directory(client, connection) if {"directory", "desk"} & set(connection.uses) else ()
    layouts = _forms(connection) if "approval" in connection.uses else ()
    return [token, *app, *callback, *people, *layouts]


def _token(client: WeComClient) -> Check:
    try:
        client.check_token()
    except OutsideError as error:
        return _told("token", error)
    return Check("token", True, N_("The token was issued."))


def _app(client: WeComClient, connection: Connection) -> Iterator[Check]:
    """Whether AgentId and Secret are of the same app, and this server's address is trusted."""
    try:
        agent = client.agent()
    except OutsideError as error:
        yield _told("app", error)
        return
    if agent.get("close") == 1:
        yield Check.bad(
            "app",
            N_("The app “{app}” is switched off."),
            N_("Switch it on in the WeCom admin console."),
            {"app": agent.get("name") or client.setup.agent_id},
        )
        return
    yield Check("app", True, N_("The app may be called from this server."))
    if {"sign_in", "desk"} & set(connection.uses):
        yield from _domain(agent)


def _domain(agent: Json) -> Iterator[Check]:
    """WeCom tells the trusted domain of pages, not the callback domain of scanning."""
    domain = str(agent.get("redirect_domain") or "")
    ours = settings.PUBLIC_URL.partition("://")[2].rstrip("/")
    if domain and domain != ours:
        yield Check.bad(
            "sign_in",
            N_("The app's trusted domain is {domain}, and this server is {ours}."),
            N_("Set {ours} as trusted domain and as callback domain of the app, with its port."),
            {"domain": domain, "ours": ours},
        )


def _callback(client: WeComClient, uses: frozenset[str]) -> list[Check]:
    setup = client.setup
    if not setup.can_hear:
        return [
            Check.bad(
                "callback",
                N_(
                    "Token or EncodingAESKey is missing: what is decided in WeCom arrives late, by reconcile only, "
                    "and cards have no buttons."
                ),
                N_(
                    "Have WeCom make both up where the app receives messages, enter them here, then save there."
                ),
            )
        ]
    found = [_key("callback", setup.token, setup.aes_key, N_("Token and EncodingAESKey are there."))]
    if "directory" in uses and not (setup.contacts_token and setup.contacts_aes_key):
        found.append(
            Check(
                "directory_events",
                True,
                N_(
                    "Changes of the address book are found by the nightly run; 通讯录同步助手 is not connected."
                ),
            )
        )
    elif "directory" in uses:
        keys = (setup.contacts_token, setup.contacts_aes_key)
        found.append(_key("directory_events", *keys, N_("Changes of the address book are told.")))
    return found


def _key(name: str, token: str, aes_key: str, fine: str) -> Check:
    try:
        CallbackCipher(token, aes_key, "").check()
    except BadAesKey as error:
        return Check.bad(name, error.message, error.hint)
    return Check(name, True, fine)


def _directory(client: WeComClient, connection: Connection) -> Iterator[Check]:
    """The permission to read people, tried on the first department that has any."""
    try:
        departments = client.departments()
        people = next((rows for row in departments if (rows := client.users_of(str(row["id"])))), [])
    except OutsideError as error:
        yield _told("directory", error)
        return
    if not people:
        yield Check.bad(
            "directory",
            N_("The app sees nobody."),
            N_("Set the app's visible range in the WeCom admin console to whoever travels or approves."),
        )
        return
    yield Check("directory", True, N_("The directory can be read."))
    attribute = str(connection.settings.get("number_attribute") or "")
    if attribute and not any(translate.attribute(row, attribute) for row in people):
        yield Check.bad(
            "directory",
            N_("Nobody's “{attribute}” can be read, which should hold the employee number."),
            N_("Let the app see that field under My company › Address book, or correct number_attribute."),
            {"attribute": attribute},
        )


def _forms(connection: Connection) -> list[Check]:
    try:
        mapping.form_maps(connection.settings)
    except FormNotMapped as error:
        return [Check.bad("forms", error.message, error.hint, error.params)]
    return list(forms.checks(WeComForms(connection), connection.settings.get("forms") or {}))


def _told(name: str, error: OutsideError) -> Check:
    return Check.bad(name, error.message, error.hint, error.params)
