"""The room's API behind a root of its own, beside every page of the house."""

from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from ninja import NinjaAPI

from viatica.front.api import refused
from viatica.insights.api import router
from viatica.kernel.errors import ViaticaError
from viatica.offices.access.doors import TokenAuth

api = NinjaAPI(urls_namespace="insights-api", auth=TokenAuth())
api.add_router("/insights", router)


@api.exception_handler(ViaticaError)
def said(request: HttpRequest, error: ViaticaError) -> HttpResponse:
    return refused(request, error)


urlpatterns = [path("api/insights-alone/", api.urls), path("", include("viatica.config.urls"))]
