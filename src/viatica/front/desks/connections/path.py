"""The path by which a connection is set up: eight steps, each of which may be left and found again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from viatica.connectors.guide import Credential, Guide, Ours, Place
from viatica.front.desks.connections import checks, mapping, rehearsal
from viatica.front.desks.connections.checks import Checked
from viatica.front.desks.connections.products import credentials, secrets_of
from viatica.offices.company.directory.terms import last_applied
from viatica.spine.models import Connection

STEPS: dict[str, Any] = {
    "product": _("Product and use"),
    "console": _("Set it up over there"),
    "credentials": _("Credentials"),
    "check": _("Live check"),
    "directory": _("Directory"),
    "forms": _("Forms"),
    "rehearsal": _("Rehearsal"),
    "switch": _("Switch on"),
}


@dataclass(frozen=True, slots=True)
class Step:
    """`state`: done, wrong, todo or skipped. `no` counts from 1."""

    key: str
    no: int
    title: Any
    state: str

    @property
    def is_open(self) -> bool:
        return self.state in ("todo", "wrong")


@dataclass(frozen=True, slots=True)
class Path:
    steps: list[Step]
    checked: Checked | None

    @property
    def next(self) -> str:
        """The first step with something left to do; the last one, when there is none."""
        return next((one.key for one in self.steps if one.is_open and one.key != "rehearsal"), "switch")

    def step(self, key: str) -> Step:
        return next(one for one in self.steps if one.key == key)

    def after(self, key: str) -> Step | None:
        """The next step that is not skipped."""
        later = [one for one in self.steps if one.no > self.step(key).no and one.state != "skipped"]
        return later[0] if later else None

    def before(self, key: str) -> Step | None:
        earlier = [one for one in self.steps if one.no < self.step(key).no and one.state != "skipped"]
        return earlier[-1] if earlier else None


def of(connection: Connection, guide: Guide) -> Path:
    checked = checks.last(connection)
    return Path(
        [
            Step(key, no, title, _state(key, connection, guide, checked))
            for no, (key, title) in enumerate(STEPS.items(), 1)
        ],
        checked,
    )


def _state(key: str, connection: Connection, guide: Guide, checked: Checked | None) -> str:
    match key:
        case "product":
            return "done"
        case "console" | "credentials":
            return "todo" if lacking(connection, guide) else "done"
        case "check":
            return "todo" if checked is None or checked.is_old else "done" if checked.is_well else "wrong"
        case "directory":
            if "directory" not in connection.uses:
                return "skipped"
            return "done" if last_applied(connection) else "todo"
        case "forms":
            if "approval" not in connection.uses:
                return "skipped"
            kept, sound = connection.settings.get("forms") or {}, checks.sound_forms(connection)
            return "done" if mapping.KINDS.keys() <= sound & kept.keys() else "wrong" if kept else "todo"
        case "rehearsal":
            if not rehearsal.way_of(connection):
                return "skipped"
            trial = rehearsal.current(connection)
            return "done" if trial and trial.is_over else "todo"
        case _:
            return "done" if connection.is_active else "todo"


def lacking(connection: Connection, guide: Guide) -> list[Credential]:
    """The credentials that are needed and not there."""
    secrets = secrets_of(connection)
    return [
        one
        for one in credentials(connection, guide)
        if one.is_required and not (secrets.get(one.name) or connection.settings.get(one.name))
    ]


def has_all_of(place: Place, connection: Connection, guide: Guide) -> bool:
    """Whether every credential that a page of the console shows is here, needed or not."""
    there = {**connection.settings, **secrets_of(connection)}
    return all(
        there.get(one.name)
        for one in credentials(connection, guide)
        if one.is_required or one.where.word.startswith(place.title.word)
    )


def address(ours: Ours, connection: Connection) -> str:
    """One of our addresses as the console wants it."""
    match ours:
        case Ours.HOOK:
            return settings.PUBLIC_URL + reverse("spine:hook", args=[connection.slug])
        case Ours.SIGN_IN_BACK:
            return settings.PUBLIC_URL + reverse("front:outside_finish", args=[connection.slug])
        case Ours.INSIDE:
            return settings.PUBLIC_URL + reverse("front:inside", args=[connection.slug])
        case Ours.HOST:
            return urlsplit(settings.PUBLIC_URL).netloc
        case Ours.HOME:
            return str(settings.PUBLIC_URL)


def is_public() -> bool:
    """Whether a product could reach us: not when this server calls itself by a loopback address."""
    return urlsplit(settings.PUBLIC_URL).hostname not in ("127.0.0.1", "localhost", "::1", None)
