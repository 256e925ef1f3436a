"""The Django app."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class SyncConfig(AppConfig):
    name = "sync"
    verbose_name = "Integration"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from sync import roles

        post_migrate.connect(roles.create_groups, sender=self, dispatch_uid="sync.roles")
