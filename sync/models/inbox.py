"""Webhook messages: kept before they are answered, looked at after."""

from datetime import timedelta

from django.db import models
from django.db.models import Q

DELAY = timedelta(hours=1)
"""What comes later than this after it happened, or again, is worth a look at the sender."""
WAITING, DONE, IGNORED, UNREADABLE = "waiting", "done", "ignored", "unreadable"


class InboxEvent(models.Model):
    """One message of a system's webhook. It says which records to look at again; it is never their data.

    `event_id` is the system's own, else a digest of the body: a repeat is counted, not stored. `body` is
    zlib-compressed and purged by retention.
    """

    connection = models.CharField(max_length=60)
    event_id = models.CharField(max_length=100)
    kind = models.CharField(max_length=100, blank=True)
    order = models.BigIntegerField(null=True, blank=True, help_text="The system's own sequence number")
    state = models.CharField(
        max_length=12, default=WAITING, choices=[(s, s) for s in (WAITING, DONE, IGNORED, UNREADABLE)]
    )
    keys = models.JSONField(default=dict, blank=True, help_text="Records to look at again, by stream")
    message = models.CharField(max_length=300, blank=True)
    late = models.BooleanField(default=False, help_text="An event with a higher number had come before")
    repeats = models.PositiveIntegerField(default=0)
    repeated_at = models.DateTimeField(null=True, blank=True, help_text="When it came again, last")
    happened_at = models.DateTimeField(null=True, blank=True, help_text="As the system says")
    headers = models.JSONField(default=dict, blank=True)
    body = models.BinaryField(null=True)
    received_at = models.DateTimeField()
    handled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "message"
        constraints = [models.UniqueConstraint(fields=["connection", "event_id"], name="one_inbox_row_per_event")]
        indexes = [
            models.Index(fields=["id"], condition=Q(state=WAITING), name="inbox_waiting"),
            models.Index(fields=["connection", "-order"], name="inbox_order"),
            models.Index(fields=["received_at"], name="inbox_received"),
        ]

    def __str__(self) -> str:
        return f"{self.connection} {self.kind or 'message'} {self.event_id}"

    @property
    def delayed(self) -> bool:
        return self.happened_at is not None and self.received_at - self.happened_at > DELAY

    @property
    def replayed(self) -> bool:
        return self.repeated_at is not None and self.repeated_at - self.received_at > DELAY
