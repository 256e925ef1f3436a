"""A site's own fields from the emulated ERP to the emulated Emarsys: value, change, comparison, versions."""

import json
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import DatabaseError, transaction
from hypothesis import given
from hypothesis import strategies as st

from connectors.extra import READERS, RULES, ExtraField, read, same
from sync import field_checks, field_mappings, field_trials, runs
from sync.models import AuditEvent, FieldMapping, SyncRun
from tests.sync.conftest import Control, Load, buckets, flow, open_issues, people, sync, worked


def field_id(control: Control, name: str) -> str:
    return next(str(one["id"]) for one in control("GET", "emarsys/fields") if one["name"] == name)


def with_field(control: Control, name: str, kind: str = "shorttext", **more: Any) -> str:
    """A custom field that somebody made in Emarsys; its id."""
    number = str(max(int(one["id"]) for one in control("GET", "emarsys/fields")) + 1)
    control("PUT", f"emarsys/fields/{number}", {"name": name, "application_type": kind, **more})
    return number


def row(control: Control, source: str, name: str, **more: Any) -> dict[str, Any]:
    return {"source": source, "target": field_id(control, name), "name": name, **more}


def in_force(*rows: dict[str, Any], why: str = "asked for by marketing") -> FieldMapping:
    stored, problems = field_mappings.save(flow(), rows, why, None)
    assert not problems, problems
    field_mappings.activate(flow(), None, why)
    found = field_mappings.active(flow())
    assert found == stored
    assert found is not None
    return found


def test_an_own_column_arrives_and_a_changed_mapping_sends_just_what_it_touches(load: Load) -> None:
    control = load(people(6))
    group = with_field(control, "Customer group")
    for number in range(1, 7):
        control.customer(f"C-{number}", CustomerGroupId="gold" if number <= 2 else "std")
    sync()
    table = {"gold": "Gold", "std": "Standard"}
    in_force(row(control, "CustomerGroupId", "Customer group", reader="choice", rule="exact", table=table))
    assert buckets(sync()) == {"accepted": 6}
    assert {one[group] for one in control.contacts().values()} == {"Gold", "Standard"}

    changed = row(control, "CustomerGroupId", "Customer group", reader="choice", table={**table, "gold": "Gold plus"})
    fields, _ = field_checks.parsed([changed])
    told = field_trials.touched(flow(), fields)
    assert (told.records, told.exact, told.of) == (2, True, 6)

    in_force(changed)
    control.forget_requests()
    run = sync()
    assert buckets(run) == {"accepted": 2, "unchanged": 4}
    assert len(control.writes()) == 1
    assert control.contacts()["C-1"][group] == "Gold plus"
    assert buckets(sync()) == {"unchanged": 6}


def test_a_comparison_follows_each_fields_rule_and_marketings_field_is_never_written(load: Load) -> None:
    control = load(people(2))
    nick, limit = with_field(control, "Nickname"), with_field(control, "Alias of the shop", "longtext")
    for number in (1, 2):
        control.customer(f"C-{number}", NameAlias="Sunny", KnownAs="Blue")
    in_force(
        row(control, "NameAlias", "Nickname", rule="ignore_case"),
        row(control, "KnownAs", "Alias of the shop", owner="marketing"),
    )
    sync()
    written = control.contacts()
    assert written["C-1"][nick] == "Sunny"
    assert not written["C-1"].get(limit)

    control("PATCH", f"emarsys/contacts/{written['C-1']['id']}", {nick: "SUNNY", limit: "Blue"})
    control("PATCH", f"emarsys/contacts/{written['C-2']['id']}", {nick: "Rainy", limit: "Green"})
    run = runs.start(flow(), kind="compare", ring=False)
    assert run is not None
    worked(run)
    assert open_issues() == {("field_drift", "usmf|C-2", "Nickname"), ("field_drift", "usmf|C-2", "Alias of the shop")}
    sync()
    after = control.contacts()["C-2"]
    assert (after[nick], after[limit]) == ("Sunny", "Green"), "the ERP's is put right, marketing's stays"


def test_a_run_in_progress_keeps_its_mapping_version(load: Load, settings: Any) -> None:
    control = load(people(30), DYNAMICS365_PAGE_SIZE="10", EMARSYS_CONTACT_BATCH="10")
    nick = with_field(control, "Nickname")
    for number in range(1, 31):
        control.customer(f"C-{number}", NameAlias="old", KnownAs="new")
    first = in_force(row(control, "NameAlias", "Nickname"))
    run = runs.start(flow(), ring=False)
    assert run is not None
    worked(run, seconds=0)
    assert run.state == "running"
    assert 0 < run.read < 30

    second = in_force(row(control, "KnownAs", "Nickname"))
    while run.state == "running":
        worked(run, seconds=0)
    assert run.state == "completed"
    assert {one[nick] for one in control.contacts().values()} == {"old"}
    assert run.field_mapping == first
    assert f"fields {first.number}" in run.mapping_version

    after = sync()
    assert after.field_mapping == second
    assert {one[nick] for one in control.contacts().values()} == {"new"}


def test_two_releases_in_one_run_are_both_named(load: Load) -> None:
    load(people(3))
    run = runs.start(flow(), ring=False)
    assert run is not None
    SyncRun.objects.filter(pk=run.pk).update(mapping_version="an earlier release")
    worked(run)
    assert run.mapping_version.startswith("an earlier release → dynamics365.customer/")


def test_a_bad_value_is_left_out_and_told_and_the_record_goes_on(load: Load) -> None:
    control = load(people(2))
    points = with_field(control, "Points", "numeric")
    control.customer("C-1", NameAlias="12.50")
    control.customer("C-2", NameAlias="many")
    in_force(row(control, "NameAlias", "Points", reader="decimal", rule="number"))
    assert buckets(sync()) == {"accepted": 2}
    assert control.contacts()["C-1"][points] == "12.5"
    assert not control.contacts()["C-2"].get(points)
    assert open_issues() == {("invalid_amount", "usmf|C-2", "Points")}


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"source": "NoSuchColumn"}, "source", "no column"),
    ({"source": "NameAlias,Password"}, "source", "no name of a column"),
    ({"source": "NameAlias eq 'x'"}, "source", "no name of a column"),
    ({"target": "99999"}, "target", "no field"),
    ({"target": "3", "name": "E-Mail"}, "target", "standard mapping"),
    ({"target": "31", "name": "Opt-In"}, "target", "standard mapping"),
    ({"reader": "list", "target": "points", "name": "Points"}, "reader", "does not fit"),
    ({"reader": "magic"}, "reader", "no reader"),
    ({"reader": "choice"}, "table", "needs a table"),
    ({"reader": "email", "personal": False}, "personal", "always personal"),
    ({"owner": "finance"}, "owner", "owner is"),
    ({"rule": "roughly"}, "rule", "no rule"),
    ({"tolerance": "-1"}, "tolerance", "0 upwards"),
    ({"secret": "x"}, "row", "Not a field"),
]


def test_what_is_wrong_is_said_with_its_row_and_nothing_is_stored(load: Load) -> None:
    control = load(people(1))
    with_field(control, "Nickname")
    points = with_field(control, "Points", "numeric")
    good = row(control, "NameAlias", "Nickname")
    for change, cell, words in WRONG:
        wrong = {**good, **change}
        if wrong["target"] == "points":
            wrong["target"] = points
        stored, problems = field_mappings.save(flow(), [wrong], "a test", None)
        assert stored is None
        assert any(one.row == 1 and one.cell == cell and words in one.message for one in problems), (change, problems)
    stored, problems = field_mappings.save(flow(), [good, {**good, "source": "KnownAs"}], "a test", None)
    assert [(one.row, one.cell) for one in problems] == [(2, "target"), (2, "name")]
    assert not FieldMapping.objects.exists()


def test_a_preview_shows_the_way_of_a_value_and_sends_nothing(load: Load) -> None:
    control = load(people(2))
    with_field(control, "Nickname")
    control.customer("C-2", NameAlias=" Sunny ")
    sync()
    control.forget_requests()
    fields, _ = field_checks.parsed([row(control, "NameAlias", "Nickname")])
    shown = field_trials.preview(flow(), fields, "usmf|C-2")
    [tried] = shown.fields
    assert (tried.source, tried.value, tried.sent, tried.target, tried.same) == (" Sunny ", "Sunny", "Sunny", "", False)
    assert field_trials.preview(flow(), fields).key in ("usmf|C-1", "usmf|C-2")
    assert "no record" in field_trials.preview(flow(), fields, "usmf|nobody").note
    assert not control.writes()


def test_a_full_read_is_not_promised_while_a_run_reads_with_the_version_before(load: Load) -> None:
    control = load(people(1))
    with_field(control, "Nickname")
    field_mappings.save(flow(), [row(control, "NameAlias", "Nickname")], "first", None)
    run = runs.start(flow(), ring=False)
    assert run is not None
    with pytest.raises(field_checks.NotPossibleError, match=f"Run {run.pk} is under way"):
        field_mappings.activate(flow(), None, "agreed", read_now=True)
    assert field_mappings.draft(flow()) is not None
    assert field_mappings.activate(flow(), None, "agreed") is None


def test_versions_are_kept_audited_and_never_change(load: Load) -> None:
    control = load(people(1))
    with_field(control, "Nickname")
    somebody = get_user_model().objects.create(username="ada")
    field_mappings.save(flow(), [row(control, "NameAlias", "Nickname")], "first", somebody)
    field_mappings.save(flow(), [row(control, "KnownAs", "Nickname")], "better", somebody)
    run = field_mappings.activate(flow(), somebody, "agreed with the shop", read_now=True)
    assert run is not None
    assert run.full
    told = AuditEvent.objects.get(action="activate field mapping")
    assert (told.actor_name, told.reason, told.after["version"]) == ("ada", "agreed with the shop", 1)
    with pytest.raises(field_checks.NotPossibleError):
        field_mappings.activate(flow(), somebody, "again")
    version = FieldMapping.objects.get()
    version.fields = []
    with pytest.raises(DatabaseError, match="never changes"), transaction.atomic():
        version.save()


def test_a_column_that_is_gone_stops_the_flow_and_blanks_nothing(load: Load) -> None:
    control = load(people(1))
    nick = with_field(control, "Nickname")
    control.customer("C-1", NameAlias="Sunny")
    version = in_force(row(control, "NameAlias", "Nickname"))
    sync()
    FieldMapping.objects.filter(pk=version.pk).update(state="retired")
    gone = {**version.fields[0], "source": "NameOfOld"}
    FieldMapping.objects.create(
        source="dynamics365", stream="customer", target="emarsys", number=2, state="active", fields=[gone],
        created_at=version.created_at,
    )  # fmt: skip
    run = sync()
    assert run.state == "failed"
    assert "NameOfOld" in run.message
    assert control.contacts()["C-1"][nick] == "Sunny"


ANY = ExtraField(source="a", target="1", name="A")


@given(st.sampled_from(sorted(READERS)), st.one_of(st.text(max_size=30), st.integers(), st.decimals(), st.booleans()))
def test_reading_ends_in_a_value_or_a_record_error_and_is_stable(reader: str, value: object) -> None:
    one = ExtraField(source="a", target="1", name="A", reader=reader, table={"g": "Gold"}, region="GB")
    from connectors.errors import RecordError

    try:
        found = read(one, value)
    except RecordError:
        return
    if reader != "choice":
        assert read(one, found) == found, "what was read reads as itself"
    for rule in RULES:
        assert same(ExtraField(source="a", target="1", name="A", rule=rule), found, found)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-10_000, max_value=10_000))
def test_numbers_count_as_equal_within_the_tolerance_only(number: Any) -> None:
    near = ExtraField(source="a", target="1", name="A", rule="number", tolerance="0.05")
    assert same(near, f"{number}", f"{number + json.loads('0', parse_int=type(number))}")
    assert same(near, f"{number}", f"{number + type(number)('0.05')}")
    assert not same(near, f"{number}", f"{number + type(number)('0.06')}")
