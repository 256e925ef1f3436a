"""The Merge action (dynamics365.md 3.5)."""

from collections.abc import Mapping
from typing import Any

from connectors.emulators.dataverse.errors import DataverseError, bad_payload
from connectors.emulators.dataverse.organisation import Event, Organisation
from connectors.emulators.dataverse.payload import payload_of
from connectors.emulators.dataverse.rows import Row
from connectors.emulators.dataverse.schema import NAMESPACE, Table
from connectors.emulators.dataverse.writing import Writing

# What a row is or says of itself, as opposed to what it knows about the person.
_OWN = ("createdon", "modifiedon", "overriddencreatedon", "statecode", "statuscode", "merged", "fullname",
        "_masterid_value", "_ownerid_value", "versionnumber")  # fmt: skip
_PARENT = "_parentcustomerid_value"


def merge_called(organisation: Organisation, writing: Writing, given: Mapping[str, Any]) -> None:
    """The action's parameters. DataverseError when one is missing, has no `@odata.type`, or names no row."""
    table, target_id = _part(organisation, given, "Target")
    other, loser_id = _part(organisation, given, "Subordinate")
    if table.name != other.name:
        raise bad_payload("Target and Subordinate must be of the same type.")
    content = given.get("UpdateContent") or {}
    if content:
        _type_of(organisation, content, "UpdateContent")
    checks = bool(given.get("PerformParentingChecks"))
    merge(organisation, writing, table, target_id, loser_id, content, checks)


def _part(organisation: Organisation, given: Mapping[str, Any], name: str) -> tuple[Table, str]:
    part = given.get(name)
    if not isinstance(part, dict):
        raise bad_payload(f"The parameter '{name}' of Merge is missing.")
    table = _type_of(organisation, part, name)
    row_id = str(part.get(table.id_column, "")).lower()
    organisation.found(table, row_id)
    return table, row_id


def _type_of(organisation: Organisation, part: Mapping[str, Any], name: str) -> Table:
    stated = str(part.get("@odata.type", "")).lstrip("#")
    if not stated:
        raise bad_payload(f"'{name}' of Merge needs '@odata.type'.")
    table = organisation.tables().get(stated.removeprefix(f"{NAMESPACE}."))
    if table is None or not table.mergeable:
        raise bad_payload(f"Merge is for account, contact, lead and incident, not for '{stated}'.")
    return table


def merge(
    organisation: Organisation, writing: Writing, table: Table, target_id: str, loser_id: str,
    content: Mapping[str, Any], parenting_checks: bool = False,
) -> None:  # fmt: skip
    """The target gains what it lacks, related rows move over, the subordinate is deactivated: two updates."""
    with organisation.transaction():
        target, loser = organisation.found(table, target_id), organisation.found(table, loser_id)
        _check(table, target, loser, parenting_checks)
        writing.repoint(table, loser_id, target_id, keep=frozenset(("masterid",)))
        # Moving related rows may have touched these two as well.
        target, loser = organisation.found(table, target_id), organisation.found(table, loser_id)
        gained = {
            name: value for name, value in loser.items()
            if name not in (*_OWN, table.id_column) and target.get(name) in (None, "") and value != target_id
        }  # fmt: skip
        settled = payload_of(organisation, table, content).values
        settled.pop(table.id_column, None)
        winner = writing.store(table, target, {**gained, **settled})
        writing.store(table, loser, {**_ended(table), "merged": True, "_masterid_value": target_id})
        organisation.note(Event("Merge", table, target_id, settled, winner, loser_id))


def _check(table: Table, target: Row, loser: Row, parenting_checks: bool) -> None:
    if target[table.id_column] == loser[table.id_column]:
        raise DataverseError(400, "0x80048407", "A record cannot be merged with itself.")
    for row in (target, loser):
        if row.get("statecode") != 0:
            words = f"{table.name} With Id = {row[table.id_column]} is inactive and cannot be merged."
            raise DataverseError(400, "0x80040203", words)
    if parenting_checks and loser.get(_PARENT) not in (None, target.get(_PARENT)):
        raise DataverseError(400, "0x80040203", "The parents of the two records differ.")


def _ended(table: Table) -> dict[str, Any]:
    """The last state the table has, with its last reason: inactive, or cancelled as merged."""
    states = table.status.states if table.status else {}
    state = max(states.values(), default=1)
    return {"statecode": state, "statuscode": max((r for r, of in states.items() if of == state), default=2)}
