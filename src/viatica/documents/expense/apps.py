from django.apps import AppConfig


class ExpenseConfig(AppConfig):
    name = "viatica.documents.expense"
    label = "expense"

    def ready(self) -> None:
        from viatica.documents import asks
        from viatica.documents.expense import journey
        from viatica.offices.approval import on_asked, on_concluded, on_unasked
        from viatica.offices.approval.rechecking import verify_before_payment
        from viatica.offices.payment.news import before_paying, on_paid

        on_asked("expense_report", asks.tell)
        on_unasked("expense_report", asks.untell)
        on_concluded("expense_report", journey.concluded)
        before_paying("expense_report", verify_before_payment)
        on_paid("expense_report", journey.paid)
