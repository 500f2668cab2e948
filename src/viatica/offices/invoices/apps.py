from django.apps import AppConfig


class InvoicesConfig(AppConfig):
    name = "viatica.offices.invoices"
    label = "invoices"

    def ready(self) -> None:
        from viatica.offices.archive import previews
        from viatica.offices.invoices import pictures

        previews.draw_with("application/ofd", pictures.of_file)
        previews.draw_with("application/xml", pictures.of_file)
