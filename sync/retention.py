"""Requests and replies hold personal data: they are emptied after SYNC["PAYLOAD_DAYS"]; outcome and keys stay."""

from datetime import datetime, timedelta

from django.conf import settings

from sync import clock
from sync.models import Delivery, InboxEvent, SyncPlan, SyncPlanPage

BATCH = 1_000
"""Rows of one transaction: a purge never blocks the workers, and a killed one has kept what it did."""


def purge() -> int:
    """How many deliveries, messages and plans were emptied."""
    before = clock.now() - timedelta(days=settings.SYNC["PAYLOAD_DAYS"])
    old = Delivery.objects.filter(finished_at__lt=before, request__isnull=False)
    emptied = 0
    while ids := list(old.values_list("pk", flat=True)[:BATCH]):
        emptied += Delivery.objects.filter(pk__in=ids).update(request=None, reply=None)
    return emptied + _messages(before) + _plans(before)


def _plans(before: datetime) -> int:
    """Examples of plans hold values of people; what they add up to stays."""
    old = SyncPlan.objects.filter(asked_at__lt=before).exclude(examples=[])
    emptied = 0
    while ids := list(old.values_list("pk", flat=True)[:BATCH]):
        SyncPlanPage.objects.filter(plan__in=ids).delete()
        emptied += SyncPlan.objects.filter(pk__in=ids).update(examples=[])
    return emptied


def _messages(before: datetime) -> int:
    """Webhook messages; what they asked for stays."""
    old = InboxEvent.objects.filter(received_at__lt=before, body__isnull=False)
    emptied = 0
    while ids := list(old.values_list("pk", flat=True)[:BATCH]):
        emptied += InboxEvent.objects.filter(pk__in=ids).update(body=None, headers={})
    return emptied
