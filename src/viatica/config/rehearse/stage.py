"""The stage of a rehearsal: a house of its own in a temporary folder, or the one that runs here."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from viatica.config import logs, simulated
from viatica.config.database import ensure_database, stop_embedded
from viatica.config.processes import Family
from viatica.config.rehearse.doors import HTTP, Control, Person

USES = {"A": "approval", "B": "desk"}  # whose flow decides: the OA's, or ours on the OA's desk


class NoCast(RuntimeError):
    """Nobody here can play a part; the words say which and what to do."""


@dataclass(frozen=True, slots=True)
class Stage:
    """`control` is None where people decide in a real OA, or where the flow is our own."""

    url: str
    connection_id: int | None
    is_theirs: bool  # whether the OA's own flow decides
    control: Control | None
    owner: Person
    owner_id: int
    finance: Person
    cashier: Person
    checker: Person
    entity: str
    city: str

    def person(self, employee_id: int) -> Person:
        """Any colleague, as an API user."""
        return _person(self.url, employee_id)


@contextmanager
def own_stage(oa: str, mode: str, *, seed: int) -> Iterator[Stage]:
    """A new company, its database, web, worker and simulated OA; all gone afterwards."""
    home = Path(tempfile.mkdtemp(prefix="viatica-rehearsal-"))
    home.chmod(0o755)  # an embedded server started by root runs as somebody else
    for name in ("DATABASE_URL", "VIATICA_PUBLIC_URL"):
        os.environ.pop(name, None)
    os.environ.update(VIATICA_HOME=str(home), VIATICA_PORT="0")
    family = Family(home / "log")
    try:
        ensure_database(home)
        yield _set_up(oa, mode, home, family, seed)
    finally:
        family.stop()
        stop_embedded(home)
        shutil.rmtree(home, ignore_errors=True)


def _set_up(oa: str, mode: str, home: Path, family: Family, seed: int) -> Stage:
    from viatica.config.up import prepare, start_serving

    prepare(home)
    logs.configure(os.environ["VIATICA_LOG_LEVEL"])
    from viatica.config.demo import seed as company
    from viatica.config.simulated import starting
    from viatica.kernel import clock

    folder = home / "demo"
    people = company.people_and_places(at=clock.now() - timedelta(days=1))
    if oa == "none":
        return _cast("", mode, start_serving(family))
    product = simulated.of(oa)
    starting.write_organisation(people, product, folder)
    facts = starting.start(family, folder, product, seed=seed)
    uses = [USES[mode], *(use for use in product.uses if use != "approval")]
    starting.connect(people, product, facts, uses=uses)
    return _cast(oa, mode, starting.serve(family, product, facts))


@contextmanager
def this_stage(oa: str, mode: str, *, seed: int) -> Iterator[Stage]:
    """The house that runs here, with its people and its connection; what we make stays."""
    import django

    ensure_database(Path(os.environ["VIATICA_HOME"]))
    django.setup()
    logs.configure(os.environ["VIATICA_LOG_LEVEL"])
    from django.conf import settings

    yield _cast("" if oa == "none" else oa, mode, settings.PUBLIC_URL)


def _cast(kind: str, mode: str, url: str) -> Stage:
    """An employee with a manager where such a connection decides, and the people of finance there."""
    from viatica.offices.access.models import Grant, Role
    from viatica.offices.company.models import City, Employee, LegalEntity

    entities = (
        LegalEntity.objects.filter(connection__kind=kind, connection__uses__contains=[USES[mode]])
        if kind
        else LegalEntity.objects.filter(connection=None)
    )
    entity = entities.select_related("connection").order_by("id").first()
    if entity is None:
        raise NoCast(
            f"no legal entity approves through {kind or 'the in-house flow'}: connect one, then rehearse"
        )
    owners = Employee.objects.filter(entity=entity, is_active=True, manager__isnull=False, user__isnull=False)
    if kind:
        owners = owners.filter(identities__connection=entity.connection)
    watching = Grant.objects.filter(
        user__employee__is_active=True, entity_id__in=[None, entity.pk]
    ) | Grant.objects.filter(entity=None, user__employee__is_active=True)

    def holder(role: Role, *others: int) -> int:
        grants = (watching.filter(role=role) | Grant.objects.filter(role=role, entity=entity)).exclude(
            user__employee_id__in=others
        )
        found = grants.values_list("user__employee_id", flat=True).order_by("id").first()
        if found is None:
            raise NoCast(f"nobody holds the role {role.value} for {entity.name}: grant it, then rehearse")
        return found

    finance = holder(Role.FINANCE)
    cashier = holder(Role.CASHIER)
    checker = holder(Role.FINANCE, cashier)
    owner = (
        owners.exclude(pk__in=[finance, cashier, checker]).exclude(heads__isnull=False).order_by("id").first()
    )
    if owner is None:
        raise NoCast(f"nobody in {entity.name} has a manager and a place in the OA")
    return Stage(
        url=url,
        connection_id=entity.connection_id,
        is_theirs=bool(kind) and mode == "A",
        control=_control(entity.connection),
        owner=_person(url, owner.pk),
        owner_id=owner.pk,
        finance=_person(url, finance),
        cashier=_person(url, cashier),
        checker=_person(url, checker),
        entity=entity.code,
        city=City.objects.filter(tier="t1").order_by("id").values_list("name", flat=True)[0],
    )


def _control(connection: Any) -> Control | None:
    """The control door, when the other side is a simulator."""
    if connection is None:
        return None
    url = f"{connection.settings['base_url']}/_control"
    is_simulated = HTTP.request("GET", url).status == 200
    return Control(url, simulated.of(connection.kind)) if is_simulated else None


def _person(url: str, employee_id: int) -> Person:
    from viatica.kernel import clock
    from viatica.offices.access.models import User
    from viatica.offices.access.services import issue_token

    user = User.objects.select_related("employee").get(employee_id=employee_id)
    at = clock.now()
    token = issue_token(user=user, name="rehearsal", at=at, expires_at=at + timedelta(hours=1))
    return Person(str(user), url, token)
