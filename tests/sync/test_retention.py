"""Requests and replies do not outlive their time."""

from datetime import timedelta

import pytest
from django.utils import timezone

from sync import retention
from sync.models import Delivery, Flow

pytestmark = pytest.mark.django_db


def test_requests_and_replies_go_after_their_time_and_the_outcome_stays(settings: object) -> None:
    flow = Flow.objects.create(name="a.customer", source="a", target="b", stream="customer", entity="customer")
    now = timezone.now()
    for key, days in (("old", 31), ("young", 29)):
        Delivery.objects.create(
            flow=flow,
            key=key,
            epoch=1,
            records=1,
            keys=b"k",
            request=b"r",
            reply=b"a",
            outcome="accepted",
            intended_at=now - timedelta(days=days),
            finished_at=now - timedelta(days=days),
        )
    assert retention.purge() == 1
    old, young = Delivery.objects.get(key="old"), Delivery.objects.get(key="young")
    assert (old.request, old.reply, old.outcome, bytes(old.keys)) == (None, None, "accepted", b"k")
    assert bytes(young.request or b"") == b"r"
