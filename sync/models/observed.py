"""What Emarsys itself says about orders: imported, never sent."""

from django.db import models


class AttributionLink(models.Model):
    """One treatment that Emarsys credits with a share of one order; several may share an order.

    `amount` is in the account's currency. Add amounts, never order totals.
    """

    flow = models.ForeignKey("sync.Flow", models.CASCADE, related_name="attributions", db_index=False)
    source_id = models.CharField(max_length=200)
    order_number = models.CharField(max_length=120)
    campaign = models.CharField(max_length=60)
    treatment = models.CharField(max_length=120)
    channel = models.CharField(max_length=30, blank=True)
    contact = models.CharField(max_length=60, blank=True)
    amount = models.DecimalField(max_digits=18, decimal_places=4)
    reason = models.CharField(max_length=60, blank=True)
    ordered_at = models.DateTimeField(null=True, blank=True)
    treated_at = models.DateTimeField(null=True, blank=True)
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["flow", "source_id"], name="one_row_per_treatment")]
        indexes = [
            models.Index(fields=["order_number"], name="attribution_order"),
            models.Index(fields=["campaign", "id"], name="attribution_campaign"),
        ]

    def __str__(self) -> str:
        return f"{self.order_number} ← {self.campaign}"


class EmarsysPurchase(models.Model):
    """One purchase line as Emarsys has loaded it. `amount` is the line's total in the account's currency."""

    flow = models.ForeignKey("sync.Flow", models.CASCADE, related_name="purchases", db_index=False)
    source_id = models.CharField(max_length=200)
    order_number = models.CharField(max_length=120)
    sku = models.CharField(max_length=120)
    contact = models.CharField(max_length=60, blank=True)
    quantity = models.DecimalField(max_digits=18, decimal_places=4)
    amount = models.DecimalField(max_digits=18, decimal_places=4)
    purchased_on = models.DateField()
    channel = models.CharField(max_length=30, blank=True)
    updated_at = models.DateTimeField()

    class Meta:
        verbose_name = "purchase"
        constraints = [models.UniqueConstraint(fields=["flow", "source_id"], name="one_row_per_purchase")]
        indexes = [models.Index(fields=["order_number"], name="purchase_order")]

    def __str__(self) -> str:
        return f"{self.order_number} {self.sku}"
