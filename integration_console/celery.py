"""The Celery application: the doorbell, never the queue (the database is)."""

import os

from celery import Celery
from kombu.transport import TRANSPORT_ALIASES

from integration_console.memory import keep_few_arenas
from integration_console.watchdog import Watchdog

keep_few_arenas()

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "integration_console.settings")

for scheme in ("redis", "rediss"):
    TRANSPORT_ALIASES[scheme] = "integration_console.redis_broker:Transport"
app = Celery("integration_console")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.steps["worker"].add(Watchdog)
