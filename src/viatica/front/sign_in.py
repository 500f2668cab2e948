"""Doors into the house: by password, by the company's OA, and, in the demo company, by one click."""

from __future__ import annotations

from django import forms
from django.conf import settings
from django.contrib.auth import authenticate, login, logout
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_POST

from viatica.front import cast, outside_doors
from viatica.front.language import back, remember
from viatica.offices.access.models import User


class SignInForm(forms.Form):
    username = forms.CharField(
        label=_("User name"), max_length=64, widget=forms.TextInput(attrs={"autocomplete": "username"})
    )
    password = forms.CharField(
        label=_("Password"),
        max_length=128,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )


@require_http_methods(["GET", "HEAD", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        return _page(request, SignInForm())
    form = SignInForm(request.POST)
    if form.is_valid():
        user = authenticate(request, **form.cleaned_data)
        if isinstance(user, User):
            return enter(request, user)
        form.add_error(None, _("The user name or the password is not right."))
    return _page(request, form, status=422)


def _page(request: HttpRequest, form: SignInForm, status: int = 200) -> HttpResponse:
    context = {
        "form": form,
        "people": cast.people() if settings.ENVIRONMENT.demo else [],
        "doors": outside_doors.open_doors(),
        "next": back(request),
    }
    return render(request, "front/sign_in.html", context, status=status)


def enter(request: HttpRequest, user: User, to: str | None = None) -> HttpResponse:
    """Let `user` in, in the language they chose once."""
    login(request, user, backend="viatica.offices.access.backends.PasswordBackend")
    response = HttpResponseRedirect(to or back(request))
    if user.language:
        remember(response, user.language)
    return response


@require_POST
def sign_in_as(request: HttpRequest, username: str) -> HttpResponse:
    """One click in the demo company; nothing of the kind anywhere else."""
    if not settings.ENVIRONMENT.demo:
        raise Http404
    user = User.objects.filter(username=username, is_active=True).first()
    if user is None:
        raise Http404
    return enter(request, user)


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    logout(request)
    return redirect("front:sign_in")
