"""A mapping tried against a captured reply before it is used (contract 8). Calls nothing, stores nothing."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from connectors.base import Excluded, Gone
from connectors.errors import ConfigurationError, RecordError
from connectors.prima import node, paths, pieces, reader
from connectors.prima.elements import Canonical
from connectors.prima.mapping import EntityMapping
from connectors.prima.model import Model, channels_of, model
from connectors.prima.sales import CONFIRMED_ORDER
from connectors.prima.site import REQUIRED, Entity
from connectors.prima.site_text import SiteFile

FIRST = 3
MOST_VALUES = 50


@dataclass
class Report:
    """What a mapping makes of a reply. `filled` counts the records (or lines) that give a field, of `of` in all;
    `unmapped` the codes that a table lacks, by field; `parked` is (key, why), its value personal data perhaps."""

    entity: str
    version: str
    records: int = 0
    filled: Counter[str] = field(default_factory=Counter)
    of: Counter[str] = field(default_factory=Counter)
    unmapped: dict[str, Counter[str]] = field(default_factory=dict)
    parked: list[tuple[str, RecordError]] = field(default_factory=list)
    excluded: Counter[str] = field(default_factory=Counter)
    first: list[Any] = field(default_factory=list)
    problem: str = ""

    @property
    def missing(self) -> list[str]:
        """Required fields that no record gives: the mapping does not fit this reply."""
        return [] if not self.records else [name for name in self._required() if not self.filled[name]]

    def _required(self) -> Iterator[str]:
        for name in sorted(self.of):
            part, _, last = name.rpartition(".")
            if last in REQUIRED.get(f"{self.entity}.{part}" if part else self.entity, ()):
                yield name


STREAM_OF = {"credit": "sale", "despatch": "order_event", "available": "stock"}


def test_mapping(mapping: SiteFile, captured: bytes, entity: str) -> Report:
    """`captured` is a whole SOAP reply, or the document inside one. Raises ConfigurationError for an entity that
    the mapping does not describe; what is wrong with the reply is the report's `problem`."""
    described = mapping.site.entities.get(entity)
    if described is None:
        raise ConfigurationError(
            f"The mapping file {mapping.name} describes no {entity}.",
            remedy=f"It describes {', '.join(mapping.site.entities)}.",
        )
    report = Report(entity, mapping.version)
    made = model(_with_stock_from(mapping, entity), CONFIRMED_ORDER)
    try:
        for element in _elements(captured, described):
            _one(report, made, mapping, described, element)
    except (reader.NotXmlError, reader.UnsafeXmlError) as error:
        report.problem = f"The reply is {error}."
    except reader.SoapFault as fault:
        report.problem = f"The reply is a fault: {fault.message or fault.text}"
    return report


test_mapping.__test__ = False  # type: ignore[attr-defined]  # its name is the contract's, it is no test of pytest


def _with_stock_from(mapping: SiteFile, entity: str) -> SiteFile:
    if entity not in ("stock", "available"):
        return mapping
    rules = msgspec.structs.replace(mapping.site.rules, stock_from=entity)
    return SiteFile(msgspec.structs.replace(mapping.site, rules=rules), mapping.name, mapping.sha256)


def _elements(captured: bytes, entity: Entity) -> Iterator[Any]:
    steps = paths.record_steps(entity.record)
    if b"Envelope" not in captured[:2_000]:
        captured = reader.enveloped(captured)
    return reader.records(iter((captured,)), steps, reader.Reply())


def _one(report: Report, made: Model, mapping: SiteFile, entity: Entity, element: Any) -> None:
    report.records += 1
    found = node.of_element(element)
    compiled = EntityMapping(mapping.site, entity)
    for place, spec, value in compiled.examined(found):
        report.of[place] += 1
        if value is not None:
            report.filled[place] += 1
        if spec.type == "enum" and isinstance(value, str) and not compiled.knows(place, value):
            _count(report.unmapped.setdefault(place, Counter()), value)
    _map(report, made, entity, element)


def _map(report: Report, made: Model, entity: Entity, element: Any) -> None:
    stream = made.streams(False)[STREAM_OF.get(report.entity, report.entity)]
    for row in _rows(made, report.entity, entity, element):
        key = ""
        try:
            key = stream.key(row)
            record = stream.map(row).record
        except RecordError as error:
            report.parked.append((key or f"record {report.records}", error))
            continue
        if isinstance(record, Excluded | Gone):
            report.excluded[record.rule if isinstance(record, Excluded) else record.why] += 1
        if len(report.first) < FIRST:
            report.first.append(record)


def _rows(made: Model, name: str, entity: Entity, element: Any) -> Sequence[bytes]:
    canonical = Canonical(entity.volatile)
    match name:
        case "consent":
            return pieces.channels(canonical, channels_of(entity))(element)
        case "credit":
            return pieces.documents(canonical, entity, made.sales.plan_credit)(element)
        case "despatch":
            whole = pieces.whole(canonical)(element)
            return [node.row_of(row, node.Piece("despatch", customer="(its order's)")) for row in whole]
    return pieces.whole(canonical)(element)


def _count(counter: Counter[str], value: str) -> None:
    if value in counter or len(counter) < MOST_VALUES:
        counter[value] += 1


def printed(report: Report) -> str:
    """The report for a terminal."""
    lines = [f"{report.entity}, mapping {report.version}: {report.records} records"]
    lines += [report.problem] if report.problem else []
    lines += [f"  {name:<24}{report.filled[name]:>8} of {count:<8}{100 * report.filled[name] // count:>4} %"
              for name, count in sorted(report.of.items())]  # fmt: skip
    for name, counter in sorted(report.unmapped.items()):
        lines.append(
            f"not in the table of {name}: {', '.join(f'{code!r} ({count})' for code, count in counter.items())}"
        )
    lines += [f"kept out, {rule}: {count}" for rule, count in sorted(report.excluded.items())]
    lines += [
        f"parked {key}: {error.field}: {error.message} {error.value}".rstrip() for key, error in report.parked[:20]
    ]
    lines += [f"… and {len(report.parked) - 20} more parked"] if len(report.parked) > 20 else []
    lines += [f"record: {record}" for record in report.first]
    lines += [f"REQUIRED AND NOWHERE: {', '.join(report.missing)}"] if report.missing else []
    return "\n".join(lines)
