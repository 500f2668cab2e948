from django.apps import AppConfig


class ConnectorsConfig(AppConfig):
    name = "viatica.connectors"
    label = "connectors"

    def ready(self) -> None:
        from viatica.connectors import registry

        registry.load()
