from __future__ import annotations

from typing import ClassVar

import pghistory
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.db import models
from django.utils.translation import gettext_lazy as _

from viatica.offices.company.models import Department, Employee, LegalEntity


class Role(models.TextChoices):
    EMPLOYEE = "employee", _("Employee")
    MANAGER = "manager", _("Manager")
    FINANCE = "finance", _("Finance")
    CASHIER = "cashier", _("Cashier")
    AUDITOR = "auditor", _("Auditor")
    ADMINISTRATOR = "administrator", _("Administrator")


class UserManager(BaseUserManager["User"]):
    pass


class User(AbstractBaseUser):
    """A sign-in. What it may do comes from its employee and its grants."""

    username = models.CharField(max_length=64, unique=True)
    employee = models.OneToOneField(
        Employee, null=True, blank=True, on_delete=models.CASCADE, related_name="user"
    )
    language = models.CharField(max_length=8, blank=True)
    is_active = models.BooleanField(default=True)

    objects = UserManager()

    USERNAME_FIELD = "username"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    def __str__(self) -> str:
        return self.employee.name if self.employee else self.username


@pghistory.track()
class Grant(models.Model):
    """`role` for one entity, or for all of them; for one department subtree, or for all.

    A department's head is its manager without a grant.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="grants")
    role = models.CharField(max_length=16, choices=Role.choices)
    entity = models.ForeignKey(LegalEntity, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    department = models.ForeignKey(
        Department, null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "role", "entity", "department"], name="grant_once", nulls_distinct=False
            )
        ]


class ApiToken(models.Model):
    """Only the SHA-256 of the token is kept."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=60)
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
