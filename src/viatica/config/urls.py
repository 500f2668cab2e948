"""The roots of every door: pages, the API, callbacks, health."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from viatica.front.api import api

urlpatterns: list[URLPattern | URLResolver] = [
    path("api/v1/", api.urls),
    path("insights/", include("viatica.insights.urls")),
    path("", include("viatica.spine.urls")),
    path("", include("viatica.front.urls")),
]
