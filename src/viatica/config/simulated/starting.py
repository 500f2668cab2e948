"""Start a simulator that knows our people, connect to it, and tell it where we listen."""

from __future__ import annotations

import contextlib
import json
import os
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from viatica.config.demo import plan
from viatica.config.demo.structure import Company
from viatica.config.processes import Child, Family, free_port, viatica
from viatica.config.simulated.company import parent_of
from viatica.config.simulated.product import Product, template_codes
from viatica.config.up import start_serving
from viatica.connectors import registry
from viatica.offices.company.models import LegalEntity, OutsideIdentity
from viatica.spine.models import Connection

PORT = 8100


def write_organisation(company: Company, product: Product, folder: Path) -> None:
    """The address book the simulator starts with."""
    folder.mkdir(parents=True, exist_ok=True)
    document = product.organisation(parent_of(company))
    (folder / "organisation.json").write_text(json.dumps(document, ensure_ascii=False, indent=1))


def start(family: Family, folder: Path, product: Product, *, seed: int = 0) -> dict[str, Any]:
    """Its state file keeps instances between runs; its first line says where it listens."""
    log = family.logs / f"{product.kind}.log"
    log.unlink(missing_ok=True)
    child = family.start(
        product.kind,
        viatica(
            "simulate", product.kind, "--port", str(free_port("127.0.0.1", PORT)), "--json",
            "--org", str(folder / "organisation.json"), "--state", str(folder / f"{product.kind}.state"),
            "--seed", str(seed),
        ),
        os.environ,
    )  # fmt: skip
    return _first_line(family, child)


def _first_line(family: Family, child: Child, seconds: float = 20) -> dict[str, Any]:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        family.check()
        for line in child.log.read_text().splitlines(keepends=True):
            if line.startswith("{") and line.endswith("\n"):
                facts: dict[str, Any] = json.loads(line)
                return facts
        time.sleep(0.05)
    raise TimeoutError(f"{child.name} said nothing within {seconds:.0f} s; see {child.log}")


def connect(
    company: Company, product: Product, facts: Mapping[str, Any], *, uses: Sequence[str]
) -> Connection:
    """From now on the parent approves there."""
    connection = Connection(
        slug=product.kind, kind=product.kind, name=f"{product.name}（演示）", uses=list(uses)
    )
    point_at(connection, product, facts)
    connection.save()
    OutsideIdentity.objects.bulk_create(
        OutsideIdentity(employee=member.employee, connection=connection, **product.identity(member))
        for member in parent_of(company).members
    )
    LegalEntity.objects.filter(code=plan.PARENT).update(connection=connection)
    return connection


def point_at(connection: Connection, product: Product, facts: Mapping[str, Any]) -> None:
    """Fill in where the simulator listens, what it accepts, and how its forms map; the caller saves."""
    connection.seal({name: facts[name] for name in product.secrets})
    connection.settings = {**registry.of(product.kind).defaults, **product.settings(facts)}
    connection.settings["forms"] = registry.suggest(connection, template_codes(product, facts))


def serve(family: Family, product: Product, facts: Mapping[str, Any]) -> str:
    """Web and worker, and the simulator told where our door is; our URL."""
    from django.db import connections

    connections.close_all()
    url = start_serving(family)
    _register(facts, f"{url}/hooks/{product.kind}")
    return url


def _register(facts: Mapping[str, Any], callback: str) -> None:
    """As an administrator does in the product's console. Raises TimeoutError."""
    request = urllib.request.Request(
        f"{facts['control_url']}/callback", data=json.dumps({"url": callback}).encode(), method="PUT"
    )
    answer: Any = {}
    for _ in range(20):
        with contextlib.suppress(OSError):
            answer = json.loads(urllib.request.urlopen(request, timeout=5).read())
            if answer.get("ok"):
                return
        time.sleep(0.25)
    raise TimeoutError(f"the simulated OA does not accept {callback}: {answer}")
