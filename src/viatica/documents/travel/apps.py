from django.apps import AppConfig


class TravelConfig(AppConfig):
    name = "viatica.documents.travel"
    label = "travel"

    def ready(self) -> None:
        from viatica.documents import asks
        from viatica.documents.travel import journey
        from viatica.offices.approval import on_asked, on_concluded, on_unasked

        on_asked("travel_request", asks.tell)
        on_unasked("travel_request", asks.untell)
        on_concluded("travel_request", journey.concluded)
