"""The cross-reference: which source record is which target record."""

from django.db import models
from django.db.models import Q

from sync.catalogue import LinkState

OF_CUSTOMER = "customer: "
"""What a rule begins with where it is the customer that it keeps out, not the record itself."""
LIVE = [LinkState.ACTIVE, LinkState.REJECTED, LinkState.HELD, LinkState.EXCLUDED, LinkState.ARCHIVED]


class CrossReference(models.Model):
    """Source id ↔ target id. Both digests are kept only while the record is accepted and undisputed.

    `raw_digest` is over the row as the source sent it, `sent_digest` over what was sent; both are salted with
    the mapping's version. `email_digest` is a keyed hash: a search for an exact address finds the row, the
    table does not show it.
    """

    # Looking the same flow up for each of a million rows cost a fifth of writing them.
    flow = models.ForeignKey("sync.Flow", models.CASCADE, related_name="links", db_index=False, db_constraint=False)
    source_id = models.CharField(max_length=200)
    target_id = models.CharField(max_length=60, blank=True)
    state = models.CharField(max_length=12, default=LinkState.ACTIVE, choices=[(s.value, s.value) for s in LinkState])
    target_key = models.CharField(max_length=200, blank=True, help_text="The key we write into the target")
    rule = models.CharField(max_length=40, blank=True, default="", db_default="", help_text="The rule that excludes it")
    raw_digest = models.UUIDField(null=True, blank=True)
    sent_digest = models.UUIDField(null=True, blank=True)
    email_digest = models.UUIDField(null=True, blank=True)
    superseded_by = models.ForeignKey("self", models.SET_NULL, null=True, blank=True, db_index=False)
    first_synced_at = models.DateTimeField(null=True, blank=True)
    last_synced_at = models.DateTimeField(null=True, blank=True)
    confirmed_at = models.DateTimeField(null=True, blank=True, help_text="When reading the target last showed it")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["flow", "source_id"], condition=~Q(state="superseded"), name="one_live_link_per_record"
            )
        ]
        indexes = [
            models.Index(fields=["raw_digest"], condition=Q(raw_digest__isnull=False), name="link_raw_digest"),
            models.Index(fields=["flow", "target_id"], name="link_target"),
            models.Index(fields=["email_digest"], condition=Q(email_digest__isnull=False), name="link_email"),
            models.Index(fields=["source_id"], name="link_source_id"),
            models.Index(fields=["target_key"], name="link_target_key"),
        ]

    def __str__(self) -> str:
        return f"{self.source_id} → {self.target_id or '–'}"
