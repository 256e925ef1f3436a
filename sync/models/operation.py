"""An action on many exceptions, done by a worker, watched in the admin."""

from django.conf import settings
from django.db import models


class BulkOperation(models.Model):
    """Retry for one, a selection or everything a filter matches. `query` is {"ids": [...]} or {"filter": {...}};
    `last_id` is how far it came: a killed worker goes on from there."""

    action = models.CharField(max_length=20, default="retry")
    query = models.JSONField()
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    reason = models.TextField(blank=True)
    state = models.CharField(
        max_length=10,
        default="queued",
        choices=[(s, s) for s in ("queued", "running", "completed", "cancelled", "failed")],
    )
    total = models.PositiveIntegerField(default=0)
    done = models.PositiveIntegerField(default=0)
    skipped = models.PositiveIntegerField(default=0)
    last_id = models.BigIntegerField(default=0)
    cancel_requested = models.BooleanField(default=False)
    message = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.action} {self.pk}"
