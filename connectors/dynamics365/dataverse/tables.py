"""Which tables and columns are read, and what consent's columns say. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import translate

from connectors.base import Settings
from connectors.errors import ConfigurationError

CONSENT_POINTS = "msdynmkt_contactpointconsent4s"
GUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z")
SHARED = ("statecode", "merged", "_masterid_value")
EMAIL_POINT, FOR_PURPOSE, OPTED_IN, OPTED_OUT = 534120000, 534120000, 534120001, 534120002
"""Option values of contact point consent (contract 3.6)."""


@dataclass(frozen=True)
class Table:
    """An entity set: its key column, the column of the ERP's number, and the columns to ask for."""

    name: str
    logical: str
    id: str
    number: str = ""
    required: Sequence[str] = ()
    optional: Sequence[str] = ()


@dataclass(frozen=True)
class Flags:
    """What Boolean columns say about one channel: `says[column]` is (when true, when false)."""

    channel: str
    says: Mapping[str, tuple[str, str]]
    written: Sequence[str]

    def given(self, row: Mapping[str, object]) -> str:
        """No if any column says no, else yes if any says yes, else nobody knows."""
        said = {self.says[name][0 if row[name] else 1] for name in self.says if isinstance(row.get(name), bool)}
        return "no" if "no" in said else "yes" if "yes" in said else ""

    def wanted(self, given: str) -> Mapping[str, bool]:
        """The values of the written columns that say this, or at least no longer the opposite."""
        return {name: self._value(name, given) for name in self.written}

    def _value(self, name: str, given: str) -> bool:
        when_true, when_false = self.says[name]
        if given in (when_true, when_false):
            return when_true == given
        return not when_true

    def still_refusing(self, row: Mapping[str, object]) -> list[str]:
        """Columns that say no and that we do not write: an opt-in would not read back as one."""
        others = {name: says for name, says in self.says.items() if name not in self.written}
        return [name for name, says in others.items()
                if isinstance(row.get(name), bool) and says[0 if row[name] else 1] == "no"]  # fmt: skip


@dataclass(frozen=True)
class Rule:
    """Rows whose column matches the pattern stay out of the target."""

    name: str
    column: str
    matches: re.Pattern[str] = field(repr=False)


PERSON = ("firstname", "lastname", "mobilephone", "birthdate")
ORGANISATION = ("name",)
ADDRESS = ("emailaddress1", "telephone1", "address1_line1", "address1_line2", "address1_city", "address1_postalcode",
           "address1_country")  # fmt: skip


def customer_tables(settings: Settings, extra: Sequence[str] = ()) -> list[Table]:
    """The tables named by TABLES. Raises ConfigurationError for a table we cannot read customers from."""
    own = {
        "contacts": ("contact", "contactid", settings.text("CONTACT_NUMBER"), PERSON),
        "accounts": ("account", "accountid", settings.text("ACCOUNT_NUMBER"), ORGANISATION),
    }
    wanted = listed(settings.text("TABLES"))
    if not wanted or set(wanted) - set(own):
        raise wrong(settings, "TABLES", "contacts, accounts or both")
    tables = []
    for name in dict.fromkeys(wanted):
        logical, key, number, columns = own[name]
        shared = [settings.text("PARTY_FIELD"), settings.text("TIER_FIELD"), *extra]
        optional = [column for column in dict.fromkeys((number, *columns, *ADDRESS, *shared)) if column]
        tables.append(Table(name, logical, key, number, (key, *SHARED), optional))
    return tables


def consent_tables(settings: Settings, flags: Flags) -> list[Table]:
    """The same tables with consent's columns, or the one of contact points."""
    if by_contact_point(settings):
        key = CONSENT_POINTS.removesuffix("s") + "id"
        columns = ("msdynmkt_contactpointvalue", "msdynmkt_contactpointtype", "msdynmkt_contactpointconsenttype",
                   "msdynmkt_value", "_msdynmkt_purposeid_value", "statecode", "modifiedon")  # fmt: skip
        return [Table(CONSENT_POINTS, CONSENT_POINTS.removesuffix("s"), key, "", (key, *columns))]
    tables = customer_tables(settings)
    return [
        Table(table.name, table.logical, table.id, table.number,
              (*table.required, "modifiedon", *flags.says), tuple(filter(None, (table.number, "emailaddress1"))))
        for table in tables
    ]  # fmt: skip


def by_contact_point(settings: Settings) -> bool:
    source = settings.text("CONSENT_SOURCE").strip()
    if source not in ("contact", "contact_point"):
        raise wrong(settings, "CONSENT_SOURCE", "contact or contact_point")
    if source == "contact_point" and not GUID.match(settings.text("CONSENT_PURPOSE").strip().lower()):
        raise wrong(settings, "CONSENT_PURPOSE", "the id of the purpose (a GUID) whose consent is meant")
    return source == "contact_point"


def flags(settings: Settings) -> Flags:
    says: dict[str, tuple[str, str]] = {}
    for part in listed(settings.text("CONSENT_FLAGS")):
        name, _, meaning = part.partition("=")
        when_true, slash, when_false = meaning.partition("/")
        told = (when_true.strip(), when_false.strip())
        if not slash or not name.strip().isidentifier() or set(told) - {"yes", "no", ""} or told[0] == told[1]:
            raise wrong(settings, "CONSENT_FLAGS", "a list like donotbulkemail=no/yes (what true and what false say)")
        says[name.strip()] = told
    written = listed(settings.text("CONSENT_WRITE"))
    if not says or not written or set(written) - set(says):
        raise wrong(settings, "CONSENT_WRITE", "one or more of the columns of CONSENT_FLAGS")
    return Flags(settings.text("CONSENT_CHANNEL").strip(), says, written)


def rules(settings: Settings) -> list[Rule]:
    found = []
    for part in listed(settings.text("EXCLUDE")):
        name, colon, test = part.partition(":")
        column, equals, pattern = test.partition("=")
        if not colon or not equals or not pattern.strip() or not column.strip().isidentifier():
            raise wrong(settings, "EXCLUDE", "a list of rule:column=pattern")
        # Only * is special, as the setting says: brackets and question marks stand for themselves.
        glob = re.sub(r"[\[?]", lambda one: f"[{one[0]}]", pattern.strip().lower())
        found.append(Rule(name.strip(), column.strip(), re.compile(translate(glob))))
    return found


def listed(value: str) -> list[str]:
    return [part.strip() for part in value.split(",") if part.strip()]


def wrong(settings: Settings, name: str, wanted: str) -> ConfigurationError:
    variable = f"{settings.connection.upper().replace('-', '_')}_{name}"
    return ConfigurationError(
        f"{variable} must be {wanted}.",
        system=settings.connection,
        remedy=f"Correct {variable} in the environment and restart.",
    )
