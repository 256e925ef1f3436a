"""Which version of a site's mapping was used, and what it said then."""

from django.db import models


class MappingVersion(models.Model):
    """A version that a run has used. It is immutable: other content under its number is refused."""

    connection = models.CharField(max_length=60)
    site = models.CharField(max_length=60)
    version = models.CharField(max_length=30)
    digest = models.CharField(max_length=64, help_text="SHA-256 of the file")
    content = models.TextField(blank=True)
    first_used_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["connection", "site", "version"], name="mapping_versions_never_change")
        ]

    def __str__(self) -> str:
        return f"{self.site} version {self.version}"
