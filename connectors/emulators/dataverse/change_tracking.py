"""`odata.track-changes`: a baseline with a token at its end, then what has changed since (dynamics365.md 3.3)."""

from itertools import islice
from typing import Any

from connectors.emulators.dataverse.errors import NO_PRIVILEGE, DataverseError, bad_query
from connectors.emulators.dataverse.organisation import Organisation
from connectors.emulators.dataverse.paging import (
    Position,
    delta_token,
    link,
    position_of,
    skip_token,
    version_of,
)
from connectors.emulators.dataverse.preferences import Preferences
from connectors.emulators.dataverse.query import Options
from connectors.emulators.dataverse.reading import context, matching, next_token, page_size
from connectors.emulators.dataverse.replies import answer, plain
from connectors.emulators.dataverse.representation import Representation
from connectors.emulators.dataverse.schema import Table
from connectors.emulators.system import Request, Response

_REFUSED = ("$filter", "$orderby", "$expand", "$top")


def is_asked_for(request: Request, preferences: Preferences) -> bool:
    token = request.query.get("$skiptoken", "")
    return "$deltatoken" in request.query or preferences.track or bool(token and position_of(token).tracking)


def check(organisation: Organisation, table: Table, request: Request) -> None:
    """DataverseError for options the feed does not take, an untracked table, or a caller who may not read it all."""
    for name in _REFUSED:
        if name in request.query:
            raise bad_query(f'The "{name}" query parameter isn\'t supported when Change Tracking is enabled.')
    if not organisation.is_tracked(table):
        raise bad_query(f"Change tracking is not enabled for the entity '{table.name}'.")
    if organisation.setting("organisation_read", "yes") == "no":
        words = (
            f"Principal user is missing prvRead{table.name.capitalize()} privilege at the organisation level "
            f"on the entity '{table.name}'. Change tracking needs it."
        )
        raise DataverseError(403, NO_PRIVILEGE, words)


def read_changes(
    organisation: Organisation, table: Table, request: Request, options: Options, preferences: Preferences
) -> Response:
    check(organisation, table, request)
    with organisation.lock:
        token = request.query.get("$skiptoken", "")
        position = position_of(token) if token else Position(tracking=True, start=organisation.version)
        if "$deltatoken" in request.query:
            after = _version(organisation, request)
            position = Position(tracking=True, start=after, after=after, gone=after, until=organisation.version)
        if position.until >= 0:
            return _delta(organisation, table, request, options, preferences, position)
        return _baseline(organisation, table, request, options, preferences, position)


def _version(organisation: Organisation, request: Request) -> int:
    status = int(organisation.setting("expired_token_status", "400"))
    days = organisation.tracking_days
    return version_of(request.query["$deltatoken"], organisation.now(), days, status)


def _baseline(
    organisation: Organisation, table: Table, request: Request, options: Options, preferences: Preferences,
    position: Position,
) -> Response:  # fmt: skip
    """The whole table, inactive rows included. The token is issued at the end of the load, or at its start."""
    walk = matching(organisation, table, options, position)
    rows = list(islice(walk, page_size(organisation, preferences)))
    body: dict[str, Any] = {"@odata.context": f"{context(request, table, options)}/$delta"}
    if next(walk, None) is not None:
        next_link = link(request.base, request.target, skiptoken=next_token(table, options, position, rows))
        body["@odata.nextLink"] = next_link
    else:
        at_start = organisation.setting("delta_token_at", "end") == "start"
        version = position.start if at_start else organisation.version
        body["@odata.deltaLink"] = _delta_link(organisation, request, version)
    body["value"] = Representation(organisation, table, options.select, preferences).many(rows)
    return answer(body, records=len(rows), Preference_Applied=preferences.applied)


def _delta(
    organisation: Organisation, table: Table, request: Request, options: Options, preferences: Preferences,
    position: Position,
) -> Response:  # fmt: skip
    """New and updated rows by version, then deletions; the link for the next time is on the last page."""
    rows = organisation.rows(table.name)
    changed = [(*entry, True) for entry in rows.changed_between(position.after, position.until)]
    gone = [(*entry, False) for entry in rows.deleted_between(position.gone, position.until)]
    page = [*changed, *gone][: page_size(organisation, preferences)]
    shown = Representation(organisation, table, options.select, preferences)
    entity = f"{request.base}/$metadata#{table.set_name}/$deletedEntity"
    value = [
        shown.one(rows.records.get(row_id) or {}) if is_there
        else {"@odata.context": entity, "id": row_id, "reason": "deleted"}
        for _, row_id, is_there in page
    ]  # fmt: skip
    body: dict[str, Any] = {"@odata.context": f"{context(request, table, options)}/$delta"}
    if len(page) == len(changed) + len(gone):
        body["@odata.deltaLink"] = _delta_link(organisation, request, position.until)
    else:
        # Versions say where to go on: offsets would slip when a row of an earlier page changes meanwhile.
        after = max((version for version, _, is_there in page if is_there), default=position.after)
        went = max((version for version, _, is_there in page if not is_there), default=position.gone)
        behind = Position(position.page + 1, [], True, position.start, after, went, position.until)
        token = skip_token(behind, table.id_column, page[0][1], page[-1][1])
        body["@odata.nextLink"] = link(request.base, request.target, skiptoken=token)
    body["value"] = value
    return answer(body, records=len(value), Preference_Applied=preferences.applied)


def _delta_link(organisation: Organisation, request: Request, version: int) -> str:
    return link(request.base, request.target, deltatoken=delta_token(version, organisation.now()))


def count_changes(organisation: Organisation, table: Table, request: Request) -> Response:
    """`/$count?$deltatoken=…`: how many changes wait."""
    check(organisation, table, request)
    after, until = _version(organisation, request), organisation.version
    rows = organisation.rows(table.name)
    return plain(str(len(rows.changed_between(after, until)) + len(rows.deleted_between(after, until))))
