"""What may be asked of a site's own fields: what both systems offer, and everything that is wrong with the rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

import msgspec

from connectors.base import Change, Unlimited
from connectors.errors import ConnectorError
from connectors.extra import (
    OWNERS,
    PERSONAL_READERS,
    READERS,
    RULES,
    ExtraField,
    OffersColumns,
    SourceColumn,
    TakesFields,
    TargetField,
    is_path,
)
from sync import flows
from sync.limits import limits_for_a_person
from sync.models import Flow

MOST_FIELDS = 100


class NotPossibleError(Exception):
    """What was asked for cannot be done now; says why and what to do instead."""


class Problem(NamedTuple):
    """What is wrong with a row (from 1; 0: with the whole mapping), and with which of its cells."""

    row: int
    cell: str
    message: str

    def __str__(self) -> str:
        return f"Row {self.row}, {self.cell}: {self.message}" if self.row else self.message


@dataclass(frozen=True)
class Offer:
    """What both systems have, as they were asked just now. `standard` is the mapping in code: (canonical field,
    column of the source, id and name of the target's field)."""

    columns: Sequence[SourceColumn]
    targets: Sequence[TargetField]
    standard: Sequence[tuple[str, str, str, str]]
    change: Change
    choices: Mapping[str, Sequence[str]] = field(default_factory=dict)
    complete: bool = True
    """Whether the source has no columns but these."""

    @property
    def free(self) -> list[TargetField]:
        """The target's fields that nothing else writes and that we can write."""
        return [one for one in self.targets if one.kind and not one.standard]


def possible(flow: Flow) -> bool:
    """Whether both ends of the flow know fields of the site's own. Makes no call."""
    try:
        source, sink = flows.ends(flow, Unlimited(), Unlimited())
    except ConnectorError:
        return False
    return _extendable(flow, source, sink)


def _extendable(flow: Flow, source: object, sink: object) -> bool:
    return (
        isinstance(source, OffersColumns)
        and isinstance(sink, TakesFields)
        and flow.stream in source.extendable_streams
        and flow.entity in sink.extendable_inlets
    )


def parsed(rows: Sequence[Mapping[str, Any]]) -> tuple[list[ExtraField], list[Problem]]:
    """The rows as fields, and the rows that are none."""
    fields, problems = [], []
    for number, row in enumerate(rows, 1):
        try:
            fields.append(msgspec.convert(dict(row), ExtraField))
        except (msgspec.ValidationError, TypeError) as error:
            problems.append(Problem(number, "row", f"Not a field: {error}"))
    return fields, problems


def offer(flow: Flow, fields: Sequence[ExtraField] = ()) -> Offer:
    """Asks both systems what they have. Raises ConnectorError, and NotPossibleError for flows without own fields."""
    route = flows.open_route(flow, limits_for_a_person(flow.source), limits_for_a_person(flow.target), None)
    if not _extendable(flow, route.source, route.sink):
        raise NotPossibleError(f"{flow.name} takes no fields of the site's own.")
    source, sink = route.source, route.sink
    assert isinstance(source, OffersColumns)
    assert isinstance(sink, TakesFields)
    targets = sink.offered(flow.entity)
    by_id = {one.id: one for one in targets}
    read_from = source.standard(flow.stream)
    standard = [
        (name, read_from.get(name, ""), number, by_id[number].name if number in by_id else "")
        for name, number in route.inlet.fields.items()
    ]
    asked = {one.target for one in fields if one.target in by_id and by_id[one.target].kind == "choice"}
    choices = {number: sink.choices(flow.entity, number) for number in sorted(asked)}
    columns = source.columns(flow.stream)
    return Offer(columns, targets, standard, route.stream.change, choices, bool(columns) and source.tells_all_columns)


def check(flow: Flow, fields: Sequence[ExtraField], known: Offer) -> list[Problem]:
    """Everything that is wrong with these rows, in words for whoever edits them."""
    problems = []
    if len(fields) > MOST_FIELDS:
        problems.append(Problem(0, "", f"More than {MOST_FIELDS} fields; that is no list of extra fields any more."))
    for number, one in enumerate(fields, 1):
        found = [*_source_problems(one, known), *_target_problems(flow, one, known), *_value_problems(one, known)]
        problems += [Problem(number, cell, message) for cell, message in found]
    for cell in ("target", "name"):
        seen: dict[str, int] = {}
        for number, one in enumerate(fields, 1):
            first = seen.setdefault(getattr(one, cell).casefold(), number)
            if first != number:
                problems.append(Problem(number, cell, f"Row {first} goes to the same field; one field, one row."))
                break
    return problems


def _source_problems(one: ExtraField, known: Offer) -> list[tuple[str, str]]:
    if not is_path(one.source):
        return [("source", f"{one.source[:60]!r} is no name of a column: letters, digits and _ are all it may have.")]
    if not known.complete:
        return []
    if one.source.casefold() not in {column.name.casefold() for column in known.columns}:
        alike = [column.name for column in known.columns if _alike(column.name, one.source)][:5]
        hint = f" Similar: {', '.join(alike)}." if alike else ""
        return [("source", f"The source has no column {one.source}.{hint}")]
    exact = {column.name for column in known.columns}
    if one.source not in exact:
        spelled = next(name for name in exact if name.casefold() == one.source.casefold())
        return [("source", f"Write it as the source does: {spelled}.")]
    return []


def _alike(name: str, other: str) -> bool:
    return name.casefold()[:4] == other.casefold()[:4] or other.casefold() in name.casefold()


def _target_problems(flow: Flow, one: ExtraField, known: Offer) -> list[tuple[str, str]]:
    found = next((target for target in known.targets if target.id == one.target), None)
    if found is None:
        return [("target", f"{flow.target} has no field {one.target or 'without an id'}; choose one from the list.")]
    if found.standard:
        called = found.standard.replace("_", " ")
        return [
            ("target", f"{found.name} is written by the standard mapping ({called}); an extra field cannot own it.")
        ]
    if not found.kind:
        return [("target", f"{found.name} is of a type that cannot be written from here.")]
    problems = []
    if one.name != found.name:
        problems.append(("name", f"The field is called {found.name} in {flow.target}."))
    if one.name in {name for name, *_ in known.standard} | {"external_id", "opt_in"}:
        problems.append(("name", "A field of the standard mapping has this name; rename the field in the target."))
    if one.reader in READERS and found.kind not in READERS[one.reader].fits:
        label = READERS[one.reader].label.lower()
        problems.append(("reader", f"{found.name} holds {_KINDS[found.kind]}; {label} does not fit it."))
    return problems


_KINDS = {"text": "text", "number": "numbers", "date": "dates", "choice": "one of its choices"}


def _value_problems(one: ExtraField, known: Offer) -> list[tuple[str, str]]:
    problems = []
    if one.reader not in READERS:
        problems.append(("reader", f"There is no reader {one.reader!r}; there are {', '.join(READERS)}."))
    if one.owner not in OWNERS:
        problems.append(("owner", f"The owner is {' or '.join(OWNERS)}."))
    if one.rule not in RULES:
        problems.append(("rule", f"There is no rule {one.rule!r}; there are {', '.join(RULES)}."))
    if not _tolerable(one.tolerance):
        problems.append(("tolerance", "The tolerance is a number from 0 upwards."))
    elif one.rule != "number" and Decimal(one.tolerance):
        problems.append(("tolerance", "Only numbers are compared with a tolerance."))
    if one.reader == "choice" and not one.table:
        problems.append(("table", "A code needs a table: one code = meaning a line."))
    if one.reader in PERSONAL_READERS and not one.personal:
        problems.append(("personal", "An e-mail address or a phone number is always personal: mark it so."))
    if one.region and not (len(one.region) == 2 and one.region.isascii() and one.region.isupper()):
        problems.append(("region", "A country is two capital letters, GB for one."))
    labels = {label.strip().casefold() for label in known.choices.get(one.target, ())}
    lacking = [
        meaning for meaning in one.table.values() if meaning.strip() and meaning.strip().casefold() not in labels
    ]
    if labels and lacking:
        problems.append(("table", f"The field has no choice {lacking[0]!r} in the target."))
    return problems


def _tolerable(text: str) -> bool:
    try:
        found = Decimal(text)
    except InvalidOperation:
        return False
    return found.is_finite() and found >= 0
