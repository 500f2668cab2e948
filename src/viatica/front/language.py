"""Which language a reader sees: the one chosen, else the company's. The API goes by `Accept-Language`."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import translation
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from viatica.offices.access.models import User

KNOWN = {code for code, _name in settings.LANGUAGES}
YEAR = 365 * 24 * 3600


class ChosenLanguage:
    """A browser's own language says little about the company's: pages go by choice, not by header."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        chosen = request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME)
        if request.path.startswith("/api/"):
            language = translation.get_language_from_request(request)
        else:
            language = chosen if chosen in KNOWN else settings.LANGUAGE_CODE
        with translation.override(language):
            request.LANGUAGE_CODE = language
            response = self.get_response(request)
        response.headers.setdefault("Content-Language", language)
        return response


def remember(response: HttpResponse, language: str) -> None:
    response.set_cookie(
        settings.LANGUAGE_COOKIE_NAME,
        language,
        max_age=YEAR,
        samesite="Lax",
        secure=settings.SESSION_COOKIE_SECURE,
    )


def back(request: HttpRequest, default: str = "/") -> str:
    """Where the form came from, when that is a page of ours."""
    to = request.POST.get("next") or request.GET.get("next") or default
    safe = url_has_allowed_host_and_scheme(to, {request.get_host()}, require_https=request.is_secure())
    return to if safe else default


@require_POST
def switch(request: HttpRequest) -> HttpResponse:
    """Remembered in the browser and, for someone signed in, with their name."""
    language = request.POST.get("language", "")
    response = HttpResponseRedirect(back(request))
    if language in KNOWN:
        remember(response, language)
        if request.user.is_authenticated:
            User.objects.filter(pk=request.user.pk).update(language=language)
    return response
