"""What the frame of every page shows: desks by role, and how much waits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext_lazy as _

from viatica.offices.access.models import Role
from viatica.offices.access.viewer import Viewer
from viatica.offices.approval import queries as approval
from viatica.offices.notices import queries as notices

WATCHES_MONEY = (Role.FINANCE, Role.CASHIER, Role.AUDITOR)
SEES_FIGURES = (Role.MANAGER, Role.FINANCE, Role.AUDITOR, Role.ADMINISTRATOR)


@dataclass(frozen=True, slots=True)
class Desk:
    """`roles` None: for everybody."""

    name: str
    label: Any
    url_name: str
    roles: tuple[Role, ...] | None = None

    def is_for(self, viewer: Viewer) -> bool:
        return self.roles is None or any(viewer.has(role) for role in self.roles)


DESKS = (
    Desk("mine", _("Mine"), "front:mine"),
    Desk("approvals", _("Approvals"), "front:approvals"),
    Desk("finance", _("Finance"), "front:finance", WATCHES_MONEY),
    Desk("insights", _("Insights"), "insights:overview", SEES_FIGURES),
    Desk("connections", _("Connections"), "front:connections", (Role.ADMINISTRATOR,)),
)


def frame(request: HttpRequest) -> dict[str, Any]:
    """Nothing for strangers. The counts are asked for only where a template shows them: two statements."""
    viewer = getattr(request, "viewer", None)
    common = {"demo": settings.ENVIRONMENT.demo, "languages": settings.LANGUAGES}
    if viewer is None:
        return common
    return {
        **common,
        "viewer": viewer,
        "desks": [(desk, reverse(desk.url_name)) for desk in DESKS if desk.is_for(viewer) and _exists(desk)],
        "todo_count": SimpleLazyObject(lambda: approval.todo_count(viewer.employee_id)),
        "unread_count": SimpleLazyObject(lambda: notices.unread_count(viewer)),
    }


def _exists(desk: Desk) -> bool:
    try:
        reverse(desk.url_name)
    except NoReverseMatch:
        return False
    return True
