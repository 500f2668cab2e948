"""Sign-in by user name and password (the in-house way; OA products sign in through their connectors)."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import BaseBackend
from django.http import HttpRequest

from viatica.offices.access.models import User


class PasswordBackend(BaseBackend):
    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **extra: Any,
    ) -> User | None:
        user = User.objects.filter(username=username or "").first()
        if user is None:
            User().set_password(password)  # the same work, so that timing does not tell who exists
            return None
        return user if user.is_active and user.check_password(password or "") else None

    def get_user(self, user_id: int) -> User | None:
        return User.objects.filter(pk=user_id, is_active=True).first()
