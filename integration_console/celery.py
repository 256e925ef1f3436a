"""The Celery application: the doorbell, never the queue (the database is)."""

import os
from functools import cached_property
from typing import Any

from celery import Celery
from kombu.transport import TRANSPORT_ALIASES

from integration_console.memory import keep_few_arenas
from integration_console.watchdog import Watchdog

keep_few_arenas()

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "integration_console.settings")

for scheme in ("redis", "rediss"):
    TRANSPORT_ALIASES[scheme] = "integration_console.redis_broker:Transport"


class Application(Celery):
    @cached_property
    def Worker(self) -> Any:
        from integration_console import stopping  # which a web process needs not

        return self.subclass_with_self(stopping.Worker)


app = Application("integration_console")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.steps["worker"].add(Watchdog)
