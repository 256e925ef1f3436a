"""A site's own fields of a flow: versions that never change once they were active."""

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q

DRAFT, ACTIVE, RETIRED = "draft", "active", "retired"


class FieldMapping(models.Model):
    """One version. `fields` holds the rows as `connectors.extra.ExtraField` writes them.

    A draft may change; the database refuses to change what an active or retired version says.
    """

    source = models.CharField(max_length=60)
    stream = models.CharField(max_length=60)
    target = models.CharField(max_length=60)
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=10, default=DRAFT, choices=[(s, s) for s in (DRAFT, ACTIVE, RETIRED)])
    fields: "models.JSONField[Any, Any]" = models.JSONField(default=list, blank=True)
    note = models.CharField(max_length=300, blank=True, help_text="Why")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField()
    activated_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    activated_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(
                fields=["source", "stream", "target", "number"], name="field_mapping_numbered_once"
            ),
            models.UniqueConstraint(
                fields=["source", "stream", "target"], condition=Q(state="active"), name="one_active_field_mapping"
            ),
            models.UniqueConstraint(
                fields=["source", "stream", "target"], condition=Q(state="draft"), name="one_draft_field_mapping"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.source}.{self.stream} to {self.target}, version {self.number}"
