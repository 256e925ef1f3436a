"""What does not fill a request waits for what comes; nothing is lost, and the resume point never passes it."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from connectors.base import Page, Row
from sync.gathering import Digested, Unit, gathered

Pages = list[tuple[int, int]]
"""(known rows, new rows) of each page"""


def units(pages: Pages, batch: int, patience: float = 60) -> list[Unit]:
    def new(rows: Sequence[Row]) -> list[Digested]:
        return [(row, row) for row in rows if row.startswith(b"new")]

    made = [
        Page(
            [b"old"] * old + [b"new %d %d" % (number, one) for one in range(fresh)],
            resume=f"after {number}",
            watermark="end" if number == len(pages) - 1 else None,
            total=sum(old + fresh for old, fresh in pages),
        )
        for number, (old, fresh) in enumerate(pages)
    ]
    return list(gathered(iter(made), new, batch, patience=patience))


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=20), st.integers(1, 25))
def test_every_row_comes_once_in_as_few_requests_as_can_be(pages: Pages, batch: int) -> None:
    made = units(pages, batch)
    rows = [row for unit in made for row, _ in unit.fresh]
    assert rows == [b"new %d %d" % (number, one) for number, (_, fresh) in enumerate(pages) for one in range(fresh)]
    assert sum(unit.read for unit in made) == sum(old + fresh for old, fresh in pages)
    assert sum(-(-len(unit.fresh) // batch) for unit in made) == -(-len(rows) // batch)
    assert [unit.watermark for unit in made] == [None] * (len(made) - 1) + ["end"]


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=20), st.integers(1, 25))
def test_the_resume_point_moves_only_where_nothing_is_carried(pages: Pages, batch: int) -> None:
    handed = 0
    ends = [sum(fresh for _, fresh in pages[: number + 1]) for number in range(len(pages))]
    for unit in units(pages, batch):
        handed += len(unit.fresh)
        if unit.resume is not None:
            assert ends[int(unit.resume.removeprefix("after "))] == handed


def test_an_unfilled_request_goes_out_when_it_has_waited_long_enough() -> None:
    assert [len(unit.fresh) for unit in units([(5, 1), (5, 1), (5, 1)], 10, patience=-1)] == [1, 1, 1]


def test_a_source_that_never_names_its_last_page_loses_nothing() -> None:
    pages = [Page([b"a", b"b"], resume="1"), Page([b"c"], resume="2")]
    made = list(gathered(iter(pages), lambda rows: [(row, row) for row in rows], 2))
    assert [len(unit.fresh) for unit in made] == [2, 1]
