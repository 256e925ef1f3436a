"""The companies that keys begin with (`usmf|C-1`), told by the keys that are known here."""

from typing import Any

from django.db.models import QuerySet

from sync.models import CrossReference, Flow

LAST = "\U0010fffd"
"""What no key goes on with."""


def among(records: QuerySet[Any], most: int) -> list[str]:
    """At most so many, by stepping through the index of `source_id`: one probe each. A system whose keys name no
    company ends it."""
    found: list[str] = []
    last = ""
    while len(found) < most:
        following = records.filter(source_id__gt=last).order_by("source_id")
        source_id = following.values_list("source_id", flat=True).first()
        if source_id is None:
            break
        company, bar, _ = source_id.partition("|")
        if not bar:
            break
        found.append(company)
        last = f"{company}|{LAST}"
    return found


def of_source(flow: Flow, most: int = 100) -> list[str]:
    """The companies of this flow's ERP: those of its customers, else of the flow's own records. Empty where its keys
    name none, or where there are so many that the first part of a key is no company."""
    customers = Flow.objects.filter(source=flow.source, entity="customer")
    for one in (*customers, flow):
        links = CrossReference.objects.filter(flow=one).exclude(state="superseded")  # the index leaves them out, too
        if found := among(links, most):
            return found if len(found) < most else []
        if links.exists():
            return []
    return []
