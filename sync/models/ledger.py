"""Sales: what was sent, exactly once, and what a day adds up to."""

from django.db import models
from django.db.models import Q

from sync.catalogue import LedgerState


class LedgerEntry(models.Model):
    """One invoice or credit line, written before it is sent; it is the line's cross-reference, too.

    Amounts are in `currency`, signed (credits negative), up to four decimal places; `day` is the document's
    business day. `original` is the line a credit most likely belongs to: inferred, the ERP names none.
    """

    flow = models.ForeignKey("sync.Flow", models.CASCADE, related_name="ledger", db_index=False)
    source_id = models.CharField(max_length=200)
    document = models.CharField(max_length=120)
    line = models.CharField(max_length=40)
    company = models.CharField(max_length=20, blank=True)
    customer = models.CharField(max_length=200, blank=True)
    sku = models.CharField(max_length=120, blank=True)
    name = models.CharField(max_length=200, blank=True)
    quantity = models.DecimalField(max_digits=18, decimal_places=4)
    unit_price = models.DecimalField(max_digits=18, decimal_places=4)
    amount = models.DecimalField(max_digits=18, decimal_places=4)
    document_total = models.DecimalField(max_digits=18, decimal_places=4)
    currency = models.CharField(max_length=3)
    day = models.DateField()
    sequence = models.BigIntegerField(default=0, help_text="Digits of the document's number: its place in the day")
    credit = models.BooleanField(default=False)
    charge = models.BooleanField(default=False)
    state = models.CharField(max_length=10, choices=[(s.value, s.value) for s in LedgerState])
    rule = models.CharField(max_length=40, blank=True, help_text="The rule that excluded the line")
    original = models.CharField(max_length=200, blank=True)
    raw_digest = models.UUIDField(null=True, blank=True)
    delivery = models.ForeignKey(
        "sync.Delivery", models.SET_NULL, null=True, blank=True, related_name="entries", db_index=False
    )
    run = models.ForeignKey("sync.SyncRun", models.SET_NULL, null=True, blank=True, related_name="+")
    updated_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "ledger entries"
        constraints = [models.UniqueConstraint(fields=["flow", "source_id"], name="sent_once")]
        indexes = [
            models.Index(fields=["flow", "day", "state"], name="ledger_day"),
            models.Index(fields=["customer", "sku"], name="ledger_customer"),
            models.Index(fields=["raw_digest"], condition=Q(raw_digest__isnull=False), name="ledger_raw_digest"),
            models.Index(fields=["document"], name="ledger_document"),
            models.Index(fields=["delivery"], condition=Q(delivery__isnull=False), name="ledger_delivery"),
            models.Index(
                fields=["flow", "state", "id"],
                condition=Q(state__in=["sending", "held", "rejected", "unknown"]),
                name="ledger_unsettled",
            ),
            models.Index(fields=["flow", "id"], condition=Q(credit=True), name="ledger_credits"),
            models.Index(fields=["flow", "customer"], condition=Q(state="excluded"), name="ledger_excluded"),
        ]

    def __str__(self) -> str:
        return self.source_id


class ControlTotal(models.Model):
    """Day × legal entity × currency: what the ERP has, and where it stands. Recomputable from ledger and ERP.

    Amounts are in `currency`. `erp_*` is what was read from the ERP, `difference` = erp − accepted.
    """

    flow = models.ForeignKey("sync.Flow", models.CASCADE, related_name="totals")
    day = models.DateField()
    company = models.CharField(max_length=20, blank=True)
    currency = models.CharField(max_length=3)
    documents = models.PositiveIntegerField(default=0)
    erp_lines = models.PositiveIntegerField(default=0)
    erp_amount = models.DecimalField(max_digits=18, decimal_places=4, default=0)
    accepted_lines = models.PositiveIntegerField(default=0)
    accepted_amount = models.DecimalField(max_digits=18, decimal_places=4, default=0)
    excluded_lines = models.PositiveIntegerField(default=0)
    excluded_amount = models.DecimalField(max_digits=18, decimal_places=4, default=0)
    held_lines = models.PositiveIntegerField(default=0)
    held_amount = models.DecimalField(max_digits=18, decimal_places=4, default=0)
    rejected_lines = models.PositiveIntegerField(default=0)
    rejected_amount = models.DecimalField(max_digits=18, decimal_places=4, default=0)
    unknown_lines = models.PositiveIntegerField(default=0)
    unknown_amount = models.DecimalField(max_digits=18, decimal_places=4, default=0)
    computed_at = models.DateTimeField()

    class Meta:
        ordering = ["-day", "company", "currency"]
        constraints = [models.UniqueConstraint(fields=["flow", "day", "company", "currency"], name="one_total_per_day")]

    def __str__(self) -> str:
        return f"{self.day} {self.company} {self.currency}"

    @property
    def difference(self) -> object:
        return self.erp_amount - self.accepted_amount
