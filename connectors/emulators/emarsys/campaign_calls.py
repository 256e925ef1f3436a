"""Endpoints of e-mail campaigns: the list, unsubscribing for statistics, response queries (contract 2.3, 3.12, 9)."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from connectors.emulators.emarsys.accounts import Account
from connectors.emulators.emarsys.call import Call
from connectors.emulators.emarsys.contacts import uid_of
from connectors.emulators.emarsys.mail import BATCH, BOUNCE, CLICK, OPEN, SEND, UNSUBSCRIBE
from connectors.emulators.emarsys.replies import ApiError, bare, reply
from connectors.emulators.store import Record
from connectors.emulators.system import Response

_HIDDEN = ("kind", "event_id")
_FILTERS = ("status", "contactlist", "showdeleted", "fromdate", "todate")
_LAUNCH_KEPT = timedelta(days=61)  # two months, for batch mails
_RESULT_KEPT = timedelta(hours=2)
_MOST_CAMPAIGNS = 5000
_SUMMARY = {
    "sent": SEND, "opened": OPEN, "total_clicks": CLICK, "unsubscribe": UNSUBSCRIBE, "complained": "complaint",
    "soft_bounces": "soft", "hard_bounces": "hard", "block_bounces": "block",
}  # fmt: skip


def listing(call: Call) -> Response:
    unknown = [name for name in call.query if name not in _FILTERS]
    if unknown:
        raise ApiError(400, 10001, f"Invalid filter: {unknown[0]}")
    found = [_shown(one) for one in call.account.mail.campaigns.values() if _passes(one, call.query)]
    return reply(found, records=len(found))


def _passes(campaign: Record, given: Mapping[str, str]) -> bool:
    if campaign["deleted"] and given.get("showdeleted") != "1":
        return False
    if any(name in given and campaign[name] != given[name] for name in ("status", "contactlist")):
        return False
    created = campaign["created"][:10]
    return given.get("fromdate", "") <= created <= given.get("todate", "9999")


def _shown(campaign: Record) -> Record:
    return {name: value for name, value in campaign.items() if name not in _HIDDEN}


def single(call: Call) -> Response:
    return reply(_shown(campaign_of(call.account, call.parts[0])), records=1)


def campaign_of(account: Account, number: Any) -> Record:
    campaign = account.mail.campaigns.get(str(number))
    if campaign is None:
        raise ApiError(400, 6025, "No such campaign")
    return campaign


def unsubscribe(call: Call) -> Response:
    """Recorded for statistics only: the contact's opt-in stays as it is."""
    body, account = call.body, call.account
    uid = str(body.get("contact_uid") or body.get("uid") or "")
    given = {"launch_list_id": body.get("launch_list_id"), "email_id": body.get("email_id"), "contact_uid": uid}
    empty = [name for name, value in given.items() if value in (None, "")]
    if empty:
        raise ApiError(400, 1006, f"Empty parameter(s): {', '.join(empty)}")
    campaign = campaign_of(account, given["email_id"])
    launch = account.mail.launches.get(str(given["launch_list_id"]))
    if launch is None or launch["campaign_id"] != campaign["id"] or _is_old(launch, account.now()):
        raise ApiError(400, 6042, "No such launch")
    found = account.contacts.find("uid", uid)
    if len(found) != 1 or uid_of(found[0]) != uid:
        raise ApiError(400, 1003, "Internal error")
    account.mail.note([(UNSUBSCRIBE, found[0], {"source": "api"})], campaign["id"], launch["id"], account.now())
    return reply({}, records=1)


def _is_old(launch: Record, now: datetime) -> bool:
    return bool(launch["kind"] == BATCH) and now - datetime.fromisoformat(launch["at"]) > _LAUNCH_KEPT


def summaries(call: Call) -> Response:
    """`POST …/campaigns/responseSummary/filter`: 1 to 5000 campaigns at once, without an envelope."""
    wanted = call.body.get("campaignIds")
    if not isinstance(wanted, list) or not 1 <= len(wanted) <= _MOST_CAMPAIGNS:
        text = f"campaignIds must hold 1 to {_MOST_CAMPAIGNS} ids"
        return bare({"error": {"code": "invalid-request", "message": text, "target": "campaignIds"}}, status=400)
    counts: dict[str, dict[str, int]] = {str(one): dict.fromkeys([*_SUMMARY, "unique_clicks"], 0) for one in wanted}
    clickers: set[tuple[str, str]] = set()
    for event in call.account.mail.events.values():
        campaign = counts.get(event["campaign_id"])
        if campaign is None:
            continue
        kind = event.get("bounce", "") if event["type"] == BOUNCE else event["type"]
        for name, meant in _SUMMARY.items():
            campaign[name] += kind == meant
        if kind == CLICK and (event["campaign_id"], event["contact_id"]) not in clickers:
            clickers.add((event["campaign_id"], event["contact_id"]))
            campaign["unique_clicks"] += 1
    known = call.account.mail.campaigns
    value = [{"campaignId": int(one), **numbers} for one, numbers in counts.items() if one in known]
    return bare({"value": value}, records=len(value))
