"""Reads what differs from account to account: ids and types of fields, choices, the time zone."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from threading import Lock
from typing import Any
from zoneinfo import ZoneInfo

from connectors.base import Settings
from connectors.emarsys import choices, options, replies
from connectors.emarsys.mapping import order_status
from connectors.emarsys.mapping.schema import EMAIL, SIZES, Field, Schema
from connectors.errors import BatchRefusedError, ConfigurationError, UnexpectedReplyError
from connectors.extra import ExtraField, TargetField
from connectors.http import Http


class Account:
    """Asked once, at the first use; whoever comes meanwhile waits. Raises ConfigurationError naming the field
    that the account does not have."""

    def __init__(self, http: Http, settings: Settings) -> None:
        self._http, self._settings = http, settings
        self._asking = Lock()
        self.extra: Sequence[ExtraField] = ()

    @property
    def schema(self) -> Schema:
        with self._asking:
            return self._schema

    @property
    def numbered(self) -> Schema:
        """The same, addressed by the ERP's number: for records that carry no e-mail."""
        schema = self.schema
        if schema.external:
            return replace(schema, key=schema.external)
        raise self._no_field("KEY_FIELD", self._settings.text("KEY_FIELD"))

    @property
    def status_fields(self) -> Mapping[str, Field]:
        with self._asking:
            return self._status_fields

    @property
    def zone(self) -> ZoneInfo:
        with self._asking:
            return self._zone

    def details(self) -> Mapping[str, Any]:
        """Name, country, time zone … (contract 3.13); the cheapest call that shows that everything is well."""
        found = replies.data(self._http, "GET", "settings")
        return found if isinstance(found, dict) else {}

    @cached_property
    def _known(self) -> Sequence[dict[str, Any]]:
        listed = replies.data(self._http, "GET", "field")
        return [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []

    @cached_property
    def _schema(self) -> Schema:
        settings = self._settings
        key_value = options.one_of(settings, "KEY_VALUE", "account", "key")
        by_email = options.one_of(settings, "KEY", "external_id", "email") == "email"
        external = self._entry(settings.text("KEY_FIELD"))
        if external is None and not by_email:
            raise self._no_field("KEY_FIELD", settings.text("KEY_FIELD"))
        number = str(external.get("id", "")) if external else ""
        tier = settings.text("TIER_FIELD")
        return Schema(
            key=EMAIL if by_email else number,
            external=number,
            tier=self._field(tier, "TIER_FIELD") if tier else None,
            countries=choices.countries(self._choices("14")),
            languages=choices.languages(self._choices("35")),
            key_value=key_value,
            sizes=self._sizes(),
            extra=[(one, self._taken(one)) for one in self.extra],
        )

    @cached_property
    def _status_fields(self) -> Mapping[str, Field]:
        wanted = options.pairs(self._settings, "STATUS_FIELDS", order_status.NAMES)
        return {name: self._field(theirs, "STATUS_FIELDS") for name, theirs in wanted.items() if theirs}

    @cached_property
    def _zone(self) -> ZoneInfo:
        name = self._settings.text("ACCOUNT_ZONE") or str(self.details().get("timezone") or "Europe/Vienna")
        try:
            return ZoneInfo(name)
        except (KeyError, ValueError, OSError) as error:
            raise ConfigurationError(
                f"{self._settings.connection}: the account's time zone {name!r} is not one that we know.",
                system=self._settings.connection,
                request="GET settings",
                remedy=f"Set {self._variable('ACCOUNT_ZONE')} to its name, Europe/Vienna for one.",
            ) from error

    def _taken(self, extra: ExtraField) -> Field:
        """The account's field of a site's own field, by its id."""
        entry = next((one for one in self._known if str(one.get("id", "")) == extra.target), None)
        if entry is None:
            raise ConfigurationError(
                f"{self._settings.connection}: Emarsys has no field {extra.name} ({extra.target}) any more.",
                system=self._settings.connection,
                request="GET /field",
                remedy="Create it again, or take it out of the flow's field mapping.",
            )
        return self._field(extra.target) if _kind(entry) == "choice" else Field(extra.target, _type(entry))

    def offered(self) -> list[TargetField]:
        """Every contact field, with the canonical field that writes it already."""
        with self._asking:
            taken = self._standard_fields()
            return [
                TargetField(
                    number := str(entry.get("id", "")),
                    str(entry.get("name") or number),
                    _kind(entry),
                    taken.get(number, ""),
                    SIZES.get(_type(entry), 0),
                )
                for entry in self._known
            ]

    def labels(self, number: str) -> Sequence[str]:
        """The labels of a field's choices."""
        return [label for _, label in self._choices(number)]

    def _standard_fields(self) -> Mapping[str, str]:
        """Field id → what the standard mappings of customers, consent and order status call it."""
        schema = replace(self._schema, extra=())
        statuses = options.pairs(self._settings, "STATUS_FIELDS", order_status.NAMES)
        entries = {name: self._entry(theirs) for name, theirs in statuses.items() if theirs}
        return {
            **{str(entry.get("id", "")): name for name, entry in entries.items() if entry},
            **{schema.key: "external_id"},
            **schema.names,
        }

    def _sizes(self) -> Mapping[str, int]:
        kinds = {str(entry.get("id", "")): str(entry.get("application_type", "")) for entry in self._known}
        return {number: SIZES[kind] for number, kind in kinds.items() if kind in SIZES}

    def _field(self, wanted: str, setting: str = "") -> Field:
        entry = self._entry(wanted)
        if entry is None:
            raise self._no_field(setting, wanted)
        number, kind = str(entry.get("id", "")), str(entry.get("application_type") or "shorttext")
        if "choice" not in kind:
            return Field(number, kind)
        return Field(number, kind, {label.strip().lower(): one for one, label in self._choices(number)})

    def _entry(self, wanted: str) -> Mapping[str, Any] | None:
        """By string id, then name, then id; at last by either without case and punctuation (`external_id`)."""
        for member in ("string_id", "name", "id"):
            for entry in self._known:
                if wanted and str(entry.get(member, "")) == wanted:
                    return entry
        for entry in self._known:
            if _plain(wanted) and _plain(wanted) in (_plain(entry.get("string_id")), _plain(entry.get("name"))):
                return entry
        return None

    def _no_field(self, setting: str, wanted: str) -> ConfigurationError:
        return ConfigurationError(
            f"{self._settings.connection}: this Emarsys account has no contact field {wanted}.",
            system=self._settings.connection,
            request="GET /field",
            remedy=f"Create the field {wanted} in Emarsys, or set {self._variable(setting)}.",
        )

    def _variable(self, setting: str) -> str:
        return f"{self._settings.connection.upper().replace('-', '_')}_{setting}"

    def _choices(self, field: str) -> Iterable[tuple[str, str]]:
        """The choices as (id, label); none where the account does not tell."""
        try:
            listed = replies.data(self._http, "GET", f"field/{field}/choice")
        except (BatchRefusedError, UnexpectedReplyError):
            return []
        if not isinstance(listed, list):
            return []
        return [(str(entry.get("id")), str(entry.get("choice", ""))) for entry in listed if isinstance(entry, dict)]


KINDS = {
    **dict.fromkeys(("shorttext", "longtext", "largetext", "email", "url", "fax", "phone"), "text"),
    **dict.fromkeys(("date", "birthdate"), "date"),
    "numeric": "number",
    "singlechoice": "choice",
}
"""What a type of field takes; several choices at once, vouchers and interests are written by Emarsys alone."""


def _type(entry: Mapping[str, Any]) -> str:
    return str(entry.get("application_type") or "shorttext")


def _kind(entry: Mapping[str, Any]) -> str:
    return KINDS.get(_type(entry), "")


def _plain(name: object) -> str:
    return re.sub(r"[^a-z0-9]", "", str(name or "").lower())
