"""Reads what differs from account to account: ids of custom fields, choices of countries and languages."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from connectors.base import Settings
from connectors.emarsys import choices, replies
from connectors.emarsys.mapping import Schema
from connectors.errors import BatchRefusedError, ConfigurationError, UnexpectedReplyError
from connectors.http import Http


def read(http: Http, settings: Settings) -> Schema:
    """Asks for fields and choices. Raises ConfigurationError naming the field the account does not have."""
    listed = replies.data(http, "GET", "field")
    known = [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
    tier = settings.text("TIER_FIELD")
    return Schema(
        key=_id_of(known, "KEY_FIELD", settings),
        tier=_id_of(known, "TIER_FIELD", settings) if tier else "",
        countries=choices.countries(_choices(http, "14")),
        languages=choices.languages(_choices(http, "35")),
        key_value=one_of(settings, "KEY_VALUE", "account", "key"),
    )


def one_of(settings: Settings, name: str, *allowed: str) -> str:
    """A setting with few values. Raises ConfigurationError rather than guess what another word means."""
    value = settings.text(name)
    if value in allowed:
        return value
    raise ConfigurationError(
        f"{settings.connection}: {name} is {value!r}, which is not one of {', '.join(allowed)}.",
        system=settings.connection,
        remedy=f"Correct {settings.connection.upper()}_{name} in the environment.",
    )


def _id_of(known: Sequence[dict[str, Any]], setting: str, settings: Settings) -> str:
    """By string id, then name, then id; at last by either without case and punctuation (`external_id`)."""
    wanted = settings.text(setting)
    for member in ("string_id", "name", "id"):
        for entry in known:
            if str(entry.get(member, "")) == wanted:
                return str(entry.get("id", ""))
    for entry in known:
        if _plain(wanted) in (_plain(entry.get("string_id")), _plain(entry.get("name"))):
            return str(entry.get("id", ""))
    raise ConfigurationError(
        f"{settings.connection}: this Emarsys account has no contact field {wanted}.",
        system=settings.connection,
        request="GET /field",
        remedy=f"Create the field {wanted} (short text) in Emarsys, or set {settings.connection.upper()}_{setting}.",
    )


def _plain(name: object) -> str:
    return re.sub(r"[^a-z0-9]", "", str(name or "").lower())


def _choices(http: Http, field: str) -> Iterable[tuple[str, str]]:
    """The choices as (id, label); none where the account does not tell."""
    try:
        listed = replies.data(http, "GET", f"field/{field}/choice")
    except (BatchRefusedError, UnexpectedReplyError):
        return []
    if not isinstance(listed, list):
        return []
    return [(str(entry.get("id")), str(entry.get("choice", ""))) for entry in listed if isinstance(entry, dict)]
