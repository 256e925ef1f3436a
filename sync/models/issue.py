"""Exceptions: one record's problem each, and what people said about it."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from sync.catalogue import KINDS, OPEN_ISSUES, IssueState, Kind, Team


class SyncIssue(models.Model):
    """One record's problem; the screens say exception. Unique while open by (flow, record, kind, field).

    `records` is how many records the exception stands for (1, but for counted cards). `money` is the value at
    risk in `currency`. `details` holds what both sides show: {"fields": [{field, erp, target, same}]}.
    """

    flow = models.ForeignKey("sync.Flow", models.CASCADE, related_name="issues")
    entity = models.CharField(max_length=30)
    source_id = models.CharField(max_length=200, blank=True, help_text="Empty for a run or a target-only record")
    target_id = models.CharField(max_length=60, blank=True)
    kind = models.CharField(max_length=40, help_text="One of the catalogue, or a connector's own word")
    field = models.CharField(max_length=60, blank=True)
    state = models.CharField(
        max_length=10, default=IssueState.OPEN, choices=[(s.value, s.value.capitalize()) for s in IssueState]
    )
    message = models.TextField(blank=True)
    erp_value = models.CharField(max_length=300, blank=True)
    target_value = models.CharField(max_length=300, blank=True)
    details = models.JSONField(default=dict, blank=True)
    records = models.PositiveIntegerField(default=1)
    money = models.DecimalField(max_digits=18, decimal_places=2, null=True, blank=True)
    currency = models.CharField(max_length=3, blank=True)
    blocked_by = models.CharField(max_length=200, blank=True, help_text="Key of the parent record")
    team = models.CharField(max_length=12, choices=[(t.value, t.value.capitalize()) for t in Team])
    assignee = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="issues"
    )
    due_at = models.DateTimeField(null=True, blank=True)
    occurrences = models.PositiveIntegerField(default=1)
    regressed = models.BooleanField(default=False, help_text="Was resolved before and came back")
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True, blank=True)
    resolution = models.TextField(blank=True, help_text="What proved it, or who waived it and why")
    run = models.ForeignKey("sync.SyncRun", models.SET_NULL, null=True, blank=True, related_name="issues")
    delivery = models.ForeignKey("sync.Delivery", models.SET_NULL, null=True, blank=True, related_name="+")

    class Meta:
        verbose_name = "exception"
        constraints = [
            models.UniqueConstraint(
                fields=["flow", "source_id", "target_id", "kind", "field"],
                condition=Q(state__in=[*OPEN_ISSUES]),
                name="one_open_issue",
            )
        ]
        indexes = [
            models.Index(fields=["team", "-id"], condition=Q(state__in=[*OPEN_ISSUES]), name="issue_open_team"),
            models.Index(fields=["kind", "-id"], condition=Q(state__in=[*OPEN_ISSUES]), name="issue_open_kind"),
            models.Index(fields=["flow", "source_id"], name="issue_record"),
            models.Index(fields=["assignee", "state"], name="issue_assignee"),
            models.Index(fields=["target_id"], condition=~Q(target_id=""), name="issue_target"),
            models.Index(fields=["state", "team", "-id"], name="issue_state"),
        ]
        permissions = [
            ("work_marketing", "May work on marketing's exceptions"),
            ("work_finance", "May work on finance's exceptions"),
            ("work_operations", "May work on operations' exceptions"),
            ("view_pii", "May see personal data unmasked"),
        ]

    def __str__(self) -> str:
        return f"{self.catalogue.title} {self.pk}"

    @property
    def catalogue(self) -> Kind:
        return KINDS[self.kind]

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_ISSUES


class Comment(models.Model):
    """What a colleague wrote under an exception."""

    issue = models.ForeignKey(SyncIssue, models.CASCADE, related_name="comments")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    text = models.TextField()
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"comment {self.pk}"
