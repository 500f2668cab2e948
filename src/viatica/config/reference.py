"""`make docs`: pages written from the code itself, so that they cannot disagree with it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from viatica.config.environment import Environment
from viatica.kernel.errors import ViaticaError


def reference(options: argparse.Namespace) -> int:
    """Into `folder`; beside it what each connector can do, which is kept with the code."""
    from viatica.connectors import claims

    folder: Path = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (
        ("settings.md", settings_page()),
        ("commands.md", commands_page()),
        ("errors.md", errors_page()),
    ):
        (folder / name).write_text(text)
    (folder.parent / "connectors.md").write_text(claims.page())
    (folder / "openapi.json").write_text(json.dumps(_openapi(), indent=1, ensure_ascii=False) + "\n")
    print(f"✓ {folder}: settings, commands, errors, openapi; {folder.parent / 'connectors.md'}")
    return 0


def settings_page() -> str:
    rows = []
    for name, field in Environment.model_fields.items():
        variable = (
            field.validation_alias if isinstance(field.validation_alias, str) else f"VIATICA_{name.upper()}"
        )
        rows.append(
            (f"`{variable}`", f"`{field.default}`" if str(field.default) else "–", field.description or "")
        )
    return _page(
        "Settings",
        "Environment variables. A secret may also be a file of that name, in lower case, in `VIATICA_SECRETS_DIR`.",
        ("variable", "default", "what"),
        rows,
    )


def commands_page() -> str:
    from viatica.config.command import VERBS

    rows = [(f"`viatica {verb.name}`", verb.help) for verb in VERBS]
    return _page(
        "Commands", "`viatica <command> --help` lists a command's options.", ("command", "what"), rows
    )


def errors_page() -> str:
    rows = sorted(
        {(f"`{one.code}`", str(one.status), one.message, one.hint) for one in _family(ViaticaError)}
    )
    return _page(
        "Errors",
        "The stable `code` of every refusal, as `application/problem+json` carries it.",
        ("code", "status", "message", "what to do"),
        rows,
    )


def _family(kind: type[ViaticaError]) -> Iterator[type[ViaticaError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _family(child)


def _openapi() -> dict[str, object]:
    from viatica.front.api import api

    return dict(api.get_openapi_schema())


def _page(title: str, lead: str, head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [f"# {title}", "", lead, "", _row(head), _row("---" for _ in head)]
    return "\n".join([*lines, *(_row(row) for row in rows), ""])


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
