from django.apps import AppConfig


class ExpenseConfig(AppConfig):
    name = "viatica.documents.expense"
    label = "expense"

    def ready(self) -> None:
        from viatica.documents import asks
        from viatica.documents.expense import journey
        from viatica.offices.approval import on_asked, on_concluded
        from viatica.offices.payment.news import on_paid

        on_asked("expense_report", asks.tell)
        on_concluded("expense_report", journey.concluded)
        on_paid("expense_report", journey.paid)
