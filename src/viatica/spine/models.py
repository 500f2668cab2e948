"""The spine's tables. Facts, attempts and exchanges are partitioned by month (0002, 0003); the rest are plain."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce, Now

from viatica.spine import connections, sealing


class Connection(models.Model):
    """One tenant of one outside system. `uses` lists what it is used for: approval, messages, sign_in …"""

    slug = models.SlugField(max_length=40, unique=True, help_text="Its callbacks arrive at /hooks/<slug>.")
    kind = models.CharField(max_length=32)
    name = models.CharField(max_length=80)
    settings = models.JSONField(default=dict)
    secrets_sealed = models.BinaryField(default=b"")
    uses = models.JSONField(default=list)
    is_active = models.BooleanField(default=True)
    rate_per_second = models.PositiveIntegerField(
        default=100, help_text="Most deliveries a second; 0: no limit."
    )
    # What follows is written by the workers only, one conditional UPDATE at a time (spine/pressure.py).
    tokens = models.FloatField(
        default=0, db_default=0, help_text="Deliveries still allowed, as of tokens_at."
    )
    tokens_at = models.DateTimeField(null=True, blank=True)
    failures = models.PositiveIntegerField(
        default=0, db_default=0, help_text="Deliveries failed in a row, over all workers."
    )
    openings = models.PositiveIntegerField(
        default=0, db_default=0, help_text="Times in a row the breaker opened."
    )
    open_until = models.DateTimeField(
        null=True, blank=True, help_text="The breaker lets nothing through until then; afterwards one probe."
    )

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        super().save(*args, **kwargs)
        connections.forget()

    def secrets(self) -> dict[str, Any]:
        """Its credentials, opened."""
        if not self.secrets_sealed:
            return {}
        return sealing.unseal(bytes(self.secrets_sealed), what=f"connection:{self.slug}")

    def seal(self, secrets: dict[str, Any]) -> None:
        """Keep `secrets` sealed; the caller saves."""
        self.secrets_sealed = sealing.seal(secrets, what=f"connection:{self.slug}")


class Fact(models.Model):
    """Who did what, when, to which paper, through which system. Append-only. Table: migration 0002."""

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField()
    ref_kind = models.CharField(max_length=40)
    ref_key = models.CharField(max_length=64)
    fact = models.CharField(max_length=64)
    actor = models.CharField(max_length=80)
    via = models.CharField(max_length=32)
    data = models.JSONField(null=True)
    correlation = models.CharField(max_length=64, null=True)

    class Meta:
        managed = False
        db_table = "spine_fact"

    def __str__(self) -> str:
        return f"{self.fact} {self.ref_kind}:{self.ref_key}"


class State(models.TextChoices):
    """Of a message out or an event in.

    `held` waits behind an earlier one of its lane and is not looked at until that one is over.
    """

    WAITING = "waiting", "waiting"
    HELD = "held", "held"
    PARKED = "parked", "parked"
    DONE = "done", "done"
    DROPPED = "dropped", "dropped"


class Queued(models.Model):
    """What the relay works off. While a worker has it, `due_at` is the end of the worker's lease."""

    at = models.DateTimeField(db_default=Now())
    due_at = models.DateTimeField(db_default=Now())
    state = models.CharField(max_length=8, choices=State.choices, db_default=State.WAITING)
    attempts = models.PositiveIntegerField(db_default=0)
    first_try_at = models.DateTimeField(null=True, help_text="Since it was put, or last replayed.")
    leased_by = models.CharField(max_length=64, null=True)
    earlier_unknown = models.BooleanField(db_default=False, help_text="An earlier attempt may have done it.")
    reason = models.TextField(db_default="", help_text="Why it waits or is parked.")
    hint = models.TextField(db_default="")
    issue_key = models.CharField(
        max_length=200, null=True, help_text="The issue it waits on since it was parked."
    )
    done_at = models.DateTimeField(null=True)
    correlation = models.CharField(max_length=64, null=True)

    class Meta:
        abstract = True


class OutboxMessage(Queued):
    """Something to tell the outside, put in the transaction that caused it."""

    id = models.BigAutoField(primary_key=True)
    kind = models.CharField(max_length=64)
    lane = models.CharField(
        max_length=120, help_text="Messages of one lane go out in the order they were put."
    )
    payload = models.JSONField()
    # No constraint in the database: checking it would lock the connection's one row on every put.
    connection = models.ForeignKey(
        Connection,
        null=True,
        on_delete=models.PROTECT,
        db_constraint=False,
        db_index=False,
        related_name="outbox",
    )
    key = models.CharField(max_length=200, null=True)
    result = models.JSONField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["key"], name="spine_outbox_key_once")]
        indexes = [
            # What is due, by connection: a claim never reads past messages of a connection at rest.
            models.Index(
                Coalesce("connection_id", 0),
                "due_at",
                "id",
                condition=Q(state=State.WAITING),
                name="spine_outbox_due",
            ),
            # The head of a lane. Over id + 0, which no other index is ordered by: by the primary key the planner might
            # walk through everything that is done, when one lane is most of the queue.
            models.Index(F("lane"), F("id") + 0, condition=Q(done_at__isnull=True), name="spine_outbox_lane"),
            models.Index(fields=["connection"], name="spine_outbox_connection"),
            models.Index(fields=["-at"], condition=Q(state=State.PARKED), name="spine_outbox_parked"),
            models.Index(fields=["done_at"], condition=Q(done_at__isnull=False), name="spine_outbox_done"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.lane}"


class InboxEvent(Queued):
    """What the outside told us, as it came; translated by the worker."""

    id = models.BigAutoField(primary_key=True)
    connection = models.ForeignKey(
        Connection, on_delete=models.PROTECT, db_constraint=False, db_index=False, related_name="inbox"
    )
    event_id = models.CharField(max_length=200)
    body = models.JSONField()
    ref = models.CharField(max_length=120, null=True, help_text="The paper it turned out to be about.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["connection", "event_id"], name="spine_inbox_event_once")
        ]
        indexes = [
            models.Index(
                fields=["connection", "due_at", "id"],
                condition=Q(state=State.WAITING),
                name="spine_inbox_due",
            ),
            models.Index(fields=["-at"], condition=Q(state=State.PARKED), name="spine_inbox_parked"),
            models.Index(fields=["done_at"], condition=Q(done_at__isnull=False), name="spine_inbox_done"),
            models.Index(fields=["connection", "at", "id"], name="spine_inbox_history"),
            models.Index(fields=["ref", "at"], condition=Q(ref__isnull=False), name="spine_inbox_ref"),
        ]

    def __str__(self) -> str:
        return self.event_id


class Attempt(models.Model):
    """One try of one message (`box` out) or event (`box` in). Written before the call, closed after it.

    `outcome` is null while it runs, or when the worker died; then: done, later, park, unknown, released.
    Table: migration 0002.
    """

    pk = models.CompositePrimaryKey("box", "item_id", "number", "at")
    box = models.CharField(max_length=3)
    item_id = models.BigIntegerField()
    number = models.IntegerField()
    at = models.DateTimeField()
    worker = models.CharField(max_length=64)
    ended_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=8, null=True)
    reason = models.TextField(null=True)

    class Meta:
        managed = False
        db_table = "spine_attempt"

    def __str__(self) -> str:
        return f"{self.box}:{self.item_id} #{self.number}"


class Exchange(models.Model):
    """One request to an outside system and its answer, redacted and cut. Append-only. Table: migration 0003.

    `box` and `item_id`: the message or event it was made for. `left_out`: exchanges after it that were not kept.
    """

    pk = models.CompositePrimaryKey("id", "at")
    id = models.BigIntegerField()
    at = models.DateTimeField()
    connection_id = models.BigIntegerField(null=True)
    capability = models.CharField(max_length=20)
    method = models.CharField(max_length=10)
    path = models.CharField(max_length=300)
    status = models.SmallIntegerField(null=True, help_text="None: no answer came.")
    ms = models.IntegerField()
    request = models.TextField()
    answer = models.TextField()
    error = models.CharField(
        max_length=80, help_text="Our code, or the product's own; empty when it went well."
    )
    correlation = models.CharField(max_length=64, null=True)
    ref_kind = models.CharField(max_length=40, null=True)
    ref_key = models.CharField(max_length=64, null=True)
    box = models.CharField(max_length=3, null=True)
    item_id = models.BigIntegerField(null=True)
    left_out = models.IntegerField()

    class Meta:
        managed = False
        db_table = "spine_exchange"

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class Capability(models.Model):
    """When a connection last did, and last failed to do, one thing it is used for. Coarse: see spine/capabilities.py."""

    connection = models.ForeignKey(
        Connection, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="capabilities"
    )
    name = models.CharField(max_length=20, help_text="approval, desk, messages, todo, directory, sign_in …")
    succeeded_at = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True)
    error = models.TextField(help_text="Why it failed last.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["connection", "name"], name="spine_capability_once")]

    def __str__(self) -> str:
        return f"{self.connection_id} {self.name}"


class QuotaUse(models.Model):
    """What was used of a quota in the day or month that began on `since`."""

    connection = models.ForeignKey(
        Connection, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="quota_uses"
    )
    name = models.CharField(max_length=40)
    since = models.DateField()
    used = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["connection", "name", "since"], name="spine_quota_once")
        ]

    def __str__(self) -> str:
        return f"{self.connection_id} {self.name} {self.since}"


class Issue(models.Model):
    """Something a person must mend. One open row per key; the next success closes it."""

    key = models.CharField(max_length=200)
    kind = models.CharField(max_length=64)
    message = models.TextField(help_text="An English msgid with {named} parameters.")
    params = models.JSONField(default=dict)
    ref = models.CharField(
        max_length=120, null=True, help_text="The paper it is about, when it is about one."
    )
    times = models.PositiveIntegerField(db_default=1)
    opened_at = models.DateTimeField()
    last_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["key"], condition=Q(closed_at__isnull=True), name="spine_issue_one_open"
            )
        ]
        indexes = [
            models.Index(fields=["-last_at"], condition=Q(closed_at__isnull=True), name="spine_issue_open"),
            models.Index(fields=["ref"], condition=Q(closed_at__isnull=True), name="spine_issue_ref"),
        ]

    def __str__(self) -> str:
        return self.key


class IssueWait(models.Model):
    """A paper that waits on an issue."""

    issue = models.ForeignKey(Issue, on_delete=models.CASCADE, related_name="waits", db_index=False)
    ref = models.CharField(max_length=120)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["issue", "ref"], name="spine_issue_wait_once")]
        indexes = [models.Index(fields=["ref"], name="spine_issue_wait_ref")]

    def __str__(self) -> str:
        return self.ref


class IdempotencyKey(models.Model):
    """A writing door's answer, kept with the effect it had."""

    owner = models.CharField(max_length=80)
    key = models.CharField(max_length=200)
    fingerprint = models.CharField(max_length=64)
    at = models.DateTimeField()
    answer = models.JSONField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["owner", "key"], name="spine_idempotency_once")]
        indexes = [models.Index(fields=["at"], name="spine_idempotency_at")]

    def __str__(self) -> str:
        return self.key


class ReconcileRun(models.Model):
    """What one comparison with a connection found. `unhealed` lists drifts a person must look at."""

    connection = models.ForeignKey(
        Connection, on_delete=models.CASCADE, related_name="reconciles", db_index=False
    )
    at = models.DateTimeField()
    compared = models.PositiveIntegerField()
    healed = models.JSONField(default=list)
    unhealed = models.JSONField(default=list)

    class Meta:
        indexes = [models.Index(fields=["connection", "-at"], name="spine_reconcile_latest")]

    def __str__(self) -> str:
        return f"{self.connection_id} {self.at}"
