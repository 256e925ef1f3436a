"""Reading one value, or saying which field is wrong and why."""

from collections.abc import Callable
from datetime import date
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import fields
from connectors.errors import RecordError


@pytest.mark.parametrize(
    ("value", "code"),
    [("GB", "GB"), ("gbr", "GB"), ("EIRE", "IE"), ("RSA", "ZA"), ("Channel Islands", "JE"), ("United Kingdom", "GB"),
     ("USA", "US"), ("", ""), (None, "")],
)  # fmt: skip
def test_a_country_is_read_from_a_code_a_name_or_an_alias(value: str | None, code: str) -> None:
    assert fields.country(value) == code


@pytest.mark.parametrize("value", ["Unspecified", "European Community", "XX"])
def test_what_is_no_country_is_said(value: str) -> None:
    with pytest.raises(RecordError) as raised:
        fields.country(value)
    assert (raised.value.kind, raised.value.value) == ("unknown_country", value)


@pytest.mark.parametrize(
    ("value", "found"),
    [("1980-02-29T12:00:00Z", date(1980, 2, 29)), ("1900-01-01T12:00:00Z", None), ("1900-01-01T00:00:00Z", None),
     ("0001-01-01", None), ("", None), (" 2024-01-02", date(2024, 1, 2))],
)  # fmt: skip
def test_a_day_is_taken_as_written_and_1900_is_empty(value: str, found: date | None) -> None:
    assert fields.day(value, "birth_date") == found


@pytest.mark.parametrize(
    ("value", "region", "found"),
    [("+447700900858", "", "+447700900858"), ("07700 900858", "GB", "+447700900858"), ("", "GB", ""),
     ("+44 (0)7700 900858", "", "+447700900858")],
)  # fmt: skip
def test_a_phone_number_is_read_as_dialled_in_its_country(value: str, region: str, found: str) -> None:
    assert fields.phone(value, region) == found


@pytest.mark.parametrize(
    ("value", "found"),
    [("Ana@Example.COM ", "ana@example.com"), ("", ""), ("o'neil@example.org", "o'neil@example.org")],
)
def test_an_e_mail_is_lower_case(value: str, found: str) -> None:
    assert fields.email(value) == found


@pytest.mark.parametrize("value", ["1e400", "NaN", "Infinity", "", "12,50", "9" * 13])
def test_what_is_no_amount_is_said(value: str) -> None:
    with pytest.raises(RecordError):
        fields.money(value, "amount")


readers: list[Callable[[Any], Any]] = [
    fields.text,
    fields.email,
    fields.country,
    fields.phone,
    partial(fields.phone, region="GB"),
    partial(fields.day, field="f"),
    partial(fields.money, field="f"),
    partial(fields.moment, field="f"),
    partial(fields.required, field="f"),
]


@given(value=st.text() | st.none() | st.integers() | st.floats() | st.binary(), read=st.sampled_from(readers))
def test_a_reader_raises_nothing_but_a_record_error(value: Any, read: Callable[[Any], Any]) -> None:
    try:
        found = read(value)
    except RecordError:
        return
    if isinstance(found, str):
        assert found == found.strip()
        found.encode()  # no half surrogates
        assert "\x00" not in found
