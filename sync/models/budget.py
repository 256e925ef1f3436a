"""The API budget of one credential, shared by every worker through one row."""

from django.db import models


class ApiBudget(models.Model):
    """`next_free` is the theoretical arrival time of GCRA (generic cell rate algorithm) in unix seconds."""

    connection = models.CharField(max_length=60, unique=True)
    per_minute = models.PositiveIntegerField(default=1000)
    burst = models.PositiveIntegerField(default=60)
    next_free = models.FloatField(default=0)
    blocked_until = models.FloatField(default=0, help_text="The system itself said so, unix seconds")
    calls = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.connection}: {self.per_minute} a minute"
