from django.apps import AppConfig


class SpineConfig(AppConfig):
    name = "viatica.spine"
    label = "spine"

    def ready(self) -> None:
        from viatica.spine import jobs  # noqa: F401 - its tasks register themselves
