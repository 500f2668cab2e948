"""Whether a connection can do what it is used for: credentials, permissions, and forms against their mapping."""

from __future__ import annotations

from collections.abc import Iterator

from viatica.connectors import forms
from viatica.connectors.checking import Check
from viatica.connectors.dingtalk import stream, translate
from viatica.connectors.dingtalk.centre import NAMES, CentreClient
from viatica.connectors.dingtalk.client import DingTalkClient
from viatica.connectors.dingtalk.desk import TODO
from viatica.connectors.dingtalk.forms import DingTalkForms
from viatica.connectors.dingtalk.signing import BadAesKey, CallbackCipher
from viatica.connectors.errors import FormNotMapped
from viatica.connectors.setup import ConnectionIncomplete
from viatica.kernel.errors import OutsideError
from viatica.kernel.words import N_
from viatica.spine.models import Connection
from viatica.spine.streams import SETTING, PackageMissing


def check(connection: Connection) -> list[Check]:
    """Everything that can be told without creating anything."""
    try:
        client = DingTalkClient.of(connection)
    except ConnectionIncomplete as error:
        return [Check.bad("credentials", error.message, error.hint, error.params)]
    events = _line(client) if connection.settings.get(SETTING) else _callback(client)
    return [*_credentials(client), *events, *_desk(connection), *_forms(connection)]


def _credentials(client: DingTalkClient) -> Iterator[Check]:
    try:
        client.check_token()
    except OutsideError as error:
        yield Check.bad(
            "token",
            N_("DingTalk does not accept the credentials: {said_by}"),
            N_("Copy AppKey and AppSecret again; add this server's address to the app's IP whitelist."),
            {"said_by": error.params["said_by"]},
        )
        return
    yield Check("token", True, N_("Both tokens were issued."))
    if not client.setup.agent_id:
        yield Check.bad(
            "agent_id",
            N_("AgentId is missing: work notifications cannot be sent."),
            N_("Enter the AgentId of the app."),
        )


def _callback(client: DingTalkClient) -> Iterator[Check]:
    setup = client.setup
    if not setup.token or not setup.aes_key:
        yield Check.bad(
            "callback",
            N_(
                "Token or EncodingAESKey is missing: decisions made in DingTalk arrive late, by reconcile only."
            ),
            N_("Enter both, and the callback address, in the developer console under event subscription."),
        )
        return
    try:
        CallbackCipher(setup.token, setup.aes_key, setup.owner_keys).seal("success", timestamp="0", nonce="0")
    except BadAesKey as error:
        yield Check.bad("callback", error.message, error.hint)
        return
    yield Check("callback", True, N_("Token and EncodingAESKey are complete."))


def _line(client: DingTalkClient) -> Iterator[Check]:
    """The ticket that proves it is left to lapse."""
    try:
        stream.holder()
        client.open_stream()
    except PackageMissing as error:
        yield Check.bad("long_connection", error.message, error.hint, error.params)
    except OutsideError as error:
        yield Check.bad(
            "long_connection",
            N_("DingTalk does not open the long connection: {said_by}"),
            N_("Choose Stream as the way to push, in the developer console under event subscription."),
            {"said_by": error.params["said_by"]},
        )
    else:
        yield Check("long_connection", True, N_("The long connection can be opened."))


def _desk(connection: Connection) -> Iterator[Check]:
    if "desk" not in connection.uses or connection.settings.get("desk") == TODO:
        return
    try:
        for kind in NAMES:
            CentreClient.of(connection).template_named(NAMES[kind])
    except OutsideError as error:
        yield Check.bad(
            "desk",
            N_("DingTalk does not let the app use the process centre: {said_by}"),
            N_("Grant the app the permissions to read and write workflow templates and instances."),
            {"said_by": error.params["said_by"]},
        )
    else:
        yield Check("desk", True, N_("The process centre can be used."))


def _forms(connection: Connection) -> list[Check]:
    try:
        translate.form_maps(connection.settings)
    except FormNotMapped as error:
        return [Check.bad("forms", error.message, error.hint, error.params)]
    return list(forms.checks(DingTalkForms(connection), connection.settings.get("forms") or {}))
