from django.apps import AppConfig


class CompanyConfig(AppConfig):
    name = "viatica.offices.company"
    label = "company"
