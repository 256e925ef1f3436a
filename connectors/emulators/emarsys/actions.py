"""What people do behind the API: customers by form and link, marketing by launching (contract 3.11, 9, 13.13).

Each takes an account and the control call's object, and gives back what it did. KeyError names what is unknown.
`at` (ISO 8601, default now) dates what a recipient does; `campaign_id` says in which campaign, default the last
one sent to the contact.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from connectors.emulators.emarsys.accounts import Account
from connectors.emulators.emarsys.changes import FORM, Written
from connectors.emulators.emarsys.contacts import Contact, uid_of
from connectors.emulators.emarsys.mail import BOUNCE, CLICK, COMPLAINT, OPEN, UNSUBSCRIBE
from connectors.emulators.emarsys.values import RowError

Wanted = Mapping[str, Any]

UNSUBSCRIBE_FORM, SUBSCRIBE_FORM, PROFILE_FORM = "1", "2", "3"


def unsubscribe(account: Account, wanted: Wanted) -> dict[str, Any]:
    """A customer clicks the link: opted out by form, counted for the campaign, the program's webhook fires."""
    contact = _contact(account, wanted)
    changed = _by_form(account, contact, {"31": "2"}, str(wanted.get("form", UNSUBSCRIBE_FORM)))
    _respond(account, UNSUBSCRIBE, contact["id"], wanted, {"source": str(wanted.get("source", "unsubscribe"))})
    _fire_webhook(account, changed, wanted.get("event_data"))
    return {"contact": changed}


def subscribe(account: Account, wanted: Wanted) -> dict[str, Any]:
    """Somebody fills in a registration form: who has the address already is updated, anybody else is new."""
    email = str(wanted["email"])
    known = account.contacts.find("3", email)
    contact = account.contacts.records.get(known[0]) if known else None
    form = str(wanted.get("form", SUBSCRIBE_FORM))
    changes = {"31": "1", **(wanted.get("fields") or {})}
    return {"contact": _by_form(account, contact, changes if contact else {"3": email, **changes}, form)}


def change_profile(account: Account, wanted: Wanted) -> dict[str, Any]:
    """A customer changes `fields` in the preference centre."""
    contact = _contact(account, wanted)
    fields = wanted.get("fields") or {}
    return {"contact": _by_form(account, contact, fields, str(wanted.get("form", PROFILE_FORM)))}


def _contact(account: Account, wanted: Wanted) -> Contact:
    contact = account.contacts.records.get(str(wanted["id"]))
    if contact is None:
        raise KeyError(str(wanted["id"]))
    return contact


def _by_form(account: Account, before: Contact | None, given: Mapping[str, Any], form: str) -> Contact:
    """Changes a contact, or makes one, with field ids or string ids; journalled as a form's."""
    numbers = {account.fields.by_string.get(str(name), str(name)): value for name, value in given.items()}
    unknown = [name for name in numbers if name not in account.fields.checks]
    if unknown:
        raise KeyError(f"field {unknown[0]}")
    try:
        changes = {name: account.fields.checks[name](value) for name, value in numbers.items()}
    except RowError as error:
        raise ValueError(error.text) from None
    contact_id = before["id"] if before else account.contacts.new_id()
    after = {name: one for name, one in {**(before or {}), "id": contact_id, **changes}.items() if one is not None}
    account.contacts.save([after])
    written = Written()
    written.add(contact_id, before, after, form)
    written.note(account.changes, account.now(), FORM)
    return after


def _respond(account: Account, kind: str, contact_id: str, wanted: Wanted, more: dict[str, Any]) -> dict[str, Any]:
    """Notes what a recipient did with the campaign named, or with the last one sent to the contact."""
    last = account.mail.last_sent_to(contact_id) or {"campaign_id": "0", "launch_id": "0"}
    campaign = str(wanted.get("campaign_id", last["campaign_id"]))
    if "campaign_id" in wanted and campaign not in account.mail.campaigns:
        raise KeyError(f"campaign {campaign}")
    launch = next((one["id"] for one in account.mail.launches.values() if one["campaign_id"] == campaign), "0")
    if campaign == last["campaign_id"]:
        launch = last["launch_id"]
    account.mail.note([(kind, contact_id, more)], campaign, launch, _when(account, wanted))
    return {"contact_id": contact_id, "campaign_id": campaign, "launch_id": launch}


def _when(account: Account, wanted: Wanted) -> datetime:
    if "at" not in wanted:
        return account.now()
    moment = datetime.fromisoformat(str(wanted["at"]))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _fire_webhook(account: Account, contact: Contact, event_data: Any) -> None:
    """Flat JSON of string ids and values, to the receiver the account names, if it names one (contract 9 e)."""
    url = str(account.settings["webhook_url"])
    if not url:
        return
    by_number = {number: name for name, number in account.fields.by_string.items()}
    named = {by_number[number]: value for number, value in contact.items() if number in by_number}
    payload = {"contact_id": contact["id"], "uid": uid_of(contact["id"]), **named}
    if event_data is not None:
        payload["event_data"] = event_data
    account.call_back("webhook", url, payload)


def open_mail(account: Account, wanted: Wanted) -> dict[str, Any]:
    return _respond(account, OPEN, _contact(account, wanted)["id"], wanted, {})


def click(account: Account, wanted: Wanted) -> dict[str, Any]:
    more = {name: str(wanted[name]) for name in ("url", "link_name") if name in wanted}
    return _respond(account, CLICK, _contact(account, wanted)["id"], wanted, more)


def bounce(account: Account, wanted: Wanted) -> dict[str, Any]:
    kind = str(wanted.get("bounce", "hard"))
    if kind not in ("hard", "soft", "block"):
        raise ValueError("bounce is hard, soft or block")
    return _respond(account, BOUNCE, _contact(account, wanted)["id"], wanted, {"bounce": kind})


def complain(account: Account, wanted: Wanted) -> dict[str, Any]:
    """The mail was reported as spam; the opt-in is left to the account's programs."""
    return _respond(account, COMPLAINT, _contact(account, wanted)["id"], wanted, {})


def launch(account: Account, wanted: Wanted) -> dict[str, Any]:
    """Sends a campaign (`campaign_id`, or a new one called `name`) to `ids`, a `segment` or everybody opted in."""
    when = _when(account, wanted)
    campaign = str(wanted.get("campaign_id") or account.mail.create_campaign(str(wanted.get("name", "News")), when))
    records = account.contacts.records
    chosen = [str(one) for one in wanted["ids"]] if "ids" in wanted else [one["id"] for one in records.values()]
    if "segment" in wanted:
        if str(wanted["segment"]) not in account.segments.records:
            raise KeyError(f"segment {wanted['segment']}")
        chosen = account.segments.members(str(wanted["segment"]))
    reached = [one for one in chosen if (records.get(one) or {}).get("31") == "1" and (records.get(one) or {}).get("3")]
    return dict(account.mail.launch(campaign, reached, when))


ACTIONS: dict[str, Callable[[Account, Wanted], dict[str, Any]]] = {
    "unsubscribe": unsubscribe,
    "subscribe": subscribe,
    "change_profile": change_profile,
    "launch": launch,
    "open": open_mail,
    "click": click,
    "bounce": bounce,
    "complain": complain,
}
