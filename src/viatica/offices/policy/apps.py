from django.apps import AppConfig


class PolicyConfig(AppConfig):
    name = "viatica.offices.policy"
    label = "policy"
