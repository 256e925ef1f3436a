"""What one credential may ask of its system, shared by every worker of every machine through one row."""

from django.db import models


class ApiBudget(models.Model):
    """The calls of one credential. `key` is a hash of system and account, never of a secret; moments are unix
    seconds of the database's clock.

    `counts` are the calls by slice of the window, `urgent` the urgent ones among them, `spent` the milliseconds
    they took; all begin at slice `first`. `holders` are the processes that use it now: calls under way, calls
    waiting, until when that is true.
    """

    key = models.CharField(max_length=64, unique=True)
    system = models.CharField(max_length=60)
    connections = models.CharField(max_length=300, blank=True)
    limit = models.PositiveIntegerField(default=0, help_text="Calls in any window; 0: no number is known")
    window = models.PositiveIntegerField(default=60, help_text="Seconds")
    at_once = models.PositiveIntegerField(default=0, help_text="Calls at a time; 0: no number is known")
    busy = models.PositiveIntegerField(default=0, help_text="Seconds of work in any window; 0: no number is known")
    first = models.BigIntegerField(default=0)
    counts = models.BinaryField(default=bytes)
    urgent = models.BinaryField(default=bytes, db_default=b"")
    spent = models.BinaryField(default=bytes)
    pace = models.FloatField(default=0, help_text="No bulk call before this moment once the window fills")
    blocked_until = models.FloatField(default=0, help_text="The system itself said so")
    bulk_until = models.FloatField(default=0, help_text="The system said that little is left: urgent calls only")
    told_limit = models.PositiveIntegerField(default=0, help_text="A lower limit that the system stated")
    holders = models.JSONField(default=dict, blank=True)
    calls = models.BigIntegerField(default=0)
    refused = models.BigIntegerField(default=0)

    class Meta:
        db_table = "sync_credential_budget"

    def __str__(self) -> str:
        return f"{self.system} ({self.connections})"


class ApiUsage(models.Model):
    """What a flow used of a budget within one minute."""

    budget = models.ForeignKey(ApiBudget, models.CASCADE, related_name="usage")
    minute = models.DateTimeField()
    flow = models.CharField(max_length=100)
    calls = models.IntegerField(default=0)
    urgent = models.IntegerField(default=0)
    refused = models.IntegerField(default=0)
    waited = models.FloatField(default=0, help_text="Seconds that calls waited for their turn")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["budget", "minute", "flow"], name="one_usage_a_minute")]

    def __str__(self) -> str:
        return f"{self.flow} {self.minute:%H:%M}"
