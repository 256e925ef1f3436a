"""Text of a site → values (contract 3, 4.2, 7.1): each quirk by itself."""

from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.prima import values

CLOCK = values.Clock(ZoneInfo("Europe/London"), "%d/%m/%Y %H:%M:%S", "%d/%m/%Y")


@pytest.mark.parametrize("text", [None, "", "  ", "?", " ? "])
def test_missing_empty_and_question_mark_are_all_not_given(text: str | None) -> None:
    assert values.given(text) == ""


def test_days_come_before_months() -> None:
    assert values.day("%d/%m/%Y")("03/04/2024") == date(2024, 4, 3)
    assert CLOCK.read("03/04/2024 10:00:00") == datetime(2024, 4, 3, 9, tzinfo=UTC)


def test_a_date_alone_is_midnight_of_the_site() -> None:
    assert CLOCK.read("03/07/2024") == datetime(2024, 7, 2, 23, tzinfo=UTC)


def test_in_the_repeated_hour_of_autumn_the_earlier_reading_is_taken() -> None:
    assert CLOCK.read("27/10/2024 01:30:00") == datetime(2024, 10, 27, 0, 30, tzinfo=UTC)
    assert CLOCK.read("27/10/2024 02:30:00") == datetime(2024, 10, 27, 2, 30, tzinfo=UTC)


def test_in_the_hour_that_spring_leaves_out_the_earlier_reading_is_taken() -> None:
    assert CLOCK.read("31/03/2024 01:30:00") == datetime(2024, 3, 31, 0, 30, tzinfo=UTC)
    assert CLOCK.read("31/03/2024 02:30:00") == datetime(2024, 3, 31, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize("hour", [(0, 30), (1, 30)])
def test_a_watermark_in_the_repeated_hour_is_written_as_the_second_before_it(hour: tuple[int, int]) -> None:
    assert CLOCK.write(datetime(2024, 10, 27, *hour, tzinfo=UTC)) == "27/10/2024 00:59:59"


@given(st.datetimes(datetime(1990, 1, 1), datetime(2050, 1, 1), timezones=st.just(UTC)))
def test_what_is_written_is_never_read_as_a_later_moment(moment: datetime) -> None:
    assert CLOCK.read(CLOCK.write(moment)) <= moment
    assert (moment - CLOCK.read(CLOCK.write(moment))).total_seconds() <= 7_201


@pytest.mark.parametrize("text", ["31/02/2024", "2024-03-01", "13/13/2024 00:00:00", "now", "01/03/99999"])
def test_an_unreadable_moment_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a date"):
        CLOCK.read(text)


@pytest.mark.parametrize(
    ("text", "value"), [("1,234.50", "1234.50"), ("-5", "-5"), ("119.00-", "-119.00"), ("+3", "3"), ("0012", "12")]
)
def test_numbers_as_reports_print_them(text: str, value: str) -> None:
    assert values.decimal(".", ",")(text) == Decimal(value)


def test_a_site_may_write_decimal_commas() -> None:
    assert values.decimal(",", ".")("1.234,50") == Decimal("1234.50")


@pytest.mark.parametrize("text", ["", "1e5", "NaN", "Infinity", "1.2.3", "£5", "٣", "1" * 40])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a decimal"):
        values.decimal(".", ",")(text)


def test_words_for_yes_and_no_are_the_sites_and_any_other_is_neither() -> None:
    read = values.yes_no(frozenset({"yes", "y"}), frozenset({"no"}))
    assert read("YES") is True
    assert read("No") is False
    with pytest.raises(ValueError, match="neither"):
        read("Maybe")


@pytest.mark.parametrize("text", ["Part Despatched", "part-despatched", " PART  despatched ", "part - despatched"])
def test_codes_are_compared_trimmed_without_case_and_spaces_are_hyphens(text: str) -> None:
    assert values.folded(text) == "part-despatched"
