"""The product feed's versions: made at the end of a run, guarded against shrinking, served until the next one.

Each file replaces the whole catalogue at Emarsys (contract 7): a truncated one would empty the shop's
recommendations. So a version that lost too many articles waits for a person.
"""

import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.db import transaction

from sync import breakers, clock, history, issues, runs
from sync.issues import Finding
from sync.models import FeedItem, Flow, ProductFeed, SyncRun
from sync.models.breaker import CATALOGUE_SHRINK
from sync.models.feed import PUBLISHED, REFUSED, REPLACED

KIND = "feed_shrunk"
DOUBLE = "duplicate_article"
KEPT = 10
"""Versions whose content is kept, so that somebody can compare them."""


@dataclass(frozen=True)
class Shrink:
    """How much of the published feed may be missing in the next: so many percent, and never fewer than `minimum`
    articles. An empty feed is refused whatever the percentage, unless somebody has allowed `any`."""

    percent: int = field(default_factory=lambda: int(settings.SYNC["FEED_SHRINK_PERCENT"]))
    minimum: int = 0
    any: bool = False

    def refuses(self, items: int, before: int) -> bool:
        if self.any and before:
            return False
        return items == 0 or before - items > max(self.minimum, before * self.percent / 100)


ANY = Shrink(100, any=True)


def after_run(flow: Flow, run: SyncRun, head: bytes, whole: bool, shrink: Shrink | None = None) -> ProductFeed | None:
    """The version this run made or would have made again; None when nothing differs from the published one. `whole`
    says that the run saw every article there is: those it did not see are gone."""
    shrink = shrink or Shrink()
    if whole:
        FeedItem.objects.filter(flow=flow).exclude(run=run).delete()
    doubles: dict[str, str] = {}
    content, digest, items = _file(flow, head, doubles)
    _name(flow, run, doubles)
    versions = ProductFeed.objects.filter(flow=flow).defer("content")
    current = versions.filter(state=PUBLISHED).first()
    if current is not None and current.digest == digest:
        issues.resolve_where(flow, f"Run {run.pk} made a complete feed again.", kind=KIND)
        return None
    latest = versions.order_by("-id").first()
    seen = latest is not None and latest.state == REFUSED and latest.digest == digest
    if latest is not None and seen and shrink.refuses(items, latest.before):
        _tell(latest, run)
        return latest
    feed = ProductFeed(
        flow=flow, run=run, items=items, before=current.items if current else 0, digest=digest, content=content,
        created_at=clock.now(), state=REFUSED,
    )  # fmt: skip
    if shrink.refuses(items, feed.before):
        _refuse(feed, run, shrink)
    else:
        _publish(feed)
        issues.resolve_where(flow, f"Run {run.pk} made a complete feed again.", kind=KIND)
    _forget(flow)
    return feed


def _file(flow: Flow, head: bytes, doubles: dict[str, str]) -> tuple[bytes, str, int]:
    """The file gzip-compressed, the digest of its plain text, and how many articles it lists."""
    digest, packed, items = hashlib.sha256(), [], 0
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)  # a gzip file
    for line in _lines(flow, head, doubles):
        digest.update(line)
        packed.append(packer.compress(line))
        items += 1
    packed.append(packer.flush())
    return b"".join(packed), digest.hexdigest(), items - 1


def _lines(flow: Flow, head: bytes, doubles: dict[str, str]) -> Iterator[bytes]:
    """Each item once: of several articles that the file would call the same, the first by its key. The others are
    put into `doubles`, with the one that stands for them."""
    yield head.rstrip(b"\r\n") + b"\n"
    before, chosen = "", ""
    items = FeedItem.objects.filter(flow=flow).order_by("item", "source_id").values_list("item", "source_id", "body")
    for item, key, body in items.iterator():
        if item and item == before:
            doubles[key] = chosen
            continue
        before, chosen = item, key
        yield body.rstrip("\r\n").encode() + b"\n"


def _name(flow: Flow, run: SyncRun, doubles: dict[str, str]) -> None:
    """Articles that are not in the file, as another of their number stands there."""
    message = "Article {} of another company has the same number and stands in the feed; this one does not."
    findings = [Finding(DOUBLE, key, "sku", message.format(chosen), key, chosen) for key, chosen in doubles.items()]
    issues.raise_all(flow, run.pk, findings)
    over = [pk for key, pk in issues.open_sources(flow, DOUBLE).items() if key not in doubles]
    issues.resolve(over, f"Run {run.pk} found its number once only.")


def _refuse(feed: ProductFeed, run: SyncRun, shrink: Shrink) -> None:
    lost = feed.before - feed.items
    feed.message = "The feed lists no article at all: published, it would empty the shop's recommendations."
    if feed.items:
        share = f"{lost:,} of {feed.before:,} articles are missing ({lost * 100 // feed.before} %)"
        feed.message = f"{share}; at most {shrink.percent} % may be."
    feed.save()
    _tell(feed, run)


def _tell(feed: ProductFeed, run: SyncRun) -> None:
    lost = feed.before - feed.items
    finding = Finding(
        KIND, field="feed", message=feed.message, erp_value=f"{feed.items} articles",
        target_value=f"{feed.before} articles", records=lost, details={"feed": feed.pk},
    )  # fmt: skip
    issues.raise_all(feed.flow, run.pk, [finding])


def _publish(feed: ProductFeed) -> None:
    with transaction.atomic():
        Flow.objects.select_for_update().get(pk=feed.flow_id)  # a person and a run may publish at the same moment
        ProductFeed.objects.filter(flow=feed.flow, state=PUBLISHED).update(state=REPLACED)
        feed.state, feed.published_at = PUBLISHED, clock.now()
        feed.save()


def publish_anyway(feed: ProductFeed, user: Any, reason: str) -> None:
    """A person has looked at a refused version and lets it go out. Raises ValueError without a reason, or when a
    newer version is published."""
    if not reason.strip():
        raise ValueError("Say why this version may go out.")
    if feed.state != REFUSED or feed.content is None:
        raise ValueError("Only a refused version that is still kept can be published.")
    if ProductFeed.objects.filter(flow=feed.flow, pk__gt=feed.pk, state=PUBLISHED).exists():
        raise ValueError("A newer version is published already.")
    with transaction.atomic():
        history.record("publish feed", feed, actor=user, before={"items": feed.before}, after={"items": feed.items},
                       reason=reason)  # fmt: skip
        feed.published_by = user
        _publish(feed)
        issues.resolve_where(feed.flow, f"Published by {user}: {reason}", kind=KIND)
        stopped = breakers.tripped(feed.flow)
        if stopped is not None and stopped.kind == CATALOGUE_SHRINK:  # what it waited for is decided
            runs.resume(feed.flow, user, reason=f"Feed version {feed.pk} was published: {reason}")


def _forget(flow: Flow) -> None:
    old = ProductFeed.objects.filter(flow=flow).exclude(state=PUBLISHED).order_by("-id").values("pk")[KEPT:]
    ProductFeed.objects.filter(pk__in=[row["pk"] for row in old]).update(content=None)


def published(flow_name: str) -> ProductFeed | None:
    found = ProductFeed.objects.filter(flow__name=flow_name, state=PUBLISHED)
    return found.select_related("flow").defer("content").first()  # read once somebody may have it
