"""Whether a connection can do what it is used for: credentials, permissions, events, and forms against their mapping."""

from __future__ import annotations

from collections.abc import Iterator

from viatica.connectors import forms
from viatica.connectors.checking import Check
from viatica.connectors.errors import FormNotMapped
from viatica.connectors.feishu import translate
from viatica.connectors.feishu.client import FeishuClient
from viatica.connectors.feishu.directory import USER_ID_SCOPE
from viatica.connectors.feishu.forms import FeishuForms
from viatica.connectors.feishu.translate import ROOT
from viatica.connectors.setup import ConnectionIncomplete
from viatica.kernel.errors import OutsideError
from viatica.kernel.words import N_
from viatica.spine.models import Connection


def check(connection: Connection) -> list[Check]:
    """Everything that can be told without creating anything. Subscribing to events is asked for again, no harm."""
    try:
        client = FeishuClient.of(connection)
    except ConnectionIncomplete as error:
        return [Check.bad("credentials", error.message, error.hint, error.params)]
    token = _token(client)
    if not token.ok:
        return [token, *_callback(client)]
    people = _directory(client) if {"directory", "sign_in"} & set(connection.uses) else ()
    return [token, *_callback(client), *people, *_forms(connection)]


def _token(client: FeishuClient) -> Check:
    try:
        client.check_token()
    except OutsideError as error:
        return Check.bad(
            "token",
            N_("Feishu does not accept the credentials: {said_by}"),
            N_("Copy App ID and App Secret again; add this server's address to the app's IP whitelist."),
            {"said_by": error.params["said_by"]},
        )
    return Check("token", True, N_("The token was issued."))


def _callback(client: FeishuClient) -> Iterator[Check]:
    setup = client.setup
    if not setup.verification_token:
        yield Check.bad(
            "callback",
            N_("The Verification Token is missing: decisions made in Feishu arrive late, by reconcile only."),
            N_(
                "Enter it, and the callback address, in the Feishu developer console under events and callbacks."
            ),
        )
    elif not setup.encrypt_key:
        yield Check.bad(
            "callback",
            N_(
                "Without an Encrypt Key callbacks are neither signed nor encrypted, and may be recorded and repeated."
            ),
            N_("Set an Encrypt Key in the Feishu developer console, and enter the same one here."),
        )
    else:
        yield Check("callback", True, N_("Verification Token and Encrypt Key are there."))


def _directory(client: FeishuClient) -> Iterator[Check]:
    """The permissions to read people, tried on the root's first page."""
    try:
        next(client.departments_below(ROOT), None)
        person = next(client.users_of(ROOT), None)
    except OutsideError as error:
        yield Check.bad("directory", error.message, error.hint, error.params)
        return
    if person is not None and not person.get("user_id"):
        yield Check.bad(
            "directory",
            N_("The Feishu app lacks a permission: {scopes}."),
            N_("Grant it in the Feishu developer console, and publish a version of the app."),
            {"scopes": USER_ID_SCOPE},
        )
        return
    yield Check("directory", True, N_("The directory can be read."))


def _forms(connection: Connection) -> list[Check]:
    try:
        translate.form_maps(connection.settings)
    except FormNotMapped as error:
        return [Check.bad("forms", error.message, error.hint, error.params)]
    return list(forms.checks(FeishuForms(connection), connection.settings.get("forms") or {}))
