from django.apps import AppConfig


class InsightsConfig(AppConfig):
    name = "viatica.insights"
    label = "insights"
