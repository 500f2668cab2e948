"""Signing in through the company's OA: from a browser (OAuth), and inside its own client (免登)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_http_methods

from viatica.front.language import back
from viatica.kernel.errors import BadInput, NotFound
from viatica.kernel.words import N_
from viatica.offices.access import ports
from viatica.offices.access.sign_in import user_behind
from viatica.spine import connections, exchanges
from viatica.spine.models import Connection

WAITING = "outside_door"
PRODUCTS = {"dingtalk": N_("DingTalk"), "feishu": N_("Feishu"), "wecom": N_("WeCom")}


class ForeignState(BadInput):
    code = "sign_in.foreign_state"
    message = N_("This sign-in was not begun here, or it took too long.")
    hint = N_("Begin again from the sign-in page.")


class Refused(BadInput):
    code = "sign_in.refused"
    message = N_("The sign-in was not completed: {why}")
    hint = N_("Begin again, or sign in with user name and password.")


@dataclass(frozen=True, slots=True)
class Door:
    slug: str
    label: str


def open_doors() -> list[Door]:
    """Connections people may sign in through. One statement."""
    rows = Connection.objects.filter(is_active=True, uses__contains=["sign_in"]).order_by("pk")
    return [Door(row.slug, _product(row)) for row in rows]


def _product(connection: Connection) -> str:
    """What people call it, in their language."""
    return gettext(PRODUCTS[connection.kind]) if connection.kind in PRODUCTS else connection.name


def _connection(slug: str) -> Connection:
    found = connections.by_slug(slug)
    if found is None or "sign_in" not in found.uses:
        raise NotFound()
    return found


def _come_back(slug: str) -> str:
    return settings.PUBLIC_URL + reverse("front:outside_finish", args=[slug])


@require_GET
def start(request: HttpRequest, slug: str) -> HttpResponse:
    """To the OA, with a state only this browser knows. A link, since a form may not lead to another site (CSP).

    One link for everywhere: opened inside the OA's own client it asks nothing.
    """
    port = ports.port_for(_connection(slug))
    is_inside = port.client_mark in request.headers.get("User-Agent", "")
    if is_inside and port.client_script():
        return HttpResponseRedirect(
            reverse("front:inside", args=[slug]) + "?" + urlencode({"next": back(request)})
        )
    state = secrets.token_hex(24)  # WeCom takes letters and digits only
    request.session[WAITING] = {"state": state, "slug": slug, "next": back(request)}
    return HttpResponseRedirect(port.start_url(state, _come_back(slug), inside=is_inside))


@require_http_methods(["GET", "HEAD"])
def finish(request: HttpRequest, slug: str) -> HttpResponse:
    """Back from the OA. The state is good for one return; a code is good for one question."""
    from viatica.front.sign_in import enter

    waiting = request.session.pop(WAITING, None) or {}
    if waiting.get("slug") != slug or not constant_time_compare(
        request.GET.get("state", ""), waiting.get("state") or "-"
    ):
        raise ForeignState()
    code = request.GET.get("authCode") or request.GET.get("code") or ""
    if not code:
        raise Refused(why=request.GET.get("error", "")[:60] or "–")
    connection = _connection(slug)
    with exchanges.gathered(connection, "sign_in"):
        who = ports.port_for(connection).finish(code)
    return enter(request, user_behind(connection=connection, who=who), waiting.get("next") or "/")


@require_http_methods(["GET", "HEAD", "POST"])
def inside(request: HttpRequest, slug: str) -> HttpResponse:
    """免登: opened inside the OA's client, whose script gives a code; the page sends it back by itself."""
    from viatica.front.sign_in import enter

    connection = _connection(slug)
    port = ports.port_for(connection)
    if request.method == "POST":
        code = request.POST.get("code", "")
        if not code:
            raise Refused(why="–")
        with exchanges.gathered(connection, "sign_in"):
            who = port.free_login(code)
        return enter(request, user_behind(connection=connection, who=who))
    script = port.client_script()
    if script is None:
        return HttpResponseRedirect(
            reverse("front:outside_start", args=[slug]) + "?" + urlencode({"next": back(request)})
        )
    response = render(
        request,
        "front/inside.html",
        {"slug": slug, "product": _product(connection), "script": script, "next": back(request)},
    )
    parts = urlsplit(script.url)
    # The client's script asks its own server for the code.
    response._csp_update = {"connect-src": ["'self'", f"{parts.scheme}://{parts.netloc}"]}  # type: ignore[attr-defined]
    return response
