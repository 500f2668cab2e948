from django.apps import AppConfig


class PaymentConfig(AppConfig):
    name = "viatica.offices.payment"
    label = "payment"
