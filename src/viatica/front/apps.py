from django.apps import AppConfig


class FrontConfig(AppConfig):
    name = "viatica.front"
    label = "front"
