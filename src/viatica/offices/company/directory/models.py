"""The directory's tables: runs, what they read and found, and what an administrator decided once."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from viatica.offices.company.history import keep_history
from viatica.spine.models import Connection


class Scope(models.TextChoices):
    """`full`: whoever is not in it is gone. `part`: it speaks only of whom it names."""

    FULL = "full", "full"
    PART = "part", "part"


class RunState(models.TextChoices):
    READING = "reading", "reading"
    STAGED = "staged", "staged"
    APPLIED = "applied", "applied"
    REFUSED = "refused", "refused"
    DISCARDED = "discarded", "discarded"
    FAILED = "failed", "failed"


WAITING = (RunState.STAGED, RunState.REFUSED)
"""A person may still apply these, or discard them."""


class DirectoryRun(models.Model):
    """One reading of a connection's directory and what came of it. `counts`: see directory/differing.py."""

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="+", db_index=False)
    scope = models.CharField(max_length=4, choices=Scope.choices, default=Scope.FULL)
    state = models.CharField(max_length=9, choices=RunState.choices, default=RunState.READING)
    started_by = models.CharField(max_length=80)
    started_at = models.DateTimeField()
    read_at = models.DateTimeField(null=True)
    ended_by = models.CharField(max_length=80, blank=True, help_text="Who had it applied or discarded.")
    ended_at = models.DateTimeField(null=True)
    departments = models.PositiveIntegerField(default=0, help_text="Read.")
    people = models.PositiveIntegerField(default=0, help_text="Read.")
    counts = models.JSONField(default=dict)
    problem = models.TextField(blank=True, help_text="Why it was refused or failed: an English msgid.")
    problem_hint = models.TextField(blank=True)
    problem_code = models.CharField(max_length=64, blank=True)
    problem_params = models.JSONField(default=dict)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["connection"], condition=Q(state=RunState.READING), name="one_directory_reading"
            )
        ]
        indexes = [
            models.Index(fields=["connection", "scope", "-id"], name="directory_run_latest"),
            models.Index(fields=["state", "started_at"], name="directory_run_state"),
        ]

    def __str__(self) -> str:
        return f"{self.connection_id} {self.state} {self.started_at}"


class StagedDepartment(models.Model):
    """A department as it was read. `is_gone`: asked for by its id, and not there any more."""

    run = models.ForeignKey(DirectoryRun, on_delete=models.CASCADE, related_name="+")
    outside_id = models.CharField(max_length=128)
    parent_id = models.CharField(max_length=128, blank=True)
    name = models.CharField(max_length=120, blank=True)
    head_userid = models.CharField(max_length=128, blank=True)
    is_gone = models.BooleanField(default=False)


class StagedMember(models.Model):
    """A person as they were read. `mobile_key` is the mobile as numbers are compared."""

    run = models.ForeignKey(DirectoryRun, on_delete=models.CASCADE, related_name="+")
    userid = models.CharField(max_length=128)
    name = models.CharField(max_length=60, blank=True)
    unionid = models.CharField(max_length=128, blank=True)
    number = models.CharField(max_length=64, blank=True)
    mobile = models.CharField(max_length=20, blank=True)
    mobile_key = models.CharField(max_length=20, blank=True)
    email = models.CharField(max_length=254, blank=True)
    title = models.CharField(max_length=60, blank=True)
    department_ids = ArrayField(models.CharField(max_length=128), default=list)
    manager_userid = models.CharField(max_length=128, blank=True)
    is_active = models.BooleanField(default=True)


class Subject(models.TextChoices):
    DEPARTMENT = "department", "department"
    PERSON = "person", "person"


class Kind(models.TextChoices):
    """How somebody or something differs. A department is renamed, a person changed; both are moved."""

    ADDED = "added", "added"
    BACK = "back", "back"
    MOVED = "moved", "moved"
    RENAMED = "renamed", "renamed"
    CHANGED = "changed", "changed"
    GONE = "gone", "gone"
    LINKED = "linked", "linked"


class DirectoryDifference(models.Model):
    """One line of a run's preview; after it was applied, of what it did. `changes`: {field: [from, to]}."""

    run = models.ForeignKey(
        DirectoryRun, on_delete=models.CASCADE, related_name="differences", db_index=False
    )
    subject = models.CharField(max_length=10, choices=Subject.choices)
    kind = models.CharField(max_length=8, choices=Kind.choices)
    outside_id = models.CharField(max_length=128, help_text="The userid, or the department's id over there.")
    name = models.CharField(max_length=120)
    place = models.CharField(max_length=120, blank=True, help_text="The department a person is in.")
    changes = models.JSONField(default=dict)

    class Meta:
        indexes = [models.Index(fields=["run", "subject", "kind", "id"], name="directory_difference_page")]


class DirectoryConflict(models.Model):
    """A member who cannot be told apart from others, and is left out until an administrator says who that is.

    `others`: [{"userid", "name", "employee": id or null, "number"}] – whom they are mixed up with.
    """

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="+", db_index=False)
    userid = models.CharField(max_length=128)
    name = models.CharField(max_length=60)
    reason = models.CharField(max_length=16)
    others = models.JSONField(default=list)
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "userid"],
                condition=Q(closed_at=None),
                name="one_open_directory_conflict",
            )
        ]
        indexes = [models.Index(fields=["connection", "-id"], name="directory_conflict_latest")]


class Verdict(models.TextChoices):
    """`is`: the member is that employee. `apart`: nobody we know. `out`: a second account, left alone."""

    IS = "is", "is"
    APART = "apart", "apart"
    OUT = "out", "out"


@keep_history
class DirectoryDecision(models.Model):
    """What an administrator said of a member; it holds for every later run."""

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="+", db_index=False)
    userid = models.CharField(max_length=128)
    verdict = models.CharField(max_length=5, choices=Verdict.choices)
    employee = models.ForeignKey("company.Employee", null=True, on_delete=models.CASCADE, related_name="+")
    decided_by = models.CharField(max_length=80)
    decided_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint("connection", Lower("userid"), name="one_directory_decision"),
            models.CheckConstraint(
                condition=Q(verdict=Verdict.IS, employee__isnull=False)
                | (~Q(verdict=Verdict.IS) & Q(employee__isnull=True)),
                name="directory_decision_names_who",
            ),
        ]


@keep_history
class DepartmentIdentity(models.Model):
    """Which department of ours one over there is."""

    department = models.ForeignKey("company.Department", on_delete=models.CASCADE, related_name="identities")
    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="+", db_index=False)
    outside_id = models.CharField(max_length=128)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "outside_id"], name="one_department_per_outside_id"
            ),
            models.UniqueConstraint(
                fields=["department", "connection"], name="one_outside_id_per_department"
            ),
        ]
