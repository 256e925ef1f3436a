"""A flow's schedule in an operator's words: form, preview in local time, and what beat is told."""

import json
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.utils import timezone
from django_celery_beat.models import PeriodicTask, PeriodicTasks

from sync import frequencies, schedules
from sync.models import ApiBudget, AuditEvent, Flow, SyncRun
from sync.schedules import BUSINESS, DAILY, EVERY, Schedule
from tests.admin import desk_records
from tests.admin.desk_records import person

LONDON = ZoneInfo("Europe/London")


def local(moments: list[datetime], zone: ZoneInfo = LONDON) -> list[str]:
    return [f"{moment.astimezone(zone):%d %b %H:%M %Z}" for moment in moments]


def at(year: int, month: int, day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=UTC)


# ---------------------------------------------------------------------------------------------------- next runs


def test_an_interval_goes_on_from_the_last_start() -> None:
    found = schedules.next_runs(Schedule(EVERY, 15), 3, at(2026, 11, 22, 10, 20), last=at(2026, 11, 22, 10, 10))
    assert local(found) == ["22 Nov 10:25 GMT", "22 Nov 10:40 GMT", "22 Nov 10:55 GMT"]


def test_an_interval_that_missed_starts_counts_on_in_its_own_step() -> None:
    found = schedules.next_runs(Schedule(EVERY, 30), 2, at(2026, 11, 22, 10, 20), last=at(2026, 11, 22, 7, 0))
    assert local(found) == ["22 Nov 10:30 GMT", "22 Nov 11:00 GMT"]


def test_an_interval_runs_through_the_repeated_hour_of_autumn_without_a_gap() -> None:
    found = schedules.next_runs(Schedule(EVERY, 30), 5, at(2026, 10, 25, 0, 0))
    assert local(found) == [
        "25 Oct 01:30 BST",
        "25 Oct 01:00 GMT",
        "25 Oct 01:30 GMT",
        "25 Oct 02:00 GMT",
        "25 Oct 02:30 GMT",
    ]


def test_a_daily_time_keeps_its_wall_clock_across_the_end_of_summer_time() -> None:
    daily = Schedule(DAILY, at=time(2, 0), zone="Europe/London")
    found = schedules.next_runs(daily, 3, at(2026, 10, 24, 0, 0))
    assert local(found) == ["24 Oct 02:00 BST", "25 Oct 02:00 GMT", "26 Oct 02:00 GMT"]


def test_a_daily_time_that_exists_twice_starts_once() -> None:
    daily = Schedule(DAILY, at=time(1, 30), zone="Europe/London")
    found = schedules.next_runs(daily, 2, at(2026, 10, 24, 12, 0))
    assert local(found) == ["25 Oct 01:30 BST", "26 Oct 01:30 GMT"]


def test_a_daily_time_that_does_not_exist_starts_when_the_clock_has_jumped() -> None:
    daily = Schedule(DAILY, at=time(1, 30), zone="Europe/London")
    found = schedules.next_runs(daily, 2, at(2026, 3, 28, 12, 0))
    assert local(found) == ["29 Mar 02:30 BST", "30 Mar 01:30 BST"]


def test_business_hours_leave_the_weekend_out() -> None:
    business = Schedule(BUSINESS, zone="Europe/London")
    found = schedules.next_runs(business, 3, at(2026, 11, 20, 17, 30))
    assert local(found) == ["20 Nov 18:00 GMT", "23 Nov 08:00 GMT", "23 Nov 09:00 GMT"]


def test_another_zone_is_meant_when_it_is_chosen() -> None:
    daily = Schedule(DAILY, at=time(2, 0), zone="America/New_York")
    assert local(schedules.next_runs(daily, 1, at(2026, 11, 22, 0, 0))) == ["22 Nov 07:00 GMT"]


# --------------------------------------------------------------------------------------------------- what is stored


@pytest.mark.django_db
@pytest.mark.parametrize(
    "schedule",
    [
        Schedule(EVERY, 5, zone="Europe/London"),
        Schedule(DAILY, at=time(6, 45), zone="Europe/Berlin"),
        Schedule(BUSINESS, zone="Europe/London"),
        Schedule(EVERY, 90, zone="Europe/London", on=False),
    ],
)
def test_what_was_stored_is_read_back(schedule: Schedule) -> None:
    flow = desk_records.flow()
    schedules.write(flow, Schedule(DAILY, at=time(1, 0), zone="UTC"))
    schedules.write(flow, schedule)
    found = schedules.read(Flow.objects.get(pk=flow.pk))
    assert found is not None
    assert (found.words, found.on) == (schedule.words, schedule.on)
    assert PeriodicTask.objects.count() == 1


@pytest.mark.django_db
def test_beat_is_told_of_the_change_and_which_flow_to_start() -> None:
    flow = desk_records.flow()
    schedules.write(flow, Schedule(EVERY, 5))
    task = PeriodicTask.objects.get()
    assert (task.task, json.loads(task.kwargs)) == ("sync.tasks.start_flow", {"flow": flow.name})
    assert task.interval.every == 5
    assert PeriodicTasks.last_change() is not None


@pytest.mark.django_db
def test_a_schedule_of_less_than_a_minute_is_refused_below_the_form_too() -> None:
    with pytest.raises(ValueError, match="once a minute"):
        schedules.write(desk_records.flow(), Schedule(EVERY, 0))


@pytest.mark.django_db
def test_a_paused_flow_and_a_schedule_that_is_off_start_nothing() -> None:
    flow = desk_records.flow()
    assert schedules.upcoming(flow) == []
    schedules.write(flow, Schedule(EVERY, 5))
    assert len(schedules.upcoming(flow, 5)) == 5
    schedules.write(flow, Schedule(EVERY, 5, on=False))
    assert schedules.upcoming(flow) == []


# ------------------------------------------------------------------------------------------------------ the screens


@pytest.fixture
def client() -> Client:
    found = Client()
    found.force_login(person("admin"))
    return found


@pytest.mark.django_db
def test_the_form_stores_a_schedule_and_the_change_is_in_the_audit_log(client: Client) -> None:
    flow = desk_records.flow()
    url = f"/console/sync/flow/{flow.pk}/schedule/"
    assert client.post(url, {"frequency": "every", "minutes": "10", "on": "on"}).status_code == 302
    given = {"frequency": "daily", "at": "06:45", "zone": "Europe/Berlin", "on": "on"}
    assert client.post(url, given).status_code == 302
    html = client.get(f"/console/sync/flow/{flow.pk}/change/").content.decode()
    assert "Daily at 06:45, Europe/Berlin" in html
    log = client.get("/console/sync/auditevent/").content.decode()
    assert "every 10 minutes → daily at 06:45, Europe/Berlin" in log
    assert f'href="/console/sync/flow/{flow.pk}/change/"' in log
    event = AuditEvent.objects.filter(action="change schedule").latest("pk")
    assert event.actor_name == "admin"
    assert event.before["words"] == "every 10 minutes"
    assert event.after["words"] == "daily at 06:45, Europe/Berlin"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"frequency": "every", "minutes": "0"}, "once a minute at most"),
        ({"frequency": "every", "minutes": "-5"}, "once a minute at most"),
        ({"frequency": "every", "minutes": "0.5"}, "whole number"),
        ({"frequency": "every", "minutes": ""}, "Say how many minutes"),
        ({"frequency": "every", "minutes": "5000"}, "once a day instead"),
        ({"frequency": "daily", "at": ""}, "Say at what time"),
        ({"frequency": "daily", "at": "25:00"}, "valid time"),
        ({"frequency": "daily", "at": "02:00", "zone": "Mars/Olympus"}, "Select a valid choice"),
        ({"frequency": "yearly"}, "Select a valid choice"),
        ({}, "This field is required"),
    ],
)
def test_a_wrong_schedule_is_refused_in_words_and_nothing_is_stored(
    client: Client, given: dict[str, str], said: str
) -> None:
    flow = desk_records.flow()
    reply = client.post(f"/console/sync/flow/{flow.pk}/schedule/", {"on": "on", **given})
    assert reply.status_code == 200
    assert said in reply.content.decode()
    assert not PeriodicTask.objects.exists()


@pytest.mark.django_db
def test_a_leftover_in_a_field_of_another_frequency_does_not_matter(client: Client) -> None:
    flow = desk_records.flow()
    given = {"frequency": "business", "minutes": "0", "at": "99:99", "zone": "Europe/London", "on": "on"}
    assert client.post(f"/console/sync/flow/{flow.pk}/schedule/", given).status_code == 302
    assert PeriodicTask.objects.get().crontab.hour == "8-18"


@pytest.mark.django_db
def test_the_preview_shows_five_starts_and_stores_nothing(client: Client) -> None:
    flow = desk_records.flow()
    url = f"/console/sync/flow/{flow.pk}/schedule/?frequency=daily&at=02:00&zone=Europe/London&on=on"
    html = client.get(url).content.decode()
    assert html.count("<li><span>") == 5
    assert "02:00 G" in html or "02:00 B" in html
    assert not PeriodicTask.objects.exists()


@pytest.mark.django_db
def test_pausing_needs_a_note_and_resuming_takes_it_away(client: Client) -> None:
    flow = desk_records.flow()
    url = f"/console/sync/flow/{flow.pk}/"
    assert "leave a note" in client.post(f"{url}pause/", {"note": " "}).content.decode()
    assert client.post(f"{url}pause/", {"note": "price import until 18:00"}).status_code == 302
    html = client.get(f"{url}change/").content.decode()
    assert "price import until 18:00" in html
    assert client.post(f"{url}resume/").status_code == 302
    flow.refresh_from_db()
    assert not flow.paused
    actions = AuditEvent.objects.filter(object_type="flow").order_by("pk").values_list("action", "actor_name")
    assert list(actions) == [("pause flow", "admin"), ("resume flow", "admin")]


@pytest.mark.django_db
def test_the_form_says_what_each_frequency_means_from_the_flows_own_runs(client: Client) -> None:
    flow = desk_records.flow()
    url = f"/console/sync/flow/{flow.pk}/schedule/"
    assert "not known yet" in client.get(url).content.decode()
    ApiBudget.objects.create(key="k", system="emarsys", connections="emarsys", limit=1000, window=60)
    schedules.write(flow, Schedule(EVERY, 15))
    now = timezone.now()
    for state in ("completed", "completed", "completed", "failed"):
        run = SyncRun.objects.create(flow=flow, trigger="schedule", state=state, writes=30)
        SyncRun.objects.filter(pk=run.pk).update(started_at=now, finished_at=now + timedelta(minutes=2))
    every = {one.name: one for one in frequencies.outlooks(flow, schedules.read(flow))}
    quarter = every["Every 15 minutes"]
    assert (quarter.current, quarter.lag_words, quarter.share_words) == (True, "up to 17 min", "0.2 %")
    assert quarter.error_words == "25.0 % of 4 runs"
    assert (every["Once a day"].lag_words, every["Once a day"].error_words) == ("up to 24 h", "never ran so")
    html = client.get(url).content.decode()
    assert "up to 17 min" in html


@pytest.mark.django_db
def test_the_rules_are_chosen_in_the_form_and_a_pause_takes_a_date(client: Client) -> None:
    flow = desk_records.flow()
    url = f"/console/sync/flow/{flow.pk}/"
    given = {"frequency": "every", "minutes": "10", "on": "on", "overlap": "skip", "missed": "skip"}
    assert client.post(f"{url}schedule/", given).status_code == 302
    found = schedules.read(Flow.objects.get(pk=flow.pk))
    assert found is not None
    assert (found.overlap, found.missed) == ("skip", "skip")
    assert AuditEvent.objects.filter(action="change schedule").latest("pk").after["overlap"] == "skip"
    assert "left out" in client.get(f"{url}change/").content.decode()
    past = client.post(f"{url}pause/", {"note": "import", "until": "2020-01-01T18:00"})
    assert "That time has passed" in past.content.decode()
    assert client.post(f"{url}pause/", {"note": "import", "until": "2099-07-01T18:00"}).status_code == 302
    flow.refresh_from_db()
    assert flow.paused_until == at(2099, 7, 1, 17), "18:00 in London's summer"
    assert "1 Jul 2099, 18:00 BST" in client.get(f"{url}change/").content.decode()


@pytest.mark.django_db
def test_a_watermark_is_previewed_moved_and_undone_on_the_screen(client: Client) -> None:
    flow = desk_records.flow("sale")
    Flow.objects.filter(pk=flow.pk).update(watermark="2026-11-20")
    desk_records.line(1)
    url = f"/console/sync/flow/{flow.pk}/"
    shown = client.get(f"{url}watermark/?to=").content.decode()
    assert "about 1 record" in shown
    assert "is not before" in client.get(f"{url}watermark/?to=2026-12-01").content.decode()
    given = {"to": "", "seen": "2026-11-20", "reason": ""}
    assert "Say why" in client.post(f"{url}watermark/", given).content.decode()
    assert client.post(f"{url}watermark/", {**given, "reason": "prices"}).status_code == 302
    assert "the very beginning" in client.get(f"{url}change/").content.decode()
    assert client.post(f"{url}watermark/undo/").status_code == 302
    flow.refresh_from_db()
    assert flow.watermark == "2026-11-20"
