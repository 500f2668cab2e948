"""The forms of the path: what a connection is for, and its credentials."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from viatica.connectors.guide import Guide, Hears
from viatica.front.desks.connections.products import credentials, hears, said, secrets_of
from viatica.spine.models import Connection

WAYS = ("approval", "desk")  # one of them, or neither


class UseForm(forms.Form):
    """`able`: what the product can do at all."""

    name = forms.CharField(label=_("Name"), max_length=80, required=False)
    way = forms.ChoiceField(label=_("How papers are approved"), required=False, widget=forms.RadioSelect)
    hears = forms.ChoiceField(label=_("How it tells us"), required=False, widget=forms.RadioSelect)
    uses = forms.MultipleChoiceField(label=_("Also for"), required=False, widget=forms.CheckboxSelectMultiple)

    def __init__(
        self, data: Any, *, guide: Guide, able: list[str], can_hear: list[Hears], connection: Connection | None = None
    ) -> None:  # fmt: skip
        now = connection.uses if connection else [use for use in able if use != "desk"]
        initial = {
            "name": connection.name if connection else guide.product.word,
            "way": next((use for use in WAYS if use in now), ""),
            "uses": [use for use in now if use not in WAYS],
            "hears": hears(connection).value if connection else can_hear[0].value if can_hear else "",
        }
        super().__init__(data, initial=initial)
        product = said(guide.product)
        self.ways = [(use, *_way(use, product)) for use in (*(w for w in WAYS if w in able), "")]
        self.more = [(use, *_more(use, product)) for use in able if use not in WAYS]
        self.lines = [(way.value, *_heard(way, product)) for way in can_hear] if len(can_hear) > 1 else []
        self.fields["hears"].choices = [(way.value, way.value) for way in can_hear]  # type: ignore[attr-defined]
        self.fields["way"].choices = [(use, title) for use, title, _says in self.ways]  # type: ignore[attr-defined]
        self.fields["uses"].choices = [(use, title) for use, title, _says in self.more]  # type: ignore[attr-defined]

    def wanted(self) -> list[str]:
        way = self.cleaned_data["way"]
        return [*([way] if way else []), *self.cleaned_data["uses"]]

    def told(self) -> Hears | None:
        """None: as it is."""
        return Hears(way) if (way := self.cleaned_data["hears"]) else None

    @property
    def chosen_line(self) -> str:
        return str(self["hears"].value() or "")

    @property
    def chosen_way(self) -> str:
        return str(self["way"].value() or "")

    @property
    def chosen_uses(self) -> list[str]:
        return list(self["uses"].value() or [])


def _way(use: str, product: str) -> tuple[str, str]:
    match use:
        case "approval":
            return (
                gettext("{product}'s own form and flow").format(product=product),
                gettext("A paper becomes an approval over there; its flow decides who is asked."),
            )
        case "desk":
            return (
                gettext("The flow here, the tasks in {product}").format(product=product),
                gettext(
                    "Who is asked is decided here; each task is shown over there, and done there where it can be."
                ),
            )
        case _:
            return gettext("Not through {product}").format(product=product), ""


def _heard(way: Hears, product: str) -> tuple[str, str]:
    match way:
        case Hears.CALLBACKS:
            return (
                gettext("{product} calls this server").format(product=product),
                gettext("This server needs an address that can be reached from the internet."),
            )
        case Hears.LONG_CONNECTION:
            return (
                gettext("This server opens a long connection to {product}").format(product=product),
                gettext("Nothing needs to reach this server from outside."),
            )


def _more(use: str, product: str) -> tuple[str, str]:
    match use:
        case "todo":
            return gettext("To-dos"), gettext("Each open task stands in the list of to-dos over there.")
        case "messages":
            return gettext("Messages"), gettext("Notices and reminders arrive as cards.")
        case "directory":
            return gettext("Directory"), gettext("Departments and people are taken from there.")
        case _:
            return gettext("Sign-in"), gettext(
                "People sign in with {product}, inside it without being asked."
            ).format(product=product)


class CredentialsForm(forms.Form):
    """A secret that is kept is not shown: left empty it stays as it is."""

    def __init__(self, data: Any, *, guide: Guide, connection: Connection) -> None:
        super().__init__(data)
        self.guide = guide
        secrets = secrets_of(connection)
        self.asked = credentials(connection, guide)
        self.kept = {one.name for one in self.asked if one.is_secret and secrets.get(one.name)}
        for one in self.asked:
            where = gettext("Under {place}").format(place=said(one.where))
            help_text = f"{where} · {gettext(one.help)}" if one.help else where
            self.fields[one.name] = forms.CharField(
                label=said(one.term), help_text=help_text, required=False, max_length=500,
                widget=_secret(one.name in self.kept) if one.is_secret else _plain(),
                initial="" if one.is_secret else secrets.get(one.name) or connection.settings.get(one.name) or "",
            )  # fmt: skip
        for host in guide.hosts:
            self.fields[host.name] = forms.CharField(
                label=gettext(host.label), required=False, max_length=500, widget=_plain(host.usual),
                initial=connection.settings.get(host.name) or host.usual,
            )  # fmt: skip

    @property
    def credentials(self) -> list[tuple[Any, bool, bool]]:
        """Field, whether a secret of it is kept, whether it may stay empty."""
        return [(self[one.name], one.name in self.kept, not one.is_required) for one in self.asked]

    @property
    def hosts(self) -> list[Any]:
        return [self[host.name] for host in self.guide.hosts]

    @property
    def are_hosts_unusual(self) -> bool:
        return any(
            self[host.name].errors or self[host.name].value() != host.usual for host in self.guide.hosts
        )

    def values(self) -> dict[str, str]:
        return {one.name: self.cleaned_data[one.name] for one in self.asked}

    def host_values(self) -> dict[str, str]:
        return {host.name: self.cleaned_data[host.name] for host in self.guide.hosts}


def _secret(is_kept: bool) -> forms.PasswordInput:
    hint = gettext("kept · leave empty to keep it") if is_kept else ""
    return forms.PasswordInput(attrs={"autocomplete": "off", "spellcheck": "false", "placeholder": hint})


def _plain(placeholder: str = "") -> forms.TextInput:
    return forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "placeholder": placeholder})
