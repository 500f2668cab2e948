from __future__ import annotations

import pghistory
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from viatica.offices.company.categories import Category
from viatica.offices.company.models import City, CityTier, LegalEntity


class Rule(models.TextChoices):
    CAP = "cap", _("Highest price")
    RECEIPT = "receipt", _("Receipt needed above")


class Per(models.TextChoices):
    NIGHT = "night", _("a night")
    DAY = "day", _("a day")
    ITEM = "item", _("an item")


class Control(models.TextChoices):
    NOTE = "note", _("Note it")
    REASON = "reason", _("Ask for a reason")
    BLOCK = "block", _("Do not let it pass")


TOP_RANK = 32767


@pghistory.track()
class Standard(models.Model):
    """One row of the travel standard. Of several that fit a line, the most specific one counts:

    an entity's own before everybody's, a city's before its tier's before every place's, the narrower range of
    grade ranks, the newer row. Valid on the day of the spending, from `valid_from` until before `valid_to`.
    """

    entity = models.ForeignKey(LegalEntity, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    rule = models.CharField(max_length=8, choices=Rule.choices, default=Rule.CAP)
    category = models.CharField(max_length=16, choices=Category.choices)
    rank_from = models.PositiveSmallIntegerField(default=0)
    rank_to = models.PositiveSmallIntegerField(default=TOP_RANK, help_text="The last rank it covers.")
    tier = models.CharField(max_length=8, blank=True, choices=CityTier.choices)
    city = models.ForeignKey(City, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    amount = models.DecimalField(max_digits=18, decimal_places=2)
    currency = models.CharField(max_length=3, default="CNY")
    per = models.CharField(max_length=8, choices=Per.choices, default=Per.ITEM)
    control = models.CharField(max_length=8, choices=Control.choices, default=Control.REASON)
    valid_from = models.DateField()
    valid_to = models.DateField(null=True, blank=True)

    class Meta:
        indexes = [models.Index(fields=["category", "rule", "valid_from"], name="standard_match")]
        constraints = [
            models.CheckConstraint(condition=Q(amount__gte=0), name="standard_amount_not_negative"),
            models.CheckConstraint(condition=Q(rank_to__gte=F("rank_from")), name="standard_ranks_in_order"),
            models.CheckConstraint(
                condition=Q(valid_to=None) | Q(valid_to__gt=F("valid_from")), name="standard_ends_after_start"
            ),
            models.CheckConstraint(condition=Q(tier="") | Q(city=None), name="standard_city_or_tier"),
        ]

    def __str__(self) -> str:
        return f"{self.category} ≤ {self.amount} {self.currency} {self.per}"
