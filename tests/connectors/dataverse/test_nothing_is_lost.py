"""Whatever happens there while we read: what we were told adds up to what the system holds."""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer
from werkzeug import Request

from connectors.base import Gone
from tests.connectors.dataverse.web_api_server import WebApi, contact, guid

PEOPLE = range(1, 9)
NOW = {"modifiedon": "2999-01-01T00:00:00Z"}
people = st.sampled_from(PEOPLE)
deeds = st.tuples(st.sampled_from(["change", "archive", "reactivate", "merge", "delete", "create"]), people, people)


def do(api: WebApi, deed: tuple[str, int, int], while_reading: bool) -> None:
    what, one, other = deed
    rows = api.tables["contacts"]
    if what == "create":
        rows.setdefault(guid(one), contact(one))
        api.change("contacts", guid(one), **NOW)
    elif guid(one) not in rows:
        return
    elif what == "change":
        api.change("contacts", guid(one), lastname=f"Then {api.version}", **NOW)
    elif what in ("archive", "reactivate"):
        api.change("contacts", guid(one), statecode=int(what == "archive"), **NOW)
    elif what == "merge" and one != other:
        api.change("contacts", guid(one), statecode=1, merged=True, _masterid_value=guid(other), **NOW)
    elif what == "delete" and not while_reading:  # within the first read a deletion is found by the sweep only
        api.delete("contacts", guid(one))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    before=st.lists(people, unique=True, min_size=1),
    meanwhile=st.lists(st.lists(deeds, max_size=2), max_size=6),
    later=st.lists(st.lists(deeds, max_size=5), max_size=3),
    page=st.integers(1, 9),
)
def test_what_was_told_adds_up_to_what_is_there(
    server: HTTPServer, dataverse: Any, before: list[int], meanwhile: list[Any], later: list[Any], page: int
) -> None:
    server.clear()
    api = WebApi(server, {"contacts": [contact(number) for number in before]}, page=page)
    source, held, rounds = dataverse(), dict[str, str](), list(meanwhile)

    def acting(request: Request) -> None:
        # What is new at the front of an offset walk would push rows to a page that was read: that is the sweep's.
        if rounds and request.args.get("$skiptoken"):
            for deed in rounds.pop():
                if deed[0] != "create":
                    do(api, deed, True)

    api.before = acting
    watermark = take(source, "", held)
    api.before = lambda request: None
    watermark = take(source, watermark, held)
    for round_ in later:
        for deed in round_:
            do(api, deed, False)
        watermark = take(source, watermark, held)
    assert held == {key: row["lastname"] for key, row in api.tables["contacts"].items()
                    if row["statecode"] == 0 and not row["merged"]}  # fmt: skip


def take(source: Any, since: str, held: dict[str, str]) -> str:
    for page in source.read("customer", since):
        for row in page.rows:
            record = source.streams["customer"].map(row).record
            if isinstance(record, Gone):
                held.pop(record.key, None)
            else:
                held[record.key] = record.last_name
        if page.watermark is not None:
            return str(page.watermark)
    raise AssertionError("no page had a watermark")
