"""When flows start, who watches over it, and moves of a watermark by a person."""

from django.conf import settings
from django.db import models

OVERLAP = [("coalesce", "Take them together"), ("queue", "Start once more right after"), ("skip", "Leave it out")]
MISSED = [("catch_up", "Catch up once"), ("skip", "Wait for the next start")]


class FlowSchedule(models.Model):
    """A schedule's rules, and how far its due times have been decided.

    Due times until `decided_until` have had their run or were left out on purpose; `owed_at` is one that waits for
    the active run to end. Intervals are counted from `counted_from`.
    """

    flow = models.OneToOneField("sync.Flow", models.CASCADE, related_name="rules")
    overlap = models.CharField(max_length=10, choices=OVERLAP, default="coalesce")
    missed = models.CharField(max_length=10, choices=MISSED, default="catch_up")
    counted_from = models.DateTimeField()
    decided_until = models.DateTimeField()
    watched_from = models.DateTimeField(help_text="Starts before it are not called late: schedule set, flow resumed")
    owed_at = models.DateTimeField(null=True, blank=True)
    left_out_at = models.DateTimeField(null=True, blank=True, help_text="The latest start that was left out")
    left_out_why = models.CharField(max_length=200, blank=True)

    def __str__(self) -> str:
        return f"rules of {self.flow_id}"


class Duty(models.Model):
    """Something that one process at a time does for all (beat, the look for due work, the nightly sweep).

    The holder keeps it until `until` on the database clock; `done_until` is the last due time that was served.
    """

    name = models.CharField(max_length=40, unique=True)
    holder = models.CharField(max_length=120, blank=True)
    until = models.DateTimeField(null=True, blank=True)
    done_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "duties"

    def __str__(self) -> str:
        return self.name


class WorkerProcess(models.Model):
    """A worker or a beat, as it last said that it lives. Moments are the database clock's."""

    KINDS = [("worker", "Worker"), ("beat", "Beat")]
    name = models.CharField(max_length=120, unique=True, help_text="host:process id")
    kind = models.CharField(max_length=10, choices=KINDS, default="worker")
    host = models.CharField(max_length=100)
    pid = models.PositiveIntegerField()
    processes = models.JSONField(default=list, help_text="Process ids that work for it: the holders of leases")
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    stopped_at = models.DateTimeField(null=True, blank=True, help_text="It said good-bye")

    class Meta:
        ordering = ["-seen_at"]
        verbose_name_plural = "worker processes"

    def __str__(self) -> str:
        return self.name


class WatermarkMove(models.Model):
    """A person moved a flow's watermark; `before` is what *Undo* puts back."""

    flow = models.ForeignKey("sync.Flow", models.CASCADE, related_name="watermark_moves")
    before = models.TextField(blank=True)
    after = models.TextField(blank=True)
    reason = models.CharField(max_length=300)
    estimate = models.PositiveIntegerField(null=True, blank=True, help_text="Records that are read again")
    moved_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    moved_at = models.DateTimeField()
    undone_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.flow_id}: {self.before!r} -> {self.after!r}"
