"""Which entity sets and columns a tenant has, from its `$metadata` (EDMX).

Set names carry version suffixes and differ from tenant to tenant, so they are checked before the first read
(contract 2.1). The document may have tens of megabytes: it is read as a stream of events, names only.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from xml.parsers.expat import ExpatError, ParserCreate

from connectors.errors import ConfigurationError
from connectors.http import Http

LARGEST_TAG, DEEPEST = 2**20, 50
NOT_SERVED = (400, 403, 404, 405, 406, 410, 501)


class Metadata:
    """Names as the tenant spells them; an unknown tenant (no `$metadata`) is taken at the settings' word."""

    def __init__(self, sets: Mapping[str, str], columns: Mapping[str, Mapping[str, str]], system: str) -> None:
        self._sets, self._columns, self._system = sets, columns, system

    def select(self, entity_set: str, required: Sequence[str], optional: Sequence[str]) -> list[str]:
        """The columns to ask for. Raises ConfigurationError naming the set or the required column it lacks."""
        if not self._sets:
            return [*required, *optional]
        columns = self.types(entity_set)
        if not columns:
            return [*required, *optional]
        missing = [name for name in required if name not in columns]
        if missing:
            raise ConfigurationError(
                f"{self._system}: {entity_set} has no column {', '.join(missing)}.",
                system=self._system,
                request="GET $metadata",
                remedy="Correct the entity set or the column in this connection's settings.",
            )
        return [*required, *(name for name in optional if name in columns)]

    def types(self, entity_set: str) -> Mapping[str, str]:
        """The EDM type of each column (`Edm.String`, `Edm.Date`, an enum's qualified name); empty when not known."""
        return self._columns.get(self._type(entity_set), {}) if self._sets else {}

    def _type(self, entity_set: str) -> str:
        if entity_set in self._sets:
            return self._sets[entity_set].rsplit(".", 1)[-1]
        stem = entity_set.rstrip("0123456789").removesuffix("V").lower()[:12]
        alike = sorted(name for name in self._sets if name.lower().startswith(stem))[:5]
        raise ConfigurationError(
            f"{self._system} has no entity set {entity_set}.",
            system=self._system,
            request="GET $metadata",
            reply=f"similar sets: {', '.join(alike) or 'none'}",
            remedy="Set the name that this tenant uses.",
        )


def read(http: Http) -> Metadata:
    """The tenant's names; empty where `$metadata` is not served or is no EDMX."""
    chunks = http.stream("GET", "$metadata", headers={"Accept": "application/xml"}, allow=NOT_SERVED)
    names = _Names()
    try:
        with closing(chunks):  # what is no EDMX is not read to its end
            names.parse(chunks)
    except (ExpatError, ValueError, KeyError):
        names = _Names()
    return Metadata(names.sets, names.columns, http.system)


class _Names:
    """Collects entity sets and the properties of entity types, their base types' included."""

    def __init__(self) -> None:
        self.sets: dict[str, str] = {}
        self.columns: dict[str, dict[str, str]] = {}
        self._bases: dict[str, str] = {}
        self._type = ""
        self._depth = 0

    def parse(self, chunks: Iterable[bytes]) -> None:
        parser = ParserCreate(namespace_separator=" ")
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.StartDoctypeDeclHandler = self._refuse
        fed = 0
        for chunk in chunks:
            parser.Parse(chunk, False)
            fed += len(chunk)
            # expat begins an unfinished tag again with each chunk: a tag without end would take hours.
            if fed - max(0, parser.CurrentByteIndex) > LARGEST_TAG:
                raise ValueError("a tag without end")
        parser.Parse(b"", True)
        for kind, base in self._bases.items():
            self.columns[kind] = {**self.columns.get(base, {}), **self.columns[kind]}

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        name = tag.rsplit(" ", 1)[-1]
        self._depth += 1
        if self._depth > DEEPEST:
            raise ValueError("more levels than EDMX has")
        if name == "EntitySet":
            self.sets[attributes["Name"]] = attributes.get("EntityType", "")
        elif name == "EntityType":
            self._type = attributes["Name"]
            self.columns[self._type] = {}
            if "BaseType" in attributes:
                self._bases[self._type] = attributes["BaseType"].rsplit(".", 1)[-1]
        elif name == "Property" and self._type:
            self.columns[self._type][attributes["Name"]] = attributes.get("Type", "")

    def _end(self, tag: str) -> None:
        self._depth -= 1
        if tag.rsplit(" ", 1)[-1] == "EntityType":
            self._type = ""

    @staticmethod
    def _refuse(*_declaration: object) -> None:
        raise ValueError("a document type declaration, which EDMX does not have")
