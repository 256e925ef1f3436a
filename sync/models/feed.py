"""The product feed: what each article says, and the versions that Emarsys may fetch."""

from django.conf import settings
from django.db import models
from django.db.models import Q

PUBLISHED, REFUSED, REPLACED = "published", "refused", "replaced"


class FeedItem(models.Model):
    """One line of a feed as it was last mapped. `run` is the last run that saw the article."""

    flow = models.ForeignKey("sync.Flow", models.CASCADE, related_name="feed_items", db_index=False)
    source_id = models.CharField(max_length=200)
    item = models.CharField(max_length=200, blank=True, help_text="What the file calls the article: once in it")
    body = models.TextField()
    run = models.ForeignKey("sync.SyncRun", models.SET_NULL, null=True, blank=True, related_name="+", db_index=False)
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["flow", "source_id"], name="one_line_per_article")]
        indexes = [models.Index(fields=["flow", "run"], name="feed_item_run")]

    def __str__(self) -> str:
        return self.source_id


class ProductFeed(models.Model):
    """One version of the whole file, gzip-compressed. Only the published one is served.

    A version that lost too many articles is refused: it waits until somebody publishes it with a reason.
    """

    flow = models.ForeignKey("sync.Flow", models.CASCADE, related_name="feeds", db_index=False)
    run = models.ForeignKey("sync.SyncRun", models.SET_NULL, null=True, blank=True, related_name="+")
    state = models.CharField(max_length=10, choices=[(s, s) for s in (PUBLISHED, REFUSED, REPLACED)])
    items = models.PositiveIntegerField()
    before = models.PositiveIntegerField(default=0, help_text="Articles in the version that was published then")
    digest = models.CharField(max_length=64)
    content = models.BinaryField(null=True)
    created_at = models.DateTimeField()
    published_at = models.DateTimeField(null=True, blank=True)
    published_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    fetched_at = models.DateTimeField(null=True, blank=True, help_text="When it was last fetched")
    message = models.CharField(max_length=300, blank=True)

    class Meta:
        verbose_name = "version"
        constraints = [
            models.UniqueConstraint(fields=["flow"], condition=Q(state=PUBLISHED), name="one_published_feed")
        ]
        indexes = [models.Index(fields=["flow", "-id"], name="feed_versions")]
        permissions = [("publish_feed", "May publish a refused feed")]

    def __str__(self) -> str:
        return f"{self.flow} version {self.pk}"
