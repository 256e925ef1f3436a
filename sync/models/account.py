"""Checks of the console's own books: do the kept runs add up?"""

from django.conf import settings
from django.db import models


class AccountCheck(models.Model):
    """One self-check of all kept runs. `faults` lists the runs that do not add up: [{run, flow, said: [sentence]}]."""

    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    asked_at = models.DateTimeField(auto_now_add=True)
    begun_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    runs = models.PositiveIntegerField(default=0, help_text="Runs that were checked")
    records = models.PositiveBigIntegerField(default=0, help_text="Records that these runs read")
    faults = models.JSONField(default=list, blank=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"account check {self.pk}"
