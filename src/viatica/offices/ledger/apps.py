from django.apps import AppConfig


class LedgerConfig(AppConfig):
    name = "viatica.offices.ledger"
    label = "ledger"
