"""Who is asking a page. A page's view is marked `@signed_in` and finds the Viewer in its request."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import resolve_url
from django.utils.cache import patch_cache_control
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails

from viatica.offices.access.queries import viewer_of
from viatica.offices.access.viewer import Viewer

P = ParamSpec("P")


class SignedIn(HttpRequest):
    """A request whose person is known."""

    viewer: Viewer
    htmx: HtmxDetails


def signed_in(
    view: Callable[Concatenate[SignedIn, P], HttpResponse],
) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """Sends strangers to the sign-in page, and back here afterwards."""

    @wraps(view)
    def door(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if not request.user.is_authenticated:
            return _to_the_sign_in(request)
        request.viewer = viewer_of(request.user.pk)  # type: ignore[attr-defined]  # this line makes it one
        response = view(request, *args, **kwargs)  # type: ignore[arg-type]
        if "Cache-Control" not in response:
            patch_cache_control(
                response, private=True, no_cache=True
            )  # no browser shows it after signing out
        return response

    return door


def _to_the_sign_in(request: HttpRequest) -> HttpResponse:
    page = resolve_url("front:sign_in")
    if getattr(request, "htmx", None):
        return HttpResponseClientRedirect(page)
    return redirect_to_login(request.get_full_path() if request.method == "GET" else "/", page)
