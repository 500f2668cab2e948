from __future__ import annotations

from django.db import models
from django.db.models import Q

from viatica.kernel.refs import Ref
from viatica.offices.company.models import Employee
from viatica.spine.models import Connection


class Sent(models.TextChoices):
    """How far a notice has come on its way to the person's OA."""

    HERE = "here", "here"  # the person has no OA to send it to
    WAITING = "waiting", "waiting"
    SENT = "sent", "sent"
    REFUSED = "refused", "refused"
    TODO = "todo", "todo"  # their OA's list of to-dos tells them


class Notice(models.Model):
    """One thing one person was told, here and, where they have one, in their OA."""

    employee = models.ForeignKey(Employee, on_delete=models.CASCADE, related_name="+", db_index=False)
    ref_kind = models.CharField(max_length=40)
    ref_key = models.CharField(max_length=64)
    kind = models.CharField(max_length=64, help_text="Dotted; its last word is the state a card shows.")
    subject = models.TextField(help_text="An English msgid with {named} params.")
    params = models.JSONField(default=dict)
    url = models.CharField(max_length=400, blank=True)
    at = models.DateTimeField()
    read_at = models.DateTimeField(null=True)
    # No constraint in the database: checking it would lock the connection's one row on every notice.
    connection = models.ForeignKey(
        Connection, null=True, on_delete=models.PROTECT, db_constraint=False, related_name="+"
    )
    sent = models.CharField(max_length=8, choices=Sent.choices, default=Sent.HERE)
    message_id = models.CharField(max_length=255, blank=True, help_text="The OA's, to change the card by.")
    shows = models.CharField(max_length=64, blank=True, help_text="The kind whose state the card shows now.")
    todo = models.CharField(
        max_length=64,
        blank=True,
        default="",
        db_default="",
        help_text="The key of the to-do that tells of it.",
    )

    class Meta:
        indexes = [
            models.Index(fields=["employee", "-id"], name="notice_of_employee"),
            models.Index(fields=["employee"], condition=Q(read_at=None), name="notice_unread"),
            models.Index(
                fields=["ref_kind", "ref_key"], condition=~Q(connection=None), name="notice_told_outside"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.ref}"

    @property
    def ref(self) -> Ref:
        return Ref(self.ref_kind, self.ref_key)
