"""The step of the forms: which form over there, and which of its fields takes which of ours."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.utils.translation import gettext

from viatica.connectors.forms import FormsPort
from viatica.connectors.guide import Guide
from viatica.front.desks.connections import changes, checks, mapping
from viatica.front.desks.connections.health import connection_of
from viatica.front.desks.connections.mapping import Chosen
from viatica.front.desks.connections.products import said
from viatica.front.forms import write_once
from viatica.front.viewer import SignedIn
from viatica.kernel.errors import BadInput, OutsideError, ViaticaError
from viatica.spine.models import Connection

Shown = Callable[..., HttpResponse]


def forms(request: SignedIn, connection: Connection, guide: Guide, show: Shown, here: str) -> HttpResponse:
    """Read, change and save; each kind of paper by itself. `here` is the step's own address."""
    wrong: ViaticaError | None = None
    if request.method == "POST":
        try:
            return _save(request, connection, here)
        except ViaticaError as error:
            if error.status in (403, 404):
                raise
            wrong = error
            connection = connection_of(request.viewer, connection.slug)
    try:
        port = mapping.port_of(connection)
        context: dict[str, Any] = {
            "papers": [_paper(request, connection, guide, port, kind) for kind in mapping.KINDS]
        }
        context["listed"] = _listed(port)
        if guide.form_code:
            context |= {"code_term": said(guide.form_code.term), "code_says": gettext(guide.form_code.says)}
    except (BadInput, OutsideError) as error:
        context, wrong = {"papers": []}, wrong or error
    return show(
        "forms",
        {**context, "wrong": wrong},
        status=wrong.status if wrong and request.method == "POST" else 200,
    )


def _paper(
    request: SignedIn, connection: Connection, guide: Guide, port: FormsPort, kind: str
) -> dict[str, Any]:
    """One kind of paper: its sheet, or why its form cannot be read."""
    kept = mapping.saved(connection, kind)
    code = code_in(guide, request.GET.get(kind, ""))
    paper: dict[str, Any] = {
        "kind": kind,
        "title": mapping.KINDS[kind],
        "code": code or (kept or {}).get(port.code_name, ""),
    }
    try:
        if code and (kept is None or code != kept.get(port.code_name) or "again" in request.GET):
            paper["sheet"] = mapping.sheet(port, kind, mapping.suggested(port, kind, code), is_saved=False)
        elif kept is not None:
            paper["sheet"] = mapping.sheet(port, kind, kept, is_saved=True)
    except OutsideError as error:
        paper["wrong"] = error
    if "sheet" in paper:
        paper["told"] = checks.lines(paper["sheet"].wrong)
    return paper


def _listed(port: FormsPort) -> list[tuple[str, str]]:
    try:
        return port.listed()
    except OutsideError:
        return []  # then a code is typed


def code_in(guide: Guide, text: str) -> str:
    """The form's code, also out of the whole address of its page."""
    text = text.strip()
    found = re.search(guide.form_code.found, text) if guide.form_code and guide.form_code.found else None
    return (found[1] if found else text)[:200]


def _save(request: SignedIn, connection: Connection, here: str) -> HttpResponse:
    """Outside of the transaction the form is read, and the mapping checked against it."""
    kind, code = request.POST.get("kind", ""), request.POST.get("code", "")
    changes.unchanged(request.viewer, connection.slug, request.POST.get("version", ""))
    fit = changes.fitted(connection, kind, code, _chosen(request.POST))

    def run(at: datetime) -> str:
        changes.map_form(
            viewer=request.viewer, slug=connection.slug, version=request.POST.get("version", ""), fit=fit, at=at, via="web"
        )  # fmt: skip
        if fit.is_sound:
            messages.success(
                request, gettext("{paper}: saved, everything fits.").format(paper=mapping.KINDS[kind])
            )
        else:
            text = gettext("{paper}: saved, but not everything fits yet.")
            messages.warning(request, text.format(paper=mapping.KINDS[kind]))
        return f"{here}#{kind}"

    return write_once(request, run)


def _chosen(form: QueryDict) -> Chosen:
    def named(prefix: str) -> dict[str, str]:
        return {name.removeprefix(prefix): str(form[name]) for name in form if name.startswith(prefix)}

    return Chosen(named("f-"), form.get("table", ""), named("c-"))
