"""`GET /rtm/mail_events/{type}`: what recipients did, as CSV, with an hourly limit of its own (contract 2.3, 9 f)."""

import csv
from datetime import UTC, datetime, timedelta
from io import StringIO

from connectors.emulators.emarsys.call import Call
from connectors.emulators.emarsys.limits import Budget
from connectors.emulators.emarsys.mail import KINDS
from connectors.emulators.emarsys.replies import ApiError
from connectors.emulators.system import Response

_COLUMNS = ("mail_stream_id", "recipient_id", "timestamp", "email", "external_id", "field_id")
_HOUR = timedelta(hours=1)


class MailStreams:
    def __init__(self) -> None:
        self._budgets: dict[str, Budget] = {}

    def events(self, call: Call) -> Response:
        """From `from` on and before `to`, both ISO 8601; without them the last two hours."""
        account, now = call.account, call.account.now()
        budget = self._budgets.setdefault(account.name, Budget(_HOUR))
        if not budget.spend(int(account.settings["rtm_limit"]), now):
            raise ApiError(429, 7003, "Too many requests for this account and resource within the last hour.")
        if call.parts[0] not in KINDS:
            raise ApiError(400, 10001, f"Invalid value for type: {call.parts[0]}")
        start = _moment(call, "from", now - timedelta(hours=2))
        end = _moment(call, "to", now + timedelta(seconds=1))
        external = account.fields.by_string.get("externalId", "")
        text = StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(_COLUMNS)
        count = 0
        for event in account.mail.between(start, end, (call.parts[0],)):
            contact = account.contacts.records.get(event["contact_id"]) or {}
            at = datetime.fromisoformat(event["at"]).strftime("%Y-%m-%dT%H:%M:%SZ")
            known = (contact.get("3", ""), contact.get(external, ""), external)
            writer.writerow([event["campaign_id"], event["contact_id"], at, *known])
            count += 1
        return Response(200, text.getvalue().encode(), {"Content-Type": "text/csv;charset=UTF-8"}, count)


def _moment(call: Call, name: str, default: datetime) -> datetime:
    text = call.query.get(name)
    if not text:
        return default
    try:
        moment = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
    except ValueError:
        raise ApiError(400, 10001, f"Missing or invalid parameter: {name}") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
