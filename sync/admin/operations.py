"""Operations' screens: flows, schedules and runs. Beat's own forms are not for operators and are taken away."""

from django.contrib import admin
from django_celery_beat import models as beat

from sync.admin import accounts, backfill_pages, flow_pages, plan_pages, run_pages

__all__ = ["accounts", "backfill_pages", "flow_pages", "plan_pages", "run_pages"]

for _model in (
    beat.PeriodicTask,
    beat.IntervalSchedule,
    beat.CrontabSchedule,
    beat.SolarSchedule,
    beat.ClockedSchedule,
):
    if admin.site.is_registered(_model):
        admin.site.unregister(_model)
