from __future__ import annotations

from django.db import models
from django.db.models import Q

from viatica.offices.company.models import Employee


class StoredFile(models.Model):
    """One content, kept once however often it is handed in. The bytes lie under ARCHIVE_DIR by their digest."""

    digest = models.CharField(max_length=64, unique=True, help_text="SHA-256, in hexadecimal.")
    size = models.PositiveBigIntegerField()
    media_type = models.CharField(max_length=100)
    name = models.CharField(max_length=200, help_text="As the first who handed it in called it.")
    owner = models.ForeignKey(Employee, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(digest__regex=r"^[0-9a-f]{64}$"), name="stored_file_digest"),
        ]

    def __str__(self) -> str:
        return self.name
