"""The Django project."""

from integration_console.celery import app as celery_app

__all__ = ["celery_app"]
