from __future__ import annotations

import secrets
from datetime import datetime

from viatica.offices.access.models import ApiToken, User
from viatica.offices.access.queries import digest


def issue_token(*, user: User, name: str, at: datetime, expires_at: datetime | None = None) -> str:
    """A new API token. It is shown this once; only its digest is kept."""
    raw = f"via_{secrets.token_urlsafe(32)}"
    ApiToken.objects.create(user=user, name=name, digest=digest(raw), created_at=at, expires_at=expires_at)
    return raw


def choose_language(*, user_id: int, language: str) -> None:
    User.objects.filter(pk=user_id).update(language=language)
