"""The Celery application: the doorbell, never the queue (the database is)."""

import os

from celery import Celery

from integration_console.memory import keep_few_arenas
from integration_console.watchdog import Watchdog

keep_few_arenas()

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "integration_console.settings")

app = Celery("integration_console")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.steps["worker"].add(Watchdog)
