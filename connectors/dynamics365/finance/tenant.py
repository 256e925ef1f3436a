"""One environment as its connection describes it: which sets and columns it has, under which names."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from connectors.base import Limits, Settings
from connectors.dynamics365 import auth, metadata, odata
from connectors.dynamics365.finance.mapping.keys import Keys
from connectors.errors import ConfigurationError
from connectors.http import Http

COMPANY = "dataAreaId"
KEYS_A_REQUEST = 25
"""No limit of an address' length is documented; integrations stay below this many keys (contract 2.4)."""


@dataclass(frozen=True)
class Table:
    """An entity set. Callers name columns as the contract does; `names` are the tenant's names by those, `types`
    the tenant's EDM types by its own (empty where it serves no `$metadata`)."""

    http: Http
    entity_set: str
    size: int
    select: Sequence[str]
    names: Mapping[str, str]
    types: Mapping[str, str]
    companies: Sequence[str]
    options: Mapping[str, str]
    enum_namespace: str

    def has(self, column: str) -> bool:
        return column in self.select

    def column(self, name: str, bare: bool = False) -> odata.Column:
        """The column as part of an order; `bare` (a moment, a number) holds where `$metadata` says nothing else."""
        theirs = self.names.get(name, name)
        kind = self.types.get(theirs, "")
        bare = kind != "Edm.String" if kind.startswith("Edm.") else bare
        return odata.Column(name, bare, theirs if theirs != name else "")

    def order(self, *columns: str, bare: Collection[str] = ()) -> tuple[odata.Column, ...]:
        """These columns, those left out that the tenant does not have."""
        return tuple(self.column(name, name in bare) for name in columns if self.has(name))

    def read(
        self, order: Sequence[odata.Column], where: Iterable[str] = (), select: Sequence[str] | None = None
    ) -> odata.KeysetRead:
        """The rows of the connection's companies that fit all of `where`, in this order."""
        conditions = [part for part in (*where, self.company_filter) if part]
        asked = [self.names.get(name, name) for name in (self.select if select is None else select)]
        return odata.KeysetRead(
            self.http, self.entity_set, order, self.size, list(dict.fromkeys(asked)), conditions, self.options,
            {ours: theirs for ours, theirs in self.names.items() if ours != theirs},
        )  # fmt: skip

    @property
    def company_filter(self) -> str:
        column = self.names.get(COMPANY, COMPANY)
        return any_of(f"{column} eq {odata.text(code)}" for code in self.companies) if self.has(COMPANY) else ""

    def is_company(self, code: str) -> str:
        """Is this company's, in either case: keys hold it in lower case, a server may compare exactly."""
        if not self.has(COMPANY):
            return ""
        column = self.names.get(COMPANY, COMPANY)
        return any_of(f"{column} eq {odata.text(one)}" for one in dict.fromkeys((code, code.upper())))

    def equals(self, name: str, value: str) -> str:
        column = self.column(name)
        return f"{column.asked} eq {column.literal(value)}"

    def one_of(self, name: str, found: Iterable[tuple[str, str]]) -> str:
        """Finds at least these (company, value). A `*` in `eq` is a wildcard there, so compare what comes back."""
        return any_of(all_of(self.is_company(company), self.equals(name, value)) for company, value in found)

    def since(self, name: str, start: datetime) -> str:
        """At or after this moment (aware, UTC); from the beginning of its day where the column is a date or text."""
        column = self.names.get(name, name)
        day = f"{start:%Y-%m-%d}"
        literals = {"Edm.Date": day, "Edm.String": odata.text(day)}
        return f"{column} ge {literals.get(self.types.get(column, ''), f'{start:%Y-%m-%dT%H:%M:%SZ}')}"

    def is_member(self, name: str, kind: str, member: str) -> str:
        """Compares an enum, its literal qualified by the type `$metadata` names, else by ENUM_NAMESPACE (2.4)."""
        column = self.names.get(name, name)
        known = self.types.get(column, "")
        if known.startswith("Edm.") or not (known or self.enum_namespace):
            return f"{column} eq {odata.text(member)}"
        return f"{column} eq {known or f'{self.enum_namespace}.{kind}'}{odata.text(member)}"


def any_of(conditions: Iterable[str]) -> str:
    found = list(conditions)
    return f"({' or '.join(found)})" if len(found) > 1 else "".join(found)


def all_of(*conditions: str) -> str:
    found = [condition for condition in conditions if condition]
    return f"({' and '.join(found)})" if len(found) > 1 else "".join(found)


class Tenant:
    """Makes no call before its first table is asked for."""

    def __init__(self, settings: Settings, limits: Limits) -> None:
        self.settings = settings
        base = settings.text("URL").rstrip("/")
        sign, renew = auth.signing(settings, settings.text("SCOPE").replace("{url}", base))
        path = settings.text("DATA_PATH").strip("/")
        root = f"{base}/{path}" if path else base
        self.http = Http(
            settings.connection, root, limits, sign=sign, renew=renew, explain=odata.innermost, settings=settings
        )
        self.size = settings.number("PAGE_SIZE")
        self.company_field = settings.text("COMPANY_FIELD").strip()
        self.keys = Keys(bool(self.company_field))
        self.companies = listed(settings.text("COMPANIES"))
        self._tables: dict[str, Table] = {}

    def offers(self, name: str) -> bool:
        """Whether the setting `<name>_SET` names a set at all."""
        return bool(self.settings.text(f"{name}_SET").strip())

    def columns(self, name: str) -> Mapping[str, str]:
        """The columns of the set that `<name>_SET` names, with their EDM types; none where nothing is told."""
        return self._metadata.types(self.settings.text(f"{name}_SET").strip())

    def members(self, name: str, columns: Iterable[str]) -> Mapping[str, str]:
        """The tenant's columns by the name under which rows of this table carry them."""
        ours = {theirs: name for name, theirs in self._renames(name)[0].items()}
        return {column: ours.get(column, column) for column in columns}

    def table(
        self, name: str, required: Sequence[str], optional: Sequence[str] = (), extensions: Sequence[str] = ()
    ) -> Table:
        """The set that `<name>_SET` names with the columns it has; `extensions` only where `<name>_COLUMNS` maps
        them. Raises ConfigurationError naming the set or the required column that the tenant lacks."""
        if name not in self._tables:
            self._tables[name] = self._table(name, required, optional, extensions)
        return self._tables[name]

    def demand(self, name: str, table: Table, columns: Iterable[str]) -> None:
        """Raises ConfigurationError naming those of these columns that the set has no more, or as something that is
        no single value; what `<name>_COLUMNS` says there is none of is not demanded."""
        renamed = self._renames(name)[0]
        asked = [(column, theirs) for column in columns if (theirs := renamed.get(column, column))]
        gone = [theirs for column, theirs in asked if not table.has(column)]
        if gone:
            raise self._drifted(name, table, f"has no column {', '.join(gone)} any more")
        odd = [f"{theirs} ({kind})" for _, theirs in asked if _holds_no_value(kind := table.types.get(theirs, ""))]
        if odd:
            raise self._drifted(name, table, f"holds something else than one value in {', '.join(odd)}")

    def demand_one(self, name: str, table: Table, columns: Sequence[str], *instead: str) -> None:
        """Of columns that can stand for each other one is enough; `instead` is enough alone where it is given."""
        if not any(table.has(column) for column in instead or columns):
            self.demand(name, table, columns)

    def named(self, name: str, columns: Iterable[str]) -> list[str]:
        """Those of these columns for which `<name>_COLUMNS` names the tenant's."""
        renamed = self._renames(name)[0]
        return [column for column in columns if renamed.get(column)]

    def left_out(self, name: str) -> set[str]:
        """The columns that `<name>_COLUMNS` says this tenant does not have."""
        return {ours for ours, theirs in self._renames(name)[0].items() if not theirs}

    def _drifted(self, name: str, table: Table, what: str) -> ConfigurationError:
        return ConfigurationError(
            f"{self.http.system}: {table.entity_set} {what}; nothing was sent.",
            system=self.http.system,
            request="GET $metadata",
            remedy=f"If it was renamed, say so in {name}_COLUMNS (Name=Theirs). If it is gone for good, write Name= "
            "with nothing behind it: its values are not sent any more, and contacts keep what they have.",
        )

    def _table(self, name: str, required: Sequence[str], optional: Sequence[str], extensions: Sequence[str]) -> Table:
        entity_set = self.settings.text(f"{name}_SET").strip()
        if not entity_set:
            raise self._no_set(name)
        renamed, typed = self._renames(name)
        names = {COMPANY: self.company_field, **renamed}
        required = [column for column in required if column != COMPANY or self.company_field]
        optional = [column for column in optional if names.get(column, column)]
        optional += [column for column in extensions if names.get(column)]
        theirs = [names.get(column, column) for column in required], [names.get(column, column) for column in optional]
        if not all(theirs[0]):
            raise self._unnamed(name, required[theirs[0].index("")])
        chosen = set(self._metadata.select(entity_set, *theirs))
        select = [column for column in (*required, *optional) if names.get(column, column) in chosen]
        return Table(
            self.http,
            entity_set,
            self.size,
            select,
            {ours: names[ours] for ours in select if names.get(ours, ours) != ours},
            {**self._metadata.types(entity_set), **typed},
            self.companies,
            {"cross-company": "true"} if self.settings.flag("CROSS_COMPANY") else {},
            self.settings.text("ENUM_NAMESPACE").strip(),
        )

    def _renames(self, name: str) -> tuple[dict[str, str], dict[str, str]]:
        """Their names by ours, and the EDM types that the settings give to their columns."""
        pairs = [part.partition("=") for part in listed(self.settings.text(f"{name}_COLUMNS"))]
        theirs = {ours.strip(): column.partition(":") for ours, _, column in pairs}
        names = {ours: column.strip() for ours, (column, _, _) in theirs.items()}
        return names, {column.strip(): kind.strip() for column, _, kind in theirs.values() if kind.strip()}

    def _no_set(self, name: str) -> ConfigurationError:
        return ConfigurationError(
            f"{self.http.system}: {name}_SET names no entity set.",
            system=self.http.system,
            remedy=f"Name one in {name}_SET, or leave what needs it switched off.",
        )

    def _unnamed(self, name: str, column: str) -> ConfigurationError:
        return ConfigurationError(
            f"{self.http.system}: {name}_COLUMNS leaves out {column}, without which no row can be read.",
            system=self.http.system,
            remedy=f"Say in {name}_COLUMNS which column holds {column}.",
        )

    @cached_property
    def _metadata(self) -> metadata.Metadata:
        return metadata.read(self.http)


def _holds_no_value(kind: str) -> bool:
    return kind.startswith(("Collection(", "Edm.Geo")) or kind in ("Edm.Binary", "Edm.Stream")


def listed(value: str) -> list[str]:
    return [part.strip() for part in value.split(",") if part.strip()]
