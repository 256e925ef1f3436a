"""The Django peer's own models: a table with the columns, indexes and constraint of the console's links.

Its unique constraint covers all rows: `bulk_create` cannot name the condition of a partial one.
"""

import os
import uuid
from collections.abc import Sequence
from typing import Any, ClassVar

import django
import environ
from django.conf import settings

if not settings.configured:
    settings.configure(
        DATABASES={"default": environ.Env.db_url_config(os.environ["DATABASE_URL"])},
        INSTALLED_APPS=[],
        USE_TZ=True,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    )
    django.setup()

from django.db import connection, models, transaction
from django.db.models import Q
from django.utils import timezone


class Flow(models.Model):
    name = models.CharField(max_length=120, unique=True)
    objects: ClassVar[models.Manager["Flow"]] = models.Manager()

    class Meta:
        app_label = "bench"

    def __str__(self) -> str:
        return self.name


class Link(models.Model):
    """Source id ↔ target id, as in `sync.models.CrossReference`."""

    flow = models.ForeignKey(Flow, models.CASCADE, related_name="links", db_index=False)
    source_id = models.CharField(max_length=200)
    target_id = models.CharField(max_length=60, blank=True)
    state = models.CharField(max_length=12, default="active")
    target_key = models.CharField(max_length=200, blank=True)
    raw_digest = models.UUIDField(null=True, blank=True)
    sent_digest = models.UUIDField(null=True, blank=True)
    email_digest = models.UUIDField(null=True, blank=True)
    superseded_by = models.ForeignKey("self", models.SET_NULL, null=True, blank=True, db_index=False)
    first_synced_at = models.DateTimeField(null=True, blank=True)
    last_synced_at = models.DateTimeField(null=True, blank=True)
    confirmed_at = models.DateTimeField(null=True, blank=True)
    objects: ClassVar[models.Manager["Link"]] = models.Manager()

    class Meta:
        app_label = "bench"
        constraints = [models.UniqueConstraint(fields=["flow", "source_id"], name="bench_one_link")]
        indexes = [
            models.Index(fields=["raw_digest"], condition=Q(raw_digest__isnull=False), name="bench_raw_digest"),
            models.Index(fields=["flow", "target_id"], name="bench_target"),
            models.Index(fields=["email_digest"], condition=Q(email_digest__isnull=False), name="bench_email"),
            models.Index(fields=["source_id"], name="bench_source_id"),
            models.Index(fields=["target_key"], name="bench_target_key"),
        ]

    def __str__(self) -> str:
        return self.source_id

    @classmethod
    def remember(
        cls, flow: Flow, batch: Sequence[tuple[str, dict[str, Any], uuid.UUID]], ids: Sequence[str], key: str
    ) -> None:
        """One transaction for each request that was answered."""
        now = timezone.now()
        links = [
            cls(
                flow=flow,
                source_id=source_id,
                target_id=number,
                target_key=payload[key],
                raw_digest=digest,
                sent_digest=digest,
                email_digest=digest if payload["3"] else None,
                first_synced_at=now,
                last_synced_at=now,
            )
            for (source_id, payload, digest), number in zip(batch, ids, strict=True)
        ]
        with transaction.atomic():
            cls.objects.bulk_create(
                links,
                update_conflicts=True,
                unique_fields=["flow", "source_id"],
                update_fields=[
                    *("target_id", "state", "target_key", "raw_digest", "sent_digest", "email_digest"),
                    "last_synced_at",
                ],
            )


def prepare() -> None:
    """Creates the tables where they are not there yet."""
    present = connection.introspection.table_names()
    with connection.schema_editor() as editor:
        for model in (Flow, Link):
            if model._meta.db_table not in present:
                editor.create_model(model)


def open_flow() -> Flow:
    return Flow.objects.get_or_create(name="bench.customer")[0]
