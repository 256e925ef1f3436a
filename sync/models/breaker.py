"""What stops a flow before it does damage: a limit per flow and kind, and what tripped it last."""

from django.conf import settings
from django.core.validators import MaxValueValidator
from django.db import models

ERROR_RATE = "error_rate"
MASS_CHANGE = "mass_change"
MASS_DEACTIVATION = "mass_deactivation"
MASS_OPT_OUT = "mass_opt_out"
CATALOGUE_SHRINK = "catalogue_shrink"
ZERO_RECORDS = "zero_records"
OUT_OF_RANGE = "out_of_range"

BREAKERS = [
    (ERROR_RATE, "Error rate"),
    (MASS_CHANGE, "Mass change"),
    (MASS_DEACTIVATION, "Mass deactivation"),
    (MASS_OPT_OUT, "Mass opt-out"),
    (CATALOGUE_SHRINK, "Catalogue shrink"),
    (ZERO_RECORDS, "Zero records"),
    (OUT_OF_RANGE, "Out of the expected range"),
]


class Breaker(models.Model):
    """Stored once somebody changed its limits or it tripped; until then the defaults of its kind hold.

    `cause` holds the numbers of the last trip. `allowed_once` lets the next run do just this, and is used up when a
    run completes.
    """

    flow = models.ForeignKey("sync.Flow", models.CASCADE, related_name="breakers")
    kind = models.CharField(max_length=20, choices=BREAKERS)
    on = models.BooleanField(default=True)
    percent = models.PositiveSmallIntegerField(validators=[MaxValueValidator(100)])
    minimum = models.PositiveIntegerField(help_text="Records below which it never trips")
    tripped_at = models.DateTimeField(null=True, blank=True)
    run = models.ForeignKey("sync.SyncRun", models.SET_NULL, null=True, blank=True, related_name="+")
    cause = models.JSONField(default=dict, blank=True)
    allowed_once = models.BooleanField(default=False)
    resumed_at = models.DateTimeField(null=True, blank=True)
    resumed_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")

    class Meta:
        ordering = ["flow", "kind"]
        constraints = [models.UniqueConstraint(fields=["flow", "kind"], name="one_breaker_per_flow_and_kind")]

    def __str__(self) -> str:
        return f"{self.flow} {self.kind}"
