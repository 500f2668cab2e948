"""Whether a connection can do what it is used for: credentials, permissions, and forms against their mapping."""

from __future__ import annotations

from collections.abc import Iterator

from viatica.connectors.dingtalk import translate
from viatica.connectors.dingtalk.client import ConnectionIncomplete, DingTalkClient
from viatica.connectors.dingtalk.errors import FormNotMapped
from viatica.connectors.dingtalk.signing import BadAesKey, CallbackCipher
from viatica.connectors.dingtalk.translate import FormMap, Label, SchemaItem
from viatica.connectors.registry import Check
from viatica.kernel.errors import OutsideError
from viatica.kernel.words import N_
from viatica.spine.models import Connection

TEXTS = frozenset({"TextField", "TextareaField"})
NUMBERS = frozenset({"MoneyField", "NumberField"})
# What our fields may be poured into. A field that is not listed here goes into a text component.
FITS: dict[str, frozenset[str]] = {
    "amount": NUMBERS | TEXTS,
    "applicant": frozenset({"InnerContactField"}),
    "attachments": TEXTS | {"DDPhotoField"},
}
ANYTHING = TEXTS | NUMBERS | {"DDSelectField", "DDDateField", "PhoneField"}
DATE_RANGE = frozenset({"DDDateRangeField"})
IN_ROWS = TEXTS | NUMBERS | {"DDSelectField", "DDDateField"}


def check(connection: Connection) -> list[Check]:
    """Everything that can be told without creating anything."""
    try:
        client = DingTalkClient.of(connection)
    except ConnectionIncomplete as error:
        return [_bad("credentials", error.message, error.hint, error.params)]
    return [*_credentials(client), *_callback(client), *_forms(connection, client)]


def _credentials(client: DingTalkClient) -> Iterator[Check]:
    try:
        client.check_token()
    except OutsideError as error:
        yield _bad(
            "token",
            N_("DingTalk does not accept the credentials: {said_by}"),
            N_("Copy AppKey and AppSecret again; add this server's address to the app's IP whitelist."),
            {"said_by": error.params["said_by"]},
        )
        return
    yield Check("token", True, N_("Both tokens were issued."))
    if not client.setup.agent_id:
        yield _bad(
            "agent_id",
            N_("AgentId is missing: work notifications cannot be sent."),
            N_("Enter the AgentId of the app."),
        )


def _callback(client: DingTalkClient) -> Iterator[Check]:
    setup = client.setup
    if not setup.token or not setup.aes_key:
        yield _bad(
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
        yield _bad("callback", error.message, error.hint)
        return
    yield Check("callback", True, N_("Token and EncodingAESKey are complete."))


def _forms(connection: Connection, client: DingTalkClient) -> Iterator[Check]:
    try:
        maps = translate.form_maps(connection.settings)
    except FormNotMapped as error:
        yield _bad("forms", error.message, error.hint, error.params)
        return
    for mapping in maps.values():
        try:
            items = translate.schema(client.form_schema(mapping.process_code))
        except OutsideError as error:
            yield _bad(
                f"form.{mapping.kind}",
                N_("The template {code} cannot be read: {said_by}"),
                N_("Check the process code, and the permission to read workflow templates."),
                {"code": mapping.process_code, "said_by": error.params["said_by"]},
            )
            continue
        found = list(_misfits(mapping, items))
        yield from found or [Check(f"form.{mapping.kind}", True, N_("Every mapped field fits the template."))]


def _misfits(mapping: FormMap, items: list[SchemaItem]) -> Iterator[Check]:
    name = f"form.{mapping.kind}"
    for field, label in mapping.fields.items():
        yield from _misfit(name, translate.component_name(label), items, _fits(field, label, mapping))
    if mapping.lines:
        table = _item(mapping.lines.label, items)
        yield from _misfit(name, mapping.lines.label, items, frozenset({"TableField"}))
        for label in mapping.lines.columns.values():
            yield from _misfit(name, label, list(table.children) if table else [], IN_ROWS)
    mapped = [translate.component_name(label) for label in mapping.fields.values()]
    mapped += [mapping.lines.label] if mapping.lines else []
    for item in items:
        if item.is_required and not any(translate.same_name(one, item.label) for one in mapped):
            yield _bad(
                name,
                N_("The template asks for “{label}”, which nothing of ours fills."),
                N_("Map a field to it, or make it optional in the template."),
                {"label": item.label},
            )


def _fits(field: str, label: Label, mapping: FormMap) -> frozenset[str]:
    if isinstance(label, tuple):
        return DATE_RANGE
    if field == "attachments":
        return TEXTS if mapping.attachments_as == "links" else frozenset({"DDPhotoField"})
    return FITS.get(field, ANYTHING)


def _item(label: str, items: list[SchemaItem]) -> SchemaItem | None:
    return next((one for one in items if translate.same_name(one.label, label)), None)


def _misfit(name: str, label: str, items: list[SchemaItem], fits: frozenset[str]) -> Iterator[Check]:
    item = _item(label, items)
    if item is None:
        yield _bad(
            name,
            N_("The template has no component “{label}”."),
            N_("Correct the mapping: a component's name must be its label, to the letter."),
            {"label": label},
        )
    elif item.component not in fits:
        yield _bad(
            name,
            N_("The component “{label}” is a {component}, which does not take this value."),
            N_("Use one of {fits}."),
            {"label": label, "component": item.component, "fits": ", ".join(sorted(fits))},
        )


def _bad(name: str, said: str, remedy: str, params: dict[str, object] | None = None) -> Check:
    kept = tuple((key, str(value)) for key, value in (params or {}).items())
    return Check(name, False, said, remedy, kept)
