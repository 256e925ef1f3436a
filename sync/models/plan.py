"""Plans: what a sync would do, looked at before it is done."""

from django.conf import settings
from django.db import models
from django.db.models import Q

BUILDING, READY, SECOND_LOOK, APPROVED = "building", "ready", "second_look", "approved"
APPLYING, APPLIED, EXPIRED, DISCARDED = "applying", "applied", "expired", "discarded"
STATES = (
    (BUILDING, "Building"),
    (READY, "Ready"),
    (SECOND_LOOK, "Needs a second look"),
    (APPROVED, "Approved"),
    (APPLYING, "Applying"),
    (APPLIED, "Applied"),
    (EXPIRED, "Expired"),
    (DISCARDED, "Discarded"),
)
WAITING = (READY, SECOND_LOOK, APPROVED)
"""States from which a plan may still be applied, discarded or expire."""


class SyncPlan(models.Model):
    """What a sync of a flow would do, decided on its own path and not done.

    `full`, `since` and `ids` are the question. `counts` are records by what would become of each (they add up to
    `read`); `fields` is {field: {"changed": n, "blanked": n}}, `money` {currency: sum} of what would be sent.
    `examples` hold values as both sides have them, personal ones too: screens mask them, retention empties them.
    `digest` is over every planned record. `outcome` says what applying met that was not as planned.
    """

    flow = models.ForeignKey("sync.Flow", models.CASCADE, related_name="plans", db_index=False)
    state = models.CharField(max_length=12, default=BUILDING, choices=STATES)
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    asked_at = models.DateTimeField()
    full = models.BooleanField(default=False)
    since = models.CharField(max_length=60, blank=True)
    ids = models.JSONField(default=list, blank=True)
    watermark_from = models.TextField(blank=True)
    watermark_to = models.TextField(blank=True)
    mapping_version = models.CharField(max_length=200, blank=True)
    base = models.CharField(max_length=64, blank=True, help_text="Digest of the feed that was published then")

    read = models.PositiveIntegerField(default=0)
    counts = models.JSONField(default=dict, blank=True)
    fields = models.JSONField(default=dict, blank=True)
    money = models.JSONField(default=dict, blank=True)
    examples = models.JSONField(default=list, blank=True)
    dangers = models.JSONField(default=list, blank=True, help_text="Why a second person must look, in sentences")
    digest = models.CharField(max_length=64, blank=True)
    built_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)

    approved_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    approved_at = models.DateTimeField(null=True, blank=True)
    applied_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    applied_at = models.DateTimeField(null=True, blank=True)
    outcome = models.JSONField(default=dict, blank=True)
    message = models.TextField(blank=True)

    class Meta:
        verbose_name = "plan"
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["flow", "-id"], name="plan_flow"),
            models.Index(fields=["expires_at"], condition=Q(state__in=WAITING), name="plan_expiring"),
        ]

    def __str__(self) -> str:
        return f"plan {self.pk} of {self.flow}"


class SyncPlanPage(models.Model):
    """The planned records of one page: zlib-compressed lines `action digest key`, and what they add up to."""

    plan = models.ForeignKey(SyncPlan, models.CASCADE, related_name="pages")
    number = models.PositiveIntegerField()
    summary = models.JSONField(default=dict)
    records = models.BinaryField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["plan", "number"], name="one_plan_page")]

    def __str__(self) -> str:
        return f"{self.plan_id}/{self.number}"
