from django.apps import AppConfig


class NoticesConfig(AppConfig):
    name = "viatica.offices.notices"
    label = "notices"

    def ready(self) -> None:
        from viatica.offices.notices import services
        from viatica.spine import relay

        relay.deliver_with(services.SEND, services.deliver_notice, capability="messages", can_wait=True)
        relay.deliver_with(services.UPDATE, services.deliver_update, capability="messages", can_wait=True)
        for kind in (services.TODO_PUT, services.TODO_FINISH, services.TODO_REMOVE):
            relay.deliver_with(kind, services.deliver_todo)
