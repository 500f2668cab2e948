from django.apps import AppConfig


class AccessConfig(AppConfig):
    name = "viatica.offices.access"
    label = "access"
