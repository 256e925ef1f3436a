"""Backfills: records that a person wants sent again, by dates or by ids."""

from django.conf import settings
from django.db import models


class Backfill(models.Model):
    """What was asked for, what the preview said, and the run that does it.

    `keys` are the ids that are looked at (zlib-compressed JSON, null for dates); `preview` is what the person saw
    before it was started; `missing` names the first ids that the source did not have.
    """

    flow = models.ForeignKey("sync.Flow", models.CASCADE, related_name="backfills")
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    reason = models.CharField(max_length=300, blank=True)
    since = models.DateField(null=True, blank=True)
    until = models.DateField(null=True, blank=True)
    keys = models.BinaryField(null=True)
    number = models.PositiveIntegerField(default=0, help_text="How many ids are looked at")
    preview = models.JSONField(default=dict, blank=True)
    missing = models.JSONField(default=list, blank=True)
    missing_number = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True, help_text="When a person said that it may go")
    cancelled_at = models.DateTimeField(null=True, blank=True)
    run = models.OneToOneField("sync.SyncRun", models.SET_NULL, null=True, blank=True, related_name="backfill")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(keys__isnull=True, since__isnull=False)
                | models.Q(keys__isnull=False, since__isnull=True),
                name="backfill_by_dates_or_ids",
            )
        ]
        indexes = [
            models.Index(
                fields=["id"],
                condition=models.Q(run=None, cancelled_at=None, started_at__isnull=False),
                name="backfill_waiting",
            )
        ]

    def __str__(self) -> str:
        return f"backfill {self.pk}"
