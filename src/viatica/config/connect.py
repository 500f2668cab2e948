"""`viatica connect`: make or change a connection from one JSON file, and say which legal entities it serves.

```json
{"kind": "dingtalk", "name": "钉钉", "entities": ["SH"],
 "templates": {"expense_report": "PROC-…", "travel_request": "PROC-…"},
 "settings": {"corp_id": "ding…", "agent_id": "123", "robot_code": "ding…"},
 "secrets": {"app_key": "…", "app_secret": "…", "token": "…", "aes_key": "…"}}
```
`templates` are the OA's own codes of the forms our papers go into; they are read over there, and the mapping that their
fields suggest is kept; older files call them `process_codes`. `settings` may override any of the connector's own, that
mapping too. Secrets are sealed at once.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from django.conf import settings
from django.db import transaction
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from viatica.connectors import registry
from viatica.connectors.registry import Connector
from viatica.kernel.errors import ViaticaError
from viatica.offices.company.models import LegalEntity
from viatica.spine.models import Connection

USUAL = ("approval", "messages", "todo", "directory", "sign_in")


class Wanted(BaseModel):
    model_config = ConfigDict(extra="forbid")

    kind: str
    name: str = Field(min_length=1, max_length=80)
    entities: list[str] = Field(default_factory=list, description="Codes of the legal entities it serves.")
    uses: list[str] = Field(default_factory=list, description="None: everything its connector can.")
    templates: dict[str, str] = Field(
        default_factory=dict,
        validation_alias=AliasChoices("templates", "process_codes"),
        description="Kind of paper → code in the OA.",
    )
    settings: dict[str, Any] = Field(default_factory=dict)
    secrets: dict[str, str]


def connect(options: argparse.Namespace) -> int:
    """Exit 1 when the file, its kind or one of its entities cannot be used; then nothing has changed."""
    try:
        text = sys.stdin.read() if str(options.file) == "-" else options.file.read_text(encoding="utf-8")
        wanted = Wanted.model_validate_json(text)
        connection = _connection(options.slug, wanted, registry.of(wanted.kind))
        _write(connection, wanted.entities)
    except ValidationError as error:
        for one in error.errors():
            print(f"✗ {'.'.join(map(str, one['loc']))}: {one['msg']}", file=sys.stderr)
        return 1
    except (OSError, ViaticaError, LookupError) as error:
        print(f"✗ {error}", file=sys.stderr)
        return 1
    hook = f"{settings.PUBLIC_URL}/hooks/{connection.slug}"
    print(f"✓ {connection.name}（{connection.slug}） → {', '.join(wanted.entities) or '–'}")
    print(f"  回调地址 · callback address: {hook}")
    print("  下一步 · next: viatica doctor && viatica sync")
    return 0


def _connection(slug: str, wanted: Wanted, connector: Connector) -> Connection:
    """Not yet saved; the OA has been asked for its forms. Raises OutsideError, NoForms."""
    connection = Connection.objects.filter(slug=slug).first() or Connection(slug=slug)
    connection.kind, connection.name = wanted.kind, wanted.name
    connection.uses = wanted.uses or _all_uses(connector)
    connection.settings = {**connector.defaults, **connection.settings, **wanted.settings}
    connection.seal(wanted.secrets)
    if wanted.templates and "forms" not in wanted.settings:
        connection.settings["forms"] = registry.suggest(connection, wanted.templates)
    return connection


@transaction.atomic
def _write(connection: Connection, codes: list[str]) -> None:
    entities = LegalEntity.objects.filter(code__in=codes)
    unknown = set(codes) - {entity.code for entity in entities}
    if unknown:
        raise LookupError(f"没有这些法人主体 · no such legal entities: {', '.join(sorted(unknown))}")
    connection.save()
    entities.update(connection=connection)


def _all_uses(connector: Connector) -> list[str]:
    """Approvals by the OA's own form and flow: those by ours are asked for by name."""
    return [use for use in USUAL if connector.parts[use] is not None]
