"""What went out without an answer so far, where sending it twice is safe for a while only."""

from django.db import models


class OpenSend(models.Model):
    """A keyed record (an event) since it first went out; written with its intent, gone with its answer.

    The target knows the key for a while: until then it is repeated, afterwards a person is asked.
    """

    flow = models.ForeignKey("sync.Flow", models.CASCADE, related_name="open_sends", db_index=False)
    key = models.CharField(max_length=200)
    first_sent_at = models.DateTimeField()
    delivery = models.ForeignKey("sync.Delivery", models.SET_NULL, null=True, related_name="+", db_index=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["flow", "key"], name="one_open_send")]
        indexes = [models.Index(fields=["delivery"], name="open_send_delivery")]

    def __str__(self) -> str:
        return self.key
