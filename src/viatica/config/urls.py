"""The roots of every door: pages, the API, callbacks, health."""

from __future__ import annotations

from importlib.util import find_spec

from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include(urls))
    for urls in ("viatica.spine.urls", "viatica.front.urls")
    if find_spec(urls)
]
