from django.apps import AppConfig


class CompanyConfig(AppConfig):
    name = "viatica.offices.company"
    label = "company"

    def ready(self) -> None:
        from viatica.offices.company import jobs  # noqa: F401 - its tasks register themselves
