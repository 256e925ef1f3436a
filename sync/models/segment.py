"""Segment checks in their first form: who should be in and is not, who is in and should not be."""

from django.conf import settings
from django.db import models


class SegmentCheck(models.Model):
    connection = models.CharField(max_length=60)
    segment_id = models.CharField(max_length=60)
    name = models.CharField(max_length=200)
    criteria = models.JSONField(default=dict, blank=True, help_text="As Emarsys states them")
    readable = models.BooleanField(default=True, help_text="The criteria read only fields we own")
    why_not = models.CharField(max_length=300, blank=True)
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    state = models.CharField(
        max_length=10, default="queued", choices=[(s, s) for s in ("queued", "running", "completed", "failed")]
    )
    message = models.TextField(blank=True)
    members = models.PositiveIntegerField(default=0, help_text="How many Emarsys says are in")
    expected = models.PositiveIntegerField(default=0, help_text="How many the ERP says should be in")
    missing = models.PositiveIntegerField(default=0)
    extra = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.name

    @property
    def verdict(self) -> str:
        if self.state != "completed" or not self.readable:
            return "ask"
        return "send" if not (self.missing or self.extra) else "wait"


class SegmentFinding(models.Model):
    """One person on the wrong side of a segment."""

    check_run = models.ForeignKey(SegmentCheck, models.CASCADE, related_name="findings")
    direction = models.CharField(max_length=8, choices=[("missing", "should be in"), ("extra", "should not be in")])
    source_id = models.CharField(max_length=200, blank=True)
    target_id = models.CharField(max_length=60, blank=True)
    cause = models.CharField(max_length=40)
    message = models.CharField(max_length=300, blank=True)
    issue = models.ForeignKey("sync.SyncIssue", models.SET_NULL, null=True, blank=True, related_name="+")

    class Meta:
        indexes = [models.Index(fields=["check_run", "direction", "id"], name="segment_finding")]

    def __str__(self) -> str:
        return f"{self.direction} {self.source_id or self.target_id}"
