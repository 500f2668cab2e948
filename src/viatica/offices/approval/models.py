from __future__ import annotations

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from viatica.kernel.money import Money
from viatica.kernel.refs import Ref
from viatica.offices.company.models import Employee, LegalEntity
from viatica.spine.models import Connection


class SamePerson(models.TextChoices):
    """去重: whether a person who has already approved is asked again in a later step."""

    NONE = "none", _("Ask again")
    CONSECUTIVE = "consecutive", _("Not in the very next step")
    ONCE = "once", _("Ask once a case")


class Oneself(models.TextChoices):
    """What happens when the applicant would approve their own paper."""

    SELF = "self", _("They approve it themselves")
    SKIP = "skip", _("The step is skipped")
    SUPERIOR = "superior", _("Their superior decides")


class Mode(models.TextChoices):
    SEQUENCE = "sequence", _("One after another")
    COUNTERSIGN = "countersign", _("All must approve")
    ANY_SIGN = "any_sign", _("One of them decides")


class Flow(models.Model):
    """流程定义. A row never changes but for its end: a running case keeps the route it started with.

    `kind` "" serves every document that has no flow of its own. `steps` is read by `flows.parse`.
    """

    kind = models.CharField(max_length=32, blank=True)
    entity = models.ForeignKey(LegalEntity, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=120)
    steps = models.JSONField()
    same_person = models.CharField(max_length=12, choices=SamePerson.choices, default=SamePerson.CONSECUTIVE)
    oneself = models.CharField(max_length=8, choices=Oneself.choices, default=Oneself.SUPERIOR)
    fallback = models.ForeignKey(Employee, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    valid_from = models.DateTimeField()
    valid_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "entity"],
                condition=Q(valid_until=None),
                nulls_distinct=False,
                name="flow_one_open",
            ),
            models.CheckConstraint(
                condition=Q(valid_until=None) | Q(valid_until__gte=F("valid_from")),
                name="flow_ends_after_start",
            ),
        ]
        triggers = [
            pgtrigger.ReadOnly(
                name="flow_is_kept", fields=["kind", "entity", "steps", "same_person", "oneself"]
            )
        ]

    def __str__(self) -> str:
        return self.name


class State(models.TextChoices):
    ACTIVE = "active", _("In approval")
    APPROVED = "approved", _("Approved")
    REJECTED = "rejected", _("Rejected")
    RETURNED = "returned", _("Sent back")
    WITHDRAWN = "withdrawn", _("Withdrawn")


class Sent(models.TextChoices):
    """How far a case has come on its way to the OA; IN_HOUSE never leaves."""

    IN_HOUSE = "in_house", _("In-house")
    WAITING = "waiting", _("Waiting to be sent")
    TRYING = "trying", _("Being sent")
    SENT = "sent", _("Sent")


class Case(models.Model):
    """审批单: one submission of one document. Sent back or withdrawn, a document comes again with a new case.

    `version` grows with every change and guards each of them.
    """

    ref_kind = models.CharField(max_length=32)
    ref_key = models.CharField(max_length=32)
    number = models.CharField(max_length=24, help_text="The document's.")
    round = models.PositiveSmallIntegerField(default=1, help_text="How many cases this document has had.")
    outside_number = models.CharField(max_length=32, help_text="Ours in the OA: one for each case.")
    entity = models.ForeignKey(LegalEntity, on_delete=models.PROTECT, related_name="+")
    applicant = models.ForeignKey(Employee, on_delete=models.PROTECT, related_name="+")
    title = models.CharField(max_length=200)
    amount = models.DecimalField(max_digits=18, decimal_places=2, null=True)
    currency = models.CharField(max_length=3, blank=True)
    form = models.JSONField()
    context = models.JSONField(help_text="The values its conditions were judged by.")
    content_hash = models.CharField(max_length=64)
    flow = models.ForeignKey(Flow, on_delete=models.PROTECT, related_name="+")
    is_protected = models.BooleanField(
        default=False, help_text="It came back: nobody is skipped, so that somebody really looks."
    )
    state = models.CharField(max_length=12, choices=State.choices, default=State.ACTIVE)
    version = models.PositiveIntegerField(default=1)
    step_no = models.PositiveSmallIntegerField(default=0, help_text="The step it stands at, from 1.")
    connection = models.ForeignKey(
        Connection, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    desk = models.ForeignKey(
        Connection, null=True, blank=True, on_delete=models.PROTECT, related_name="+", db_index=False,
        help_text="Runs here; this OA shows its tasks (mode B).",
    )  # fmt: skip
    desk_handle = models.TextField(
        blank=True, default="", db_default="", help_text="The desk's own, of the case."
    )
    shown_version = models.PositiveIntegerField(
        default=0, db_default=0, help_text="The version the desk was last brought up to."
    )
    instance_id = models.CharField(max_length=128, null=True, blank=True)
    sent = models.CharField(max_length=8, choices=Sent.choices, default=Sent.IN_HOUSE)
    is_agreed = models.BooleanField(
        default=True, help_text="The OA was seen in the same final state, or has no part."
    )
    undone_at = models.DateTimeField(
        null=True, blank=True, help_text="Approved here, and later taken back in the OA: nothing may be paid."
    )
    checked_at = models.DateTimeField(null=True, blank=True)
    ignored = ArrayField(
        models.CharField(max_length=200), default=list, help_text="News already recorded as ignored."
    )
    opened_at = models.DateTimeField()
    concluded_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["ref_kind", "ref_key", "-id"], name="case_of_ref"),
            # Reconcile looks at the longest unchecked first, however many cases have ended.
            models.Index(
                F("connection"),
                F("checked_at").asc(nulls_first=True),
                F("id"),
                condition=Q(is_agreed=False),
                name="case_to_check",
            ),
            models.Index(
                F("desk"),
                F("checked_at").asc(nulls_first=True),
                F("id"),
                condition=Q(is_agreed=False) & ~Q(desk=None),
                name="case_to_show",
            ),
            models.Index(fields=["desk"], condition=~Q(desk=None), name="case_of_desk"),
            models.Index(fields=["concluded_at"], condition=Q(state="approved"), name="case_approved_at"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["ref_kind", "ref_key"], condition=Q(state="active"), name="case_one_live"
            ),
            models.UniqueConstraint(fields=["outside_number"], name="case_one_number"),
            models.UniqueConstraint(
                fields=["connection", "instance_id"], condition=~Q(instance_id=None), name="case_one_instance"
            ),
            models.CheckConstraint(
                condition=Q(state="active", concluded_at=None) | (~Q(state="active") & ~Q(concluded_at=None)),
                name="case_concluded_when_over",
            ),
            models.CheckConstraint(
                condition=Q(sent="in_house", connection=None) | (~Q(sent="in_house") & ~Q(connection=None)),
                name="case_sent_where",
            ),
            models.CheckConstraint(condition=Q(desk=None) | Q(sent="in_house"), name="case_desk_or_oa"),
        ]

    def __str__(self) -> str:
        return self.outside_number

    @property
    def ref(self) -> Ref:
        return Ref(self.ref_kind, self.ref_key)

    @property
    def money(self) -> Money | None:
        return None if self.amount is None else Money(self.amount, self.currency)

    @property
    def is_active(self) -> bool:
        return self.state == State.ACTIVE

    @property
    def is_outside(self) -> bool:
        """Whether an OA product runs it."""
        return self.sent != Sent.IN_HOUSE


class StepState(models.TextChoices):
    PLANNED = "planned", _("To come")
    ACTIVE = "active", _("In approval")
    PASSED = "passed", _("Passed")
    SKIPPED = "skipped", _("Skipped")
    REJECTED = "rejected", _("Rejected")
    RETURNED = "returned", _("Sent back")
    CANCELLED = "cancelled", _("Cancelled")


class Step(models.Model):
    """One step a case has reached; for an OA also those planned. Steps a condition left out have no row."""

    case = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="steps")
    seq = models.PositiveSmallIntegerField(help_text="Its place in the flow, from 1.")
    name = models.CharField(max_length=120)
    mode = models.CharField(max_length=12, choices=Mode.choices)
    state = models.CharField(max_length=10, choices=StepState.choices)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["case", "seq"], name="step_seq_once")]


class ItemState(models.TextChoices):
    WAITING = "waiting", _("Waiting their turn")
    OPEN = "open", _("To decide")
    SUSPENDED = "suspended", _("Waiting for an added signer")
    APPROVED = "approved", _("Approved")
    AUTO_APPROVED = "auto_approved", _("Passed automatically")
    REJECTED = "rejected", _("Rejected")
    RETURNED = "returned", _("Sent back")
    HANDED_OVER = "transferred", _("Handed over")
    CANCELLED = "cancelled", _("No longer needed")


LIVE = (ItemState.WAITING, ItemState.OPEN, ItemState.SUSPENDED)


class Origin(models.TextChoices):
    FLOW = "flow", _("By the flow")
    BEFORE = "before", _("Added before")
    AFTER = "after", _("Added after")
    BESIDE = "beside", _("Added beside")
    OUTSIDE = "outside", _("Asked by the OA")


class Reason(models.TextChoices):
    """Why this person, where the flow named another; or why nobody had to look."""

    NONE = "", ""
    DELEGATE = "delegate", _("stands in by delegation")
    SUPERIOR = "superior", _("superior of the one who cannot")
    FALLBACK = "fallback", _("named for when nobody is found")
    ADMINISTRATOR = "administrator", _("administrator, since nobody was found")
    HANDED_OVER = "handed_over", _("handed over")
    SAME_PERSON = "same_person", _("has already approved")
    ONESELF = "oneself", _("is the applicant")


class Item(models.Model):
    """待办: one person asked in one step; the unit of action."""

    case = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="items")
    step = models.ForeignKey(Step, on_delete=models.CASCADE, related_name="items")
    approver = models.ForeignKey(
        Employee,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="Empty: someone only the OA knows.",
    )
    on_behalf_of = models.ForeignKey(
        Employee, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    place = models.PositiveSmallIntegerField(default=0, help_text="Whose turn it is in a sequence.")
    origin = models.CharField(max_length=8, choices=Origin.choices, default=Origin.FLOW)
    reason = models.CharField(max_length=16, choices=Reason.choices, blank=True)
    parent = models.ForeignKey(
        "self",
        null=True,
        on_delete=models.CASCADE,
        related_name="added",
        db_index=False,
        help_text="The item it was added to.",
    )
    replaces = models.ForeignKey(
        "self", null=True, on_delete=models.CASCADE, related_name="+", db_index=False,
        help_text="The item handed over to this one, or the approval this one repeats.",
    )  # fmt: skip
    state = models.CharField(max_length=14, choices=ItemState.choices)
    version = models.PositiveIntegerField(default=1)
    opened_at = models.DateTimeField(null=True)
    decided_at = models.DateTimeField(null=True)
    decided_by = models.CharField(
        max_length=80, blank=True, help_text="As in facts: employee:12, system, dingtalk:u1."
    )
    comment = models.TextField(blank=True)
    via = models.CharField(max_length=16, blank=True)
    task_id = models.CharField(max_length=64, blank=True)
    userid = models.CharField(max_length=128, blank=True, help_text="In the OA: asked, or shown to.")
    desk_handle = models.TextField(
        blank=True, default="", db_default="", help_text="The desk's own, of the task."
    )
    is_told = models.BooleanField(
        default=False, db_default=False, help_text="A message or to-do of ours in an OA tells of it."
    )
    urged_at = models.DateTimeField(null=True)
    urged_times = models.PositiveSmallIntegerField(default=0)

    class Meta:
        indexes = [
            # The to-do list reads only these, however many cases there are.
            models.Index(fields=["approver", "-id"], condition=Q(state="open"), name="item_todo"),
            models.Index(
                fields=["on_behalf_of", "-id"], condition=Q(state="open"), name="item_todo_of_others"
            ),
            # Mostly empty: only the rows that have one are in the index.
            models.Index(fields=["on_behalf_of"], condition=~Q(on_behalf_of=None), name="item_of_principal"),
            models.Index(fields=["parent"], condition=~Q(parent=None), name="item_added_to"),
            models.Index(fields=["replaces"], condition=~Q(replaces=None), name="item_replacing"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["step", "approver"], condition=Q(state="open"), name="item_one_open"
            ),
            models.UniqueConstraint(
                fields=["case", "task_id"], condition=~Q(task_id=""), name="item_one_task"
            ),
            models.CheckConstraint(condition=~Q(approver=None) | ~Q(userid=""), name="item_has_someone"),
        ]

    @property
    def is_live(self) -> bool:
        return self.state in LIVE


class Cc(models.Model):
    """抄送: a copy to read; at most one a person and case."""

    case = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="copies")
    employee = models.ForeignKey(Employee, on_delete=models.PROTECT, related_name="+")
    by = models.CharField(max_length=80)
    at = models.DateTimeField()
    read_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["case", "employee"], name="cc_once")]
        indexes = [models.Index(fields=["employee", "-id"], name="cc_of_employee")]
