"""What the parts of one read must not both take."""

from django.db import models


class PartClaim(models.Model):
    """A contact that a record of one part adopts; gone when the parts are done."""

    flow = models.ForeignKey("sync.Flow", models.CASCADE)
    target_id = models.CharField(max_length=200)
    source_id = models.CharField(max_length=200)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["flow", "target_id"], name="part_claim_once")]

    def __str__(self) -> str:
        return f"{self.flow_id}:{self.target_id}"
