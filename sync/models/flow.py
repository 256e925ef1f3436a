"""Flows, and the keys that must be looked at again."""

from django.conf import settings
from django.db import models

NOT_WANTED_YET = "Not switched on yet: press Switch on when both systems are ready for it."


class Flow(models.Model):
    """One stream of one connection to one target, named `<connection>.<stream>`."""

    name = models.CharField(max_length=100, unique=True)
    source = models.CharField(max_length=60, help_text="Connection that is read")
    stream = models.CharField(max_length=60)
    target = models.CharField(max_length=60, help_text="Connection that is written to")
    entity = models.CharField(max_length=30)
    enabled = models.BooleanField(default=True)
    paused_at = models.DateTimeField(null=True, blank=True)
    paused_note = models.CharField(max_length=300, blank=True)
    paused_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    paused_until = models.DateTimeField(null=True, blank=True, help_text="Resumes by itself then")
    freshness_minutes = models.PositiveIntegerField(default=60, help_text="How old the last completed run may be")
    watermark = models.TextField(blank=True, help_text="Where the next read starts")
    schedule = models.OneToOneField(
        "django_celery_beat.PeriodicTask", models.SET_NULL, null=True, blank=True, related_name="flow"
    )

    class Meta:
        ordering = ["name"]
        permissions = [("operate_flow", "May run, pause and schedule flows")]

    def __str__(self) -> str:
        return self.name

    @property
    def paused(self) -> bool:
        return self.paused_at is not None

    @property
    def wanted(self) -> bool:
        """Whether somebody has ever switched it on; a new kind of flow waits for that."""
        return not self.paused or self.paused_note != NOT_WANTED_YET


class PendingKey(models.Model):
    """A source key to look at again, and why: retry, release of a hold, event, pasted id, lost lease."""

    flow = models.ForeignKey(Flow, models.CASCADE)
    key = models.CharField(max_length=200)
    reason = models.CharField(max_length=30)
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    urgent = models.BooleanField(default=False)
    not_before = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["flow", "key"], name="pending_key_once")]

    def __str__(self) -> str:
        return f"{self.flow_id}:{self.key}"
