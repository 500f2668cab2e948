from django.apps import AppConfig


class BudgetConfig(AppConfig):
    name = "viatica.offices.budget"
    label = "budget"
