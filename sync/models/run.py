"""Runs, their pages and their requests."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from sync.catalogue import ACTIVE_RUNS, RunState

KINDS = [("sync", "Sync"), ("compare", "Comparison"), ("sweep", "Key sweep"), ("plan", "Preview")]


class SyncRun(models.Model):
    """One execution of a flow. A crash goes on in the same row with the next epoch.

    `kind` is sync, compare for the read-only comparison (audit and reconcile), sweep for the comparison of keys
    alone, or plan for a preview: those count what they read in `read` and what they found in `findings` (or on the
    plan); the buckets stay empty.
    """

    flow = models.ForeignKey("sync.Flow", models.CASCADE, related_name="runs")
    kind = models.CharField(max_length=10, default="sync", choices=KINDS)
    state = models.CharField(max_length=10, default=RunState.QUEUED, choices=[(s.value, s.value) for s in RunState])
    trigger = models.CharField(max_length=20, default="manual")
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    due_at = models.DateTimeField(null=True, blank=True)
    full = models.BooleanField(default=False, help_text="Read everything, still skipping what is unchanged")
    keys_only = models.BooleanField(default=False, help_text="Only the pending keys, no scan")
    plan = models.ForeignKey(
        "sync.SyncPlan", models.SET_NULL, null=True, blank=True, related_name="runs",
        help_text="The plan that the run makes (kind plan) or applies",
    )  # fmt: skip
    apply = models.BooleanField(default=True, help_text="A comparison that opens and closes exceptions")

    holder = models.CharField(max_length=100, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    epoch = models.PositiveIntegerField(default=0)
    attempt = models.PositiveIntegerField(default=0)
    suspects = models.JSONField(
        null=True, blank=True, help_text="What was tried when its worker died, in which portions"
    )
    failures = models.PositiveIntegerField(default=0, help_text="Times in a row that a system did not answer")
    wait_until = models.DateTimeField(null=True, blank=True)
    cancel_requested = models.BooleanField(default=False)

    resume = models.TextField(blank=True)
    scan_done = models.BooleanField(default=False)
    watermark_from = models.TextField(blank=True)
    watermark_to = models.TextField(blank=True)
    mapping_version = models.CharField(max_length=200, blank=True)
    field_mapping = models.ForeignKey(
        "sync.FieldMapping",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="The version of the site's own fields that the run began with, and keeps",
    )
    total = models.PositiveIntegerField(null=True, blank=True, help_text="How many the source says there are")

    read = models.PositiveIntegerField(default=0)
    accepted = models.PositiveIntegerField(default=0)
    unchanged = models.PositiveIntegerField(default=0)
    excluded = models.PositiveIntegerField(default=0)
    held = models.PositiveIntegerField(default=0)
    rejected = models.PositiveIntegerField(default=0)
    unknown = models.PositiveIntegerField(default=0)
    since_resume = models.JSONField(
        default=dict, blank=True, help_text="What was counted after the resume point: taken back when it is read again"
    )
    parent = models.ForeignKey("self", models.CASCADE, null=True, blank=True, related_name="+")
    part = models.PositiveSmallIntegerField(default=0, db_default=0, help_text="1 and up: a part of the parent's read")
    divided = models.BooleanField(default=False, db_default=False, help_text="Its parts are being read")
    parts = models.JSONField(null=True, blank=True, help_text="What became of each part")
    target_was_empty = models.BooleanField(default=False, db_default=False, help_text="When the read was divided")
    changes = models.IntegerField(default=0, db_default=0, help_text="Records in the target that this run changed")
    deactivations = models.IntegerField(default=0, db_default=0, help_text="Records that it ended or put on hold")
    opt_outs = models.IntegerField(default=0, db_default=0, help_text="Opt-outs that it passed on")
    claimed_changes = models.IntegerField(default=0, db_default=0, help_text="The changes, with those under way")
    claimed_deactivations = models.IntegerField(default=0, db_default=0)
    claimed_opt_outs = models.IntegerField(default=0, db_default=0)
    asked_read = models.PositiveIntegerField(
        default=0, db_default=0, help_text="Of the records read: those that were asked for"
    )
    asked_rejected = models.PositiveIntegerField(default=0, db_default=0)
    pages = models.PositiveIntegerField(default=0)
    writes = models.PositiveIntegerField(
        default=0, help_text="Requests that left to write to the target, each time that they left"
    )
    repeats = models.PositiveIntegerField(
        default=0, db_default=0, help_text="Of the writes: those that said again what an earlier one had said"
    )
    lost_writes = models.PositiveIntegerField(
        default=0, db_default=0, help_text="Of the writes: under way when a worker died; each may not have left"
    )
    findings = models.JSONField(default=dict, blank=True)

    message = models.TextField(blank=True)
    queued_at = models.DateTimeField(db_default=Now(), editable=False, help_text="By the database's clock")
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "run"
        ordering = ["-id"]
        indexes = [models.Index(fields=["flow", "-id"]), models.Index(fields=["state", "-id"])]
        constraints = [
            models.UniqueConstraint(
                fields=["flow", "kind", "part"], condition=Q(state__in=[*ACTIVE_RUNS]), name="one_active_run_per_flow"
            ),
            models.UniqueConstraint(fields=["flow", "kind", "due_at"], name="one_run_per_due_time"),
            models.CheckConstraint(
                condition=~Q(state="completed")
                | Q(read=F("accepted") + F("unchanged") + F("excluded") + F("held") + F("rejected") + F("unknown"))
                | Q(
                    kind__in=["compare", "sweep", "plan"],
                    accepted=0,
                    unchanged=0,
                    excluded=0,
                    held=0,
                    rejected=0,
                    unknown=0,
                ),
                name="buckets_add_up",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.flow} run {self.pk}"

    @property
    def whole_id(self) -> int:
        """The run that people see: itself, or the one it is a part of."""
        return self.parent_id or self.pk

    @property
    def active(self) -> bool:
        return self.state in ACTIVE_RUNS


class RunPage(models.Model):
    """Which keys a page put into which bucket (unchanged ones are not listed): zlib-compressed JSON."""

    run = models.ForeignKey(SyncRun, models.CASCADE, related_name="run_pages")
    number = models.PositiveIntegerField()
    finished_at = models.DateTimeField()
    read = models.PositiveIntegerField()
    manifest = models.BinaryField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "number"], name="one_manifest_per_page")]

    def __str__(self) -> str:
        return f"{self.run_id}/{self.number}"


class Delivery(models.Model):
    """One request to a target: intended before it is made, its outcome written after.

    `keys`, `request` and `reply` are zlib-compressed; request and reply are purged by retention.
    """

    run = models.ForeignKey(SyncRun, models.SET_NULL, null=True, related_name="deliveries")
    flow = models.ForeignKey("sync.Flow", models.CASCADE)
    key = models.CharField(max_length=64, unique=True, help_text="Idempotency key")
    epoch = models.PositiveIntegerField()
    records = models.PositiveIntegerField()
    keys = models.BinaryField()
    intended_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    requests = models.PositiveIntegerField(
        default=0, db_default=0, help_text="Times that it left: repeats, halves, rows on their own"
    )
    outcome = models.CharField(
        max_length=10,
        blank=True,
        choices=[(o, o) for o in ("accepted", "partly", "rejected", "retryable", "unknown")],
    )
    message = models.TextField(blank=True)
    request = models.BinaryField(null=True)
    reply = models.BinaryField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["run", "id"]),
            models.Index(fields=["flow"], condition=Q(outcome=""), name="delivery_open"),
            models.Index(fields=["finished_at"]),
        ]
        verbose_name_plural = "deliveries"

    def __str__(self) -> str:
        return f"delivery {self.pk}"
