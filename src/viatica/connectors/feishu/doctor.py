"""Whether a connection can do what it is used for: credentials, permissions, events, and forms against their mapping."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from viatica.connectors.feishu import standard, translate
from viatica.connectors.feishu.client import ConnectionIncomplete, FeishuClient
from viatica.connectors.feishu.errors import FormNotMapped
from viatica.connectors.feishu.people import USER_ID_SCOPE
from viatica.connectors.feishu.translate import ROOT, TABLE, Definition, FormMap, Widget, WidgetSpec
from viatica.connectors.registry import Check
from viatica.kernel.errors import OutsideError
from viatica.kernel.words import N_
from viatica.spine.models import Connection


def check(connection: Connection) -> list[Check]:
    """Everything that can be told without creating anything. Subscribing to events is asked for again, no harm."""
    try:
        client = FeishuClient.of(connection)
    except ConnectionIncomplete as error:
        return [_bad("credentials", error.message, error.hint, error.params)]
    token = _token(client)
    if not token.ok:
        return [token, *_callback(client)]
    people = _directory(client) if {"directory", "sign_in"} & set(connection.uses) else ()
    return [token, *_callback(client), *people, *_forms(connection, client)]


def _token(client: FeishuClient) -> Check:
    try:
        client.check_token()
    except OutsideError as error:
        return _bad(
            "token",
            N_("Feishu does not accept the credentials: {said_by}"),
            N_("Copy App ID and App Secret again; add this server's address to the app's IP whitelist."),
            {"said_by": error.params["said_by"]},
        )
    return Check("token", True, N_("The token was issued."))


def _callback(client: FeishuClient) -> Iterator[Check]:
    setup = client.setup
    if not setup.verification_token:
        yield _bad(
            "callback",
            N_("The Verification Token is missing: decisions made in Feishu arrive late, by reconcile only."),
            N_(
                "Enter it, and the callback address, in the Feishu developer console under events and callbacks."
            ),
        )
    elif not setup.encrypt_key:
        yield _bad(
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
        yield _bad("directory", error.message, error.hint, error.params)
        return
    if person is not None and not person.get("user_id"):
        yield _bad(
            "directory",
            N_("The Feishu app lacks a permission: {scopes}."),
            N_("Grant it in the Feishu developer console, and publish a version of the app."),
            {"scopes": USER_ID_SCOPE},
        )
        return
    yield Check("directory", True, N_("The directory can be read."))


def _forms(connection: Connection, client: FeishuClient) -> Iterator[Check]:
    try:
        maps = translate.form_maps(connection.settings)
    except FormNotMapped as error:
        yield _bad("forms", error.message, error.hint, error.params)
        return
    for mapping in maps.values():
        name = f"form.{mapping.kind}"
        try:
            defined = translate.definition(client.definition(mapping.approval_code))
            client.subscribe(mapping.approval_code)
        except OutsideError as error:
            yield _bad(
                name,
                N_("The approval {code} cannot be read, or its events cannot be subscribed: {said_by}"),
                error.hint,
                {**error.params, "code": mapping.approval_code, "said_by": error.params["said_by"]},
            )
            continue
        found = list(_misfits(name, mapping, defined))
        yield from found or [Check(name, True, N_("Every mapped field fits the form, and its events come."))]


def _misfits(name: str, mapping: FormMap, defined: Definition) -> Iterator[Check]:
    for field, widget in mapping.fields.items():
        yield from _misfit(name, field, widget, defined.widgets)
    if mapping.lines:
        table = _found(mapping.lines.id, defined.widgets)
        yield from _misfit(name, "lines", Widget(mapping.lines.id, TABLE), defined.widgets)
        for field, widget in mapping.lines.columns.items():
            yield from _misfit(name, field, widget, table.children if table else ())
    if not defined.is_active:
        yield _bad(
            name,
            N_("The approval “{name}” is switched off."),
            N_("Publish it in the Feishu approval console."),
            {"name": defined.name},
        )
    yield from _unfilled(name, mapping, defined)


def _misfit(name: str, field: str, widget: Widget, specs: Sequence[WidgetSpec]) -> Iterator[Check]:
    spec = _found(widget.id, specs)
    fits = frozenset({TABLE}) if field == "lines" else standard.fits(field)
    if spec is None:
        yield _bad(
            name,
            N_("The form has no widget {id}, to which “{field}” is mapped."),
            N_("Map the form again: its widgets get new ids when they are made anew."),
            {"id": widget.id, "field": field},
        )
    elif spec.type != widget.type or widget.type not in fits:
        yield _bad(
            name,
            N_("The widget “{label}” is of the type {type}; “{field}” is mapped as {mapped}."),
            N_("Map the form again; the field goes into one of {fits}."),
            {
                "label": spec.name,
                "type": spec.type,
                "field": field,
                "mapped": widget.type,
                "fits": ", ".join(sorted(fits)),
            },
        )
    elif gone := sorted(set(widget.options.values()) - set(spec.options.values())):
        yield _bad(
            name,
            N_("The choice “{label}” no longer has {gone}."),
            N_("Map the form again: its options have changed."),
            {"label": spec.name, "gone": ", ".join(gone)},
        )
    elif field == "category" and (lacking := standard.categories_without_option(widget)):
        yield _bad(
            name,
            N_("The choice “{label}” has no option for {lacking}."),
            N_("Map each of our categories to one of its options, in every language people use here."),
            {"label": spec.name, "lacking": ", ".join(lacking)},
        )


def _unfilled(name: str, mapping: FormMap, defined: Definition) -> Iterator[Check]:
    """What Feishu would ask for and we do not give."""
    ids = [widget.id for widget in mapping.fields.values()] + ([mapping.lines.id] if mapping.lines else [])
    columns = [widget.id for widget in mapping.lines.columns.values()] if mapping.lines else []
    table = _found(mapping.lines.id, defined.widgets) if mapping.lines else None
    for spec in (*defined.widgets, *(table.children if table else ())):
        if spec.is_required and not any(spec.is_called(one) for one in (*ids, *columns)):
            yield _bad(
                name,
                N_("The form asks for “{label}”, which nothing of ours fills."),
                N_("Map a field to it, or make it optional in the form."),
                {"label": spec.name},
            )
    for node in defined.chosen_nodes:
        if not {node.key, node.other_key} & set(mapping.approver_nodes):
            yield _bad(
                name,
                N_("At the step “{node}” the applicant chooses who approves, which nothing of ours does."),
                N_("Name the step under approver_nodes, or let the approval choose for itself."),
                {"node": node.name or node.key},
            )


def _found(widget_id: str, specs: Sequence[WidgetSpec]) -> WidgetSpec | None:
    return next((spec for spec in specs if spec.is_called(widget_id)), None)


def _bad(name: str, said: str, remedy: str, params: dict[str, object] | None = None) -> Check:
    kept = tuple((key, str(value)) for key, value in (params or {}).items())
    return Check(name, False, said, remedy, kept)
