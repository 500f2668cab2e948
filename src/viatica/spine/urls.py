from django.urls import path

from viatica.spine import views

app_name = "spine"
urlpatterns = [
    path("hooks/<slug:slug>", views.hook, name="hook"),
    path("healthz", views.healthz, name="healthz"),
    path("readyz", views.readyz, name="readyz"),
    path("metrics", views.metrics, name="metrics"),
]
