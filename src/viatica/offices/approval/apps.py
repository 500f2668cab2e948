from django.apps import AppConfig


class ApprovalConfig(AppConfig):
    name = "viatica.offices.approval"
    label = "approval"

    def ready(self) -> None:
        from viatica.offices.approval import deliveries, desk, leaving, telling
        from viatica.offices.company.hearing import on_left
        from viatica.spine import relay

        relay.deliver_with("approval.submit", deliveries.deliver_submit)
        relay.deliver_with("approval.withdraw", deliveries.deliver_withdraw)
        relay.deliver_with("approval.comment", deliveries.deliver_comment)
        relay.deliver_with(telling.SHOW, desk.deliver_show, capability="desk")
        relay.deliver_with(leaving.LEFT, leaving.deliver_left)
        on_left(leaving.person_left)
