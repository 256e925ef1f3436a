"""The Django app."""

from django.apps import AppConfig


class SyncConfig(AppConfig):
    name = "sync"
    verbose_name = "Integration"
    default_auto_field = "django.db.models.BigAutoField"
