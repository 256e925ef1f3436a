"""The form of a flow's schedule, in words an operator uses."""

from datetime import time
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.utils import timezone

from sync import schedules
from sync.schedules import BUSINESS, CATCH_UP, COALESCE, DAILY, EVERY, QUEUE, SKIP, Schedule

ZONES = (
    "UTC Europe/London Europe/Dublin Europe/Lisbon Europe/Paris Europe/Berlin Europe/Madrid Europe/Rome Europe/Warsaw "
    "Europe/Stockholm Europe/Athens Europe/Kyiv Europe/Istanbul America/New_York America/Chicago America/Denver "
    "America/Los_Angeles America/Toronto America/Sao_Paulo Asia/Dubai Asia/Kolkata Asia/Singapore Asia/Tokyo "
    "Australia/Sydney Pacific/Auckland"
).split()

APPLIES = {"minutes": (EVERY,), "at": (DAILY,), "zone": (DAILY, BUSINESS)}


class ScheduleForm(forms.Form):
    frequency = forms.ChoiceField(
        label="How often",
        choices=[(EVERY, "Every few minutes"), (DAILY, "Once a day"), (BUSINESS, "Hourly in business hours")],
        widget=forms.RadioSelect,
    )
    minutes = forms.IntegerField(
        label="Minutes between two starts",
        required=False,
        min_value=1,
        max_value=1440,
        error_messages={"min_value": "A flow starts once a minute at most.", "max_value": "Use once a day instead."},
    )
    at = forms.TimeField(label="Time of day", required=False, widget=forms.TimeInput({"type": "time"}, format="%H:%M"))
    zone = forms.ChoiceField(label="Time zone", required=False)
    overlap = forms.ChoiceField(
        label="If a run is still active when the next one is due",
        choices=[
            (COALESCE, "Take them together: a run that waits to begin counts for it, otherwise one run follows"),
            (QUEUE, "Start once more right after it"),
            (SKIP, "Leave that start out; the next one comes at its time"),
        ],
        widget=forms.RadioSelect,
        required=False,
    )
    missed = forms.ChoiceField(
        label="If a start was missed: no worker was there, or the flow was paused",
        choices=[
            (CATCH_UP, "Catch up once, at once: whatever changed meanwhile is read in one run"),
            (SKIP, "Wait for the next start"),
        ],
        widget=forms.RadioSelect,
        required=False,
    )
    on = forms.BooleanField(label="The schedule is on", required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        zones = dict.fromkeys([schedules.default_zone(), self.initial.get("zone") or "UTC", *ZONES])
        known = available_timezones()
        field = self.fields["zone"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [(zone, zone.replace("_", " ")) for zone in zones if zone in known]

    def clean(self) -> dict[str, Any]:
        cleaned = self._only_what_applies(super().clean() or {})
        if cleaned.get("frequency") == EVERY and "minutes" in cleaned and not cleaned["minutes"]:
            self.add_error("minutes", "Say how many minutes.")
        if cleaned.get("frequency") == DAILY and "at" in cleaned and cleaned["at"] is None:
            self.add_error("at", "Say at what time.")
        return cleaned

    def _only_what_applies(self, cleaned: dict[str, Any]) -> dict[str, Any]:
        """What stands in a field of another frequency is not seen by the person, so it cannot be wrong."""
        for name, frequencies in APPLIES.items():
            if cleaned.get("frequency") not in frequencies:
                self.errors.pop(name, None)
                cleaned[name] = None
        return cleaned

    @property
    def schedule(self) -> Schedule:
        """Of a valid form."""
        given = self.cleaned_data
        return Schedule(
            given["frequency"],
            given["minutes"] or Schedule.minutes,
            given["at"] or Schedule.at,
            given["zone"] or schedules.default_zone(),
            given["on"],
            given["overlap"] or COALESCE,
            given["missed"] or CATCH_UP,
        )


def initial(schedule: Schedule | None) -> dict[str, Any]:
    found = schedule or Schedule()
    return {
        "frequency": found.frequency,
        "minutes": found.minutes,
        "at": time(found.at.hour, found.at.minute),
        "zone": found.zone or schedules.default_zone(),
        "on": found.on,
        "overlap": found.overlap,
        "missed": found.missed,
    }


def preview(form: ScheduleForm) -> list[Any]:
    """The next five starts as the form stands; none while it is off or wrong."""
    if not form.is_bound:
        shown = Schedule(**form.initial) if form.initial else Schedule(zone=schedules.default_zone())
    elif form.is_valid():
        shown = form.schedule
    else:
        return []
    return schedules.next_runs(shown, 5, timezone.now()) if shown.on else []
