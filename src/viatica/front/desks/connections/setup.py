"""The pages of the path. Each step is a form of its own; leaving is never losing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods

from viatica.connectors import registry
from viatica.connectors.guide import Guide, Hears
from viatica.front.desks.connections import (
    changes,
    checks,
    directory_pages,
    form_pages,
    path,
    products,
    rehearsal,
    rehearsal_pages,
    switching,
)
from viatica.front.desks.connections.forms import CredentialsForm, UseForm
from viatica.front.desks.connections.health import connection_of
from viatica.front.desks.connections.products import said
from viatica.front.forms import blame, write_once
from viatica.front.viewer import SignedIn, signed_in
from viatica.kernel.errors import NotFound, ViaticaError
from viatica.offices.access.models import Role
from viatica.spine.models import Connection

PAGES = ("GET", "HEAD", "POST")


@signed_in
@require_http_methods(PAGES)
def new(request: SignedIn) -> HttpResponse:
    """Which product, then what for."""
    request.viewer.need(Role.ADMINISTRATOR)
    kind = request.POST.get("kind") or request.GET.get("kind") or ""
    if not kind:
        return render(request, "front/connection_new.html", {"here": "connections", "products": _cards()})
    guide, able = products.guide_of(kind), products.able(registry.of(kind))
    can_hear = products.can_hear(kind)
    form = UseForm(request.POST or None, guide=guide, able=able, can_hear=can_hear)
    if request.method == "POST" and form.is_valid():

        def run(at: datetime) -> str:
            made = changes.create(
                viewer=request.viewer, kind=kind, name=form.cleaned_data["name"], uses=form.wanted(),
                hears=form.told(), at=at, via="web",
            )  # fmt: skip
            return _step(made.slug, "console")

        try:
            return write_once(request, run)
        except ViaticaError as error:
            _or_raise(error)
            blame(form, error)
    context = {
        "here": "connections",
        "kind": kind,
        "guide": guide,
        "product": said(guide.product),
        "form": form,
    }
    return render(
        request, "front/connection_new.html", context, status=422 if form.is_bound and form.errors else 200
    )


def _cards() -> list[dict[str, Any]]:
    """What can be connected here, and what for, as its connector declares it."""
    found = []
    for connector, guide in products.offered():
        can: list[Any] = [products.WORDS[use] for use in products.able(connector)]
        if connector.stream:
            can.append(gettext("Long connection"))
        found.append({"kind": connector.kind, "name": said(guide.product), "can": can})
    return found


@signed_in
@require_http_methods(PAGES)
def setup(request: SignedIn, slug: str, step: str) -> HttpResponse:
    """One step of the path; `next` is wherever something is left to do."""
    connection = connection_of(request.viewer, slug)
    guide = products.guide_of(connection.kind)
    if step == "next":
        return HttpResponseRedirect(_step(slug, path.of(connection, guide).next))
    if step not in STEPS:
        raise NotFound()
    return STEPS[step](request, connection, guide)


Page = Callable[[SignedIn, Connection, Guide], HttpResponse]


def _product(request: SignedIn, connection: Connection, guide: Guide) -> HttpResponse:
    able = products.able(registry.of(connection.kind))
    form = UseForm(
        request.POST if request.method == "POST" else None, guide=guide, able=able, connection=connection,
        can_hear=products.can_hear(connection.kind),
    )  # fmt: skip

    def run(at: datetime) -> str:
        changes.change(
            viewer=request.viewer, slug=connection.slug, version=request.POST.get("version", ""),
            name=form.cleaned_data["name"], uses=form.wanted(), hears=form.told(), at=at, via="web",
        )  # fmt: skip
        return _step(connection.slug, "console")

    return _form_step(request, connection, guide, "product", form, run)


def _console(request: SignedIn, connection: Connection, guide: Guide) -> HttpResponse:
    return _page(request, connection, guide, "console", {"places": _places(connection, guide)})


def _places(connection: Connection, guide: Guide) -> list[dict[str, Any]]:
    """The console's pages in its own words, our addresses filled in."""
    return [
        {
            "title": said(one.place.title),
            "way": [said(part) for part in one.place.path],
            "url": one.place.url,
            "says": gettext(one.place.says),
            "is_tried": one.place.is_tried_at_once,
            "can_be_tried": one.place.is_tried_at_once
            and one.place.only is not Hears.LONG_CONNECTION
            and path.has_all_of(one.place, connection, guide),
            "is_line": one.place.only is Hears.LONG_CONNECTION,
            "addresses": [(said(part.term), path.address(part.ours, connection)) for part in one.addresses],
            "permissions": [(said(part.term), part.code) for part in one.permissions],
            "events": [(said(part.term), part.code) for part in one.events],
            "choices": [(said(part.term), said(part.pick)) for part in one.choices],
            "bulk": said(one.place.bulk.term) if one.place.bulk else "",
            "all": one.all_at_once,
        }
        for one in products.places(connection, guide)
    ]


def _credentials(request: SignedIn, connection: Connection, guide: Guide) -> HttpResponse:
    form = CredentialsForm(
        request.POST if request.method == "POST" else None, guide=guide, connection=connection
    )

    def run(at: datetime) -> str:
        changes.enter(
            viewer=request.viewer, slug=connection.slug, version=request.POST.get("version", ""),
            values=form.values(), hosts=form.host_values(), at=at, via="web",
        )  # fmt: skip
        messages.success(request, gettext("Saved and sealed."))
        return _step(connection.slug, "check")

    return _form_step(request, connection, guide, "credentials", form, run)


def _check(request: SignedIn, connection: Connection, guide: Guide) -> HttpResponse:
    """Asked outside of any transaction: the product may take its time."""
    if request.method == "POST":
        found = checks.ask(connection)
        write_once(request, lambda at: _kept(request, connection, found, at))
        if not request.htmx:
            return HttpResponseRedirect(_step(connection.slug, "check"))
    left_open = [one for one in _places(connection, guide) if one["can_be_tried"]]
    return _page(request, connection, guide, "check", {"left_open": left_open})


def _kept(request: SignedIn, connection: Connection, found: list[Any], at: datetime) -> str:
    checks.keep(connection, found, request.viewer, at, "web")
    return ""


def _switch(request: SignedIn, connection: Connection, guide: Guide) -> HttpResponse:
    if request.method == "POST":
        wrong = _switched(request, connection)
        if wrong is None:
            return HttpResponseRedirect(reverse("front:connection", args=[connection.slug]))
        connection = connection_of(request.viewer, connection.slug)
        return _switch_page(request, connection, guide, wrong)
    return _switch_page(request, connection, guide, None)


def _switched(request: SignedIn, connection: Connection) -> ViaticaError | None:
    """What stood in the way, if anything did."""
    version, slug = request.POST.get("version", ""), connection.slug
    say: dict[str, Any] = {"viewer": request.viewer, "slug": slug, "version": version, "via": "web"}
    chosen = {int(one) for one in request.POST.getlist("entity") if one.isdecimal() and len(one) < 10}

    def run(at: datetime) -> str:
        if request.POST.get("what") == "off":
            switching.switch_off(at=at, **say)
            messages.success(request, gettext("Switched off: nothing goes out or comes in."))
        else:
            switching.switch_on(entities=chosen, found=found, at=at, **say)
            messages.success(request, gettext("Switched on."))
        return ""

    try:
        connection = changes.unchanged(request.viewer, slug, version)
        found = [] if request.POST.get("what") == "off" else checks.ask_if_possible(connection)
        write_once(request, run)
    except ViaticaError as error:
        _or_raise(error)
        return error
    return None


def _switch_page(
    request: SignedIn, connection: Connection, guide: Guide, wrong: ViaticaError | None
) -> HttpResponse:
    more = {
        "board": switching.board(request.viewer, connection),
        "wrong": wrong,
        "approves": bool({"approval", "desk"} & set(connection.uses)),
        "is_public": path.is_public() or products.hears(connection) is Hears.LONG_CONNECTION,
        "lines": [one["title"] for one in _places(connection, guide) if one["is_line"]],
    }
    return _page(request, connection, guide, "switch", more, status=wrong.status if wrong else 200)


def _form_step(
    request: SignedIn,
    connection: Connection,
    guide: Guide,
    step: str,
    form: Any,
    run: Callable[[datetime], str],
) -> HttpResponse:
    """Save and go on; or the form again, with what is wrong next to its field."""
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                return write_once(request, run)
            except ViaticaError as error:
                _or_raise(error)
                blame(form, error)
                status = error.status
                connection = connection_of(request.viewer, connection.slug)
    return _page(request, connection, guide, step, {"form": form}, status=status)


def _page(
    request: SignedIn, connection: Connection, guide: Guide, step: str, more: dict[str, Any], *, status: int = 200
) -> HttpResponse:  # fmt: skip
    way = path.of(connection, guide)
    context = {
        "here": "connections",
        "connection": connection,
        "guide": guide,
        "product": said(guide.product),
        "path": way,
        "checked": way.checked,
        "step": way.step(step),
        "earlier": way.before(step),
        "later": way.after(step),
        "version": changes.version_of(request.viewer, connection),
        **more,
    }
    return render(request, f"front/connection_{step}.html", context, status=status)


def _step(slug: str, step: str) -> str:
    return reverse("front:connection_setup", args=[slug, step])


def _or_raise(error: ViaticaError) -> None:
    """Who may not be here does not get the form again."""
    if error.status in (403, 404):
        raise error


def _forms(request: SignedIn, connection: Connection, guide: Guide) -> HttpResponse:
    def show(step: str, more: dict[str, Any], *, status: int = 200) -> HttpResponse:
        return _page(request, connection, guide, step, more, status=status)

    return form_pages.forms(request, connection, guide, show, _step(connection.slug, "forms"))


def _directory(request: SignedIn, connection: Connection, guide: Guide) -> HttpResponse:
    def show(step: str, more: dict[str, Any], *, status: int = 200) -> HttpResponse:
        return _page(request, connection, guide, step, more, status=status)

    return directory_pages.directory(request, connection, show, _step(connection.slug, "directory"))


def _rehearsal(request: SignedIn, connection: Connection, guide: Guide) -> HttpResponse:
    if not rehearsal.way_of(connection):
        return HttpResponseRedirect(_step(connection.slug, "switch"))

    def show(step: str, more: dict[str, Any], *, status: int = 200) -> HttpResponse:
        return _page(request, connection, guide, step, more, status=status)

    return rehearsal_pages.rehearse(request, connection, show, _step(connection.slug, "rehearsal"))


STEPS: dict[str, Page] = {
    "product": _product,
    "console": _console,
    "credentials": _credentials,
    "check": _check,
    "directory": _directory,
    "forms": _forms,
    "rehearsal": _rehearsal,
    "switch": _switch,
}
