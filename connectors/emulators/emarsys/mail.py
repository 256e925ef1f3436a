"""Campaigns, their launches, and what recipients did: reports, exports and attribution are made of it (contract 8)."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from connectors.emulators.emarsys.contacts import Contact
from connectors.emulators.emarsys.local_time import written
from connectors.emulators.store import Collection, Record

BATCH, TRANSACTIONAL = "batch", "transactional"
SEND, OPEN, CLICK, BOUNCE, COMPLAINT, UNSUBSCRIBE = "send", "open", "click", "bounce", "complaint", "unsubscribe"
KINDS = (SEND, OPEN, CLICK, BOUNCE, COMPLAINT, UNSUBSCRIBE)
_FIRST_CAMPAIGN, _FIRST_LAUNCH = 90_001, 700_001


class Mail:
    """`outbox` holds the triggered e-mails that would have gone; `events` one record for each send, open, click …"""

    def __init__(self, campaigns: Collection, launches: Collection, events: Collection, outbox: Collection) -> None:
        self.campaigns = campaigns
        self.launches = launches
        self.events = events
        self.outbox = outbox
        self._sends: tuple[int, dict[tuple[str, str], list[str]]] = (-1, {})

    def create_campaign(self, name: str, now: datetime, **more: Any) -> str:
        number = str(max((int(one) for one in self.campaigns), default=_FIRST_CAMPAIGN - 1) + 1)
        self.campaigns.put(number, {**_campaign(number, name, now), **more})
        return number

    def campaign_of(self, event: Record, now: datetime) -> str:
        """The campaign that an external event sends, made when it is first needed."""
        known = next((one["id"] for one in self.campaigns.values() if one.get("event_id") == event["id"]), None)
        return known or self.create_campaign(f"On {event['name']}", now, event_id=event["id"], kind=TRANSACTIONAL)

    def launch(self, campaign_id: str, ids: Iterable[str], now: datetime) -> Record:
        """Sends a campaign to contacts; KeyError when there is no such campaign."""
        campaign = self.campaigns.get(campaign_id)
        if campaign is None:
            raise KeyError(campaign_id)
        number = str(max((int(one) for one in self.launches), default=_FIRST_LAUNCH - 1) + 1)
        sent = list(ids)
        record = {"id": number, "campaign_id": campaign_id, "at": now.isoformat(), "planned": len(sent)}
        self.launches.put(number, {**record, "kind": campaign["kind"]})
        self.note([(SEND, one, {}) for one in sent], campaign_id, number, now)
        self.campaigns.patch(campaign_id, {"status": "3"})
        return record

    def note(
        self, what: Iterable[tuple[str, str, dict[str, Any]]], campaign_id: str, launch_id: str, now: datetime
    ) -> None:
        """(kind, contact id, more) that happened to one launch."""
        at = now.isoformat()
        first = len(self.events) + 1
        self.events.put_many(
            {
                str(number): {
                    "id": str(number), "type": kind, "at": at, "contact_id": contact_id,
                    "campaign_id": campaign_id, "launch_id": launch_id, **more,
                }
                for number, (kind, contact_id, more) in enumerate(what, start=first)
            }
        )  # fmt: skip

    def send_triggered(self, event: Record, trigger: Record, contact: Contact, now: datetime) -> None:
        """One e-mail into the outbox; without an address none would have gone."""
        campaign_id = self.campaign_of(event, now)
        number = str(len(self.outbox) + 1)
        launch_id = self._launch_of(campaign_id, now)
        record = {
            "id": number,
            "at": now.isoformat(),
            "to": contact.get("3"),
            "sent": bool(contact.get("3")),
            "opt_in": contact.get("31"),
            "campaign_id": campaign_id,
            "launch_id": launch_id,
            "trigger": trigger["id"],
        }
        kept = {
            name: trigger[name] for name in ("event_id", "event", "contact_id", "trigger_id", "data", "attachments")
        }
        self.outbox.put(number, {**record, **kept})
        if record["sent"]:
            self.note([(SEND, trigger["contact_id"], {})], campaign_id, launch_id, now)

    def _launch_of(self, campaign_id: str, now: datetime) -> str:
        """A transactional campaign has one launch for all its e-mails."""
        known = next((one["id"] for one in self.launches.values() if one["campaign_id"] == campaign_id), None)
        return known or str(self.launch(campaign_id, [], now)["id"])

    def between(self, start: datetime, end: datetime, kinds: Iterable[str] = KINDS) -> Iterator[Record]:
        """From `start` on and before `end`, oldest first."""
        wanted = frozenset(kinds)
        for record in self.events.values():
            if record["type"] in wanted and start <= datetime.fromisoformat(record["at"]) < end:
                yield record

    def sends_by_recipient(self) -> dict[tuple[str, str], list[str]]:
        """When each launch was sent to each contact, by (contact id, launch id)."""
        if self._sends[0] != len(self.events):
            found: dict[tuple[str, str], list[str]] = {}
            for one in self.events.values():
                if one["type"] == SEND:
                    found.setdefault((one["contact_id"], one["launch_id"]), []).append(one["at"])
            self._sends = (len(self.events), found)
        return self._sends[1]

    def last_sent_to(self, contact_id: str) -> Record | None:
        sent = (one for one in self.events.values() if one["type"] == SEND and one["contact_id"] == contact_id)
        return max(sent, key=lambda one: one["at"], default=None)


def _campaign(number: str, name: str, now: datetime) -> Record:
    """The members of `GET /email`; contents are not emulated."""
    return {
        "id": number,
        "name": name,
        "created": written(now),
        "deleted": "",
        "language": "en",
        "root_email": "0",
        "status": "1",
        "api_status": "0",
        "api_error": "0",
        "fromemail": "news@example.com",
        "fromname": "Demo retailer",
        "subject": name,
        "email_category": "0",
        "filter": "0",
        "contactlist": "0",
        "cc_list": 0,
        "source": "userlist",
        "kind": BATCH,
    }
