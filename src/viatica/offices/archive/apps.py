from django.apps import AppConfig


class ArchiveConfig(AppConfig):
    name = "viatica.offices.archive"
    label = "archive"
