"""What an expense is for. One list for policy, budget, ledger, forms and charts."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Category(models.TextChoices):
    AIR = "air", _("Flight")
    RAIL = "rail", _("Train")
    COACH = "coach", _("Coach or ship")
    TAXI = "taxi", _("Local transport")
    LODGING = "lodging", _("Hotel")
    MEALS = "meals", _("Meals")
    ENTERTAINMENT = "entertainment", _("Entertainment")
    CONFERENCE = "conference", _("Conference and training")
    COMMUNICATION = "communication", _("Communication")
    OFFICE = "office", _("Office supplies")
    OTHER = "other", _("Other")
