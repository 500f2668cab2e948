from django.urls import path

from viatica.insights import views

app_name = "insights"
urlpatterns = [
    path("", views.overview, name="overview"),
    path("overview.csv", views.overview_file, name="overview_file"),
    path("documents", views.documents, name="documents"),
    path("documents.csv", views.documents_file, name="documents_file"),
]
