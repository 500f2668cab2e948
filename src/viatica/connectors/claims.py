"""What each connector claims it can do, and by which tests that is proved, as one table: docs/connectors.md."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from viatica.connectors import registry

# The order in which the table tells them; what only one product has comes after.
AREAS: Mapping[str, tuple[str, ...]] = {
    "审批：OA 的表单与流程 · Approvals by the OA's own form and flow": (
        "form_mapping_suggested", "form_checked", "create_instance", "create_twice_is_once", "their_flow", "own_approvers",
        "self_selected_approvers", "choices_by_key", "attachments_as_files", "attachments_as_pictures",
        "attachments_as_links", "many_lines", "many_attachments", "rare_characters", "find_by_our_number", "look",
        "list_since", "withdraw", "comment", "add_signer", "copies", "undone_after_approval",
    ),
    "审批：行资的流程，OA 里办 · Approvals by our flow, at the OA's desk": (
        "desk_tasks", "desk_decides", "desk_closed_elsewhere", "desk_reconcile",
    ),
    "消息与待办 · Messages and to-dos": ("card", "card_updated", "message_result", "todo", "quotas_metered"),
    "登录 · Sign-in": ("sign_in_browser", "sign_in_inside", "sign_in_of_this_company_only", "jsapi_signature"),
    "通讯录 · Directory": ("directory_read", "directory_sync", "directory_events"),
    "回调与长连接 · Callbacks and the long connection": (
        "callback", "callback_forged_or_replayed", "callback_before_the_create_returned", "callback_failed_list",
        "long_connection",
    ),
    "其他 · All of it": ("token", "reconcile", "doctor"),
}  # fmt: skip
MARKS = {"done": "✓", "exempt": "–", "todo": "…"}


@dataclass(frozen=True, slots=True)
class Claim:
    """`state`: done, exempt or todo; the latter two say `why`. `unverified`: a fact that is configurable for that reason."""

    name: str
    state: str
    why: str = ""
    proved_by: tuple[str, ...] = ()
    unverified: str = ""


def of(kind: str) -> dict[str, Claim]:
    """By name. Raises FileNotFoundError where a connector claims nothing."""
    folder = Path(str(import_module(f"viatica.connectors.{kind}").__file__)).parent
    told = tomllib.loads((folder / "claims.toml").read_text(encoding="utf-8"))["claims"]
    return {
        name: Claim(
            name, one["state"], one.get("why", ""), tuple(one.get("proved_by", ())), one.get("unverified", "")
        )
        for name, one in told.items()
    }


def page() -> str:
    """Markdown: a table for each area, then the reasons."""
    products = {one.kind: one.name for one in registry.kinds() if one.kind in OURS}
    claims = {kind: of(kind) for kind in products}
    known = {name for names in AREAS.values() for name in names}
    own = {name: None for of_one in claims.values() for name in of_one if name not in known}
    parts = [
        "# 连接器能力 · What each connector can do",
        "由各连接器的 `claims.toml` 生成（`make docs`），每一项都有测试为证。 "
        "Rendered from the connectors' `claims.toml`; every ✓ names the tests that prove it.\n\n"
        "✓ 已证明 done · – 不适用 exempt · … 未做 to do",
    ]
    for title, names in {**AREAS, "各家自有 · Of one product only": tuple(own)}.items():
        if shown := [name for name in names if any(name in one for one in claims.values())]:
            parts += [f"## {title}", _table(shown, products, claims)]
    parts += ["## 说明 · Reasons", "\n".join(_reasons(products, claims))]
    return "\n\n".join(parts) + "\n"


OURS = ("dingtalk", "feishu", "wecom")


def _table(
    names: Iterable[str], products: Mapping[str, str], claims: Mapping[str, Mapping[str, Claim]]
) -> str:
    rows = [["", *products.values()], ["---", *(":-:" for _ in products)]]
    for name in names:
        cells = [MARKS[claims[kind][name].state] if name in claims[kind] else " " for kind in products]
        rows.append([name.replace("_", " "), *cells])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _reasons(products: Mapping[str, str], claims: Mapping[str, Mapping[str, Claim]]) -> Iterator[str]:
    for kind, product in products.items():
        for claim in claims[kind].values():
            said = claim.why or claim.unverified
            if said:
                mark = MARKS[claim.state]
                yield f"- {product}, {claim.name.replace('_', ' ')} ({mark}): {said}"
