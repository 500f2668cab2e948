"""Master data. Every change of these rows is kept by database triggers (pghistory)."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import F, Func, Q
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from viatica.offices.company.categories import Category
from viatica.offices.company.directory.models import (
    DepartmentIdentity,
    DirectoryConflict,
    DirectoryDecision,
    DirectoryDifference,
    DirectoryRun,
    StagedDepartment,
    StagedMember,
)
from viatica.offices.company.history import keep_history
from viatica.spine.models import Connection


@keep_history
class LegalEntity(models.Model):
    """法人主体: who buys, books and pays."""

    code = models.CharField(max_length=16, unique=True)
    name = models.CharField(max_length=120, unique=True)
    tax_id = models.CharField(max_length=20, blank=True, help_text="统一社会信用代码")
    currency = models.CharField(max_length=3, default="CNY")
    connection = models.ForeignKey(
        Connection, null=True, blank=True, on_delete=models.PROTECT, related_name="entities",
        help_text="The OA its approvals go through; none: the in-house flow.",
    )  # fmt: skip
    bank_name = models.CharField(max_length=120, blank=True)
    bank_account = models.CharField(max_length=40, blank=True)

    def __str__(self) -> str:
        return self.name


@keep_history
class Grade(models.Model):
    """职级. A higher rank may spend more."""

    code = models.CharField(max_length=16, unique=True)
    name = models.CharField(max_length=60)
    rank = models.PositiveSmallIntegerField()

    def __str__(self) -> str:
        return self.name


@keep_history
class CostCenter(models.Model):
    code = models.CharField(max_length=32, unique=True)
    name = models.CharField(max_length=120)
    owner = models.ForeignKey("Employee", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    is_active = models.BooleanField(default=True)

    def __str__(self) -> str:
        return f"{self.code} {self.name}"


@keep_history
class Department(models.Model):
    """A node of the tree. `path` lists the ancestors and itself, `/1/7/31/`: a subtree is one prefix."""

    name = models.CharField(max_length=120)
    entity = models.ForeignKey(LegalEntity, on_delete=models.PROTECT, related_name="departments")
    parent = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="children"
    )
    path = models.CharField(max_length=255, blank=True, editable=False)
    head = models.ForeignKey(
        "Employee", null=True, blank=True, on_delete=models.SET_NULL, related_name="heads"
    )
    cost_center = models.ForeignKey(
        CostCenter, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    is_active = models.BooleanField(default=True)

    class Meta:
        indexes = [models.Index(fields=["path"], name="department_path", opclasses=["varchar_pattern_ops"])]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        super().save(*args, **kwargs)
        path = f"{self.parent.path if self.parent else '/'}{self.pk}/"
        if path != self.path:
            self.path = path
            Department.objects.filter(pk=self.pk).update(path=path)


@keep_history
class Project(models.Model):
    code = models.CharField(max_length=32, unique=True)
    name = models.CharField(max_length=120)
    owner = models.ForeignKey("Employee", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    is_active = models.BooleanField(default=True)

    def __str__(self) -> str:
        return f"{self.code} {self.name}"


class CityTier(models.TextChoices):
    T1 = "t1", _("First tier")
    T2 = "t2", _("Second tier")
    T3 = "t3", _("Other cities")
    ABROAD = "abroad", _("Abroad")


class City(models.Model):
    name = models.CharField(max_length=60, unique=True)
    tier = models.CharField(max_length=8, choices=CityTier.choices, default=CityTier.T3)
    adcode = models.CharField(max_length=6, blank=True, help_text="GB/T 2260")

    def __str__(self) -> str:
        return self.name


class CurrencyRate(models.Model):
    """Units of `base` for one unit of `currency`, valid from `day` until the next row."""

    currency = models.CharField(max_length=3)
    base = models.CharField(max_length=3, default="CNY")
    day = models.DateField()
    rate = models.DecimalField(max_digits=18, decimal_places=8)
    source = models.CharField(max_length=60)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["currency", "base", "day"], name="one_rate_a_day"),
            models.CheckConstraint(condition=Q(rate__gt=0), name="rate_positive"),
        ]


def mobile_key(field: str = "mobile") -> Func:
    """A mobile as numbers are compared: digits only, without China's country code. In the database: migration 0002."""
    return Func(F(field), function="company_mobile", output_field=models.TextField())


@keep_history
class Employee(models.Model):
    number = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=60)
    entity = models.ForeignKey(LegalEntity, on_delete=models.PROTECT, related_name="employees")
    department = models.ForeignKey(Department, on_delete=models.PROTECT, related_name="employees")
    grade = models.ForeignKey(Grade, on_delete=models.PROTECT, related_name="+")
    manager = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="reports"
    )
    title = models.CharField(max_length=60, blank=True)
    mobile = models.CharField(max_length=20, blank=True)
    email = models.EmailField(blank=True)
    bank_name = models.CharField(max_length=120, blank=True)
    bank_account = models.CharField(max_length=40, blank=True)
    is_active = models.BooleanField(default=True)

    class Meta:
        indexes = [models.Index(mobile_key(), condition=~Q(mobile=""), name="employee_mobile")]

    def __str__(self) -> str:
        return self.name


@keep_history
class OutsideIdentity(models.Model):
    """Who a person is in one connected OA. Some products need all three ids."""

    employee = models.ForeignKey(Employee, on_delete=models.CASCADE, related_name="identities")
    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="+")
    userid = models.CharField(max_length=128)
    unionid = models.CharField(max_length=128, blank=True)
    dept_id = models.CharField(max_length=64, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["connection", "userid"], name="one_person_per_userid"),
            models.UniqueConstraint(fields=["connection", "employee"], name="one_userid_per_person"),
        ]
        indexes = [
            models.Index(F("connection"), Lower("userid"), name="identity_userid"),
            models.Index(fields=["unionid"], condition=~Q(unionid=""), name="identity_unionid"),
        ]


@keep_history
class Delegation(models.Model):
    """授权代理: while it lasts, `delegate` receives what would go to `principal`. No kind: every document."""

    principal = models.ForeignKey(Employee, on_delete=models.CASCADE, related_name="delegations")
    delegate = models.ForeignKey(Employee, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=32, blank=True)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("starts_at")), name="delegation_ends_after_start"
            ),
            models.CheckConstraint(condition=~Q(principal=F("delegate")), name="delegation_to_another"),
        ]


__all__ = [
    "Category", "City", "CityTier", "CostCenter", "CurrencyRate", "Delegation", "Department", "DepartmentIdentity",
    "DirectoryConflict", "DirectoryDecision", "DirectoryDifference", "DirectoryRun", "Employee", "Grade", "LegalEntity",
    "OutsideIdentity", "Project", "StagedDepartment", "StagedMember",
]  # fmt: skip
