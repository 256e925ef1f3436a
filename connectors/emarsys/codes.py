"""What Emarsys' reply codes mean for us: the contract's table (section 10) as a table.

A code has different meanings by HTTP status and resource, so a rule is found by all three. Texts are never read.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple


class Meaning(StrEnum):
    REFUSED = "refused"
    """Something in the request: a batch is halved until the record stands alone, which is then rejected."""
    NOBODY = "nobody"
    """There is no such contact: no data for a look-up, a rejection for a write."""
    RACE = "race"
    """Somebody wrote the same key at the same moment: sent once more, then rejected."""
    SETUP = "setup"
    """The account, the credential or a setting: an admin must act, the flow waits."""
    LATER = "later"
    """Not an error: ask again later."""
    TROUBLE = "trouble"
    """The server's own trouble: retried with growing pauses."""
    FOREIGN = "foreign"
    """Not a reply to what we send: a developer must look."""


class Rule(NamedTuple):
    meaning: Meaning
    remedy: str = ""
    wait: float | None = None
    """Seconds until it makes sense to ask again."""


EVALUATING = 202
"""HTTP 202 is no success: what was asked for is still being worked out (contract 2.1)."""
AREAS = frozenset(
    "contact contactlist field event filter combinedsegments export email settings source rds connections".split()
)
"""First words of a path below the API's base: the resource that a code belongs to."""

_KEY = "Check KEY_FIELD; a custom field must be indexed by Emarsys Support before it can be a key."
_FIELD = "A field of this account has changed: compare the settings that name fields with Emarsys, then restart."
_EVENT = "Compare EVENTS with the external events of the account."
_PROGRAM = "Attach an e-mail or an active program to this external event in Emarsys."
_LIST = "Choose another contact list or another name in Emarsys."
_SEGMENT = "Correct the segment in Emarsys."
_ASK_LOGS = "Tell Emarsys Support the request id in the reply's headers if it stays."

_TABLE: tuple[tuple[str, str, str, Rule], ...] = (
    # statuses, codes, areas ("" is any), what it means
    ("202", "*", "", Rule(Meaning.LATER, wait=30.0)),
    ("401", "*", "", Rule(Meaning.SETUP, "Check the credential and its permissions, then press Test connection.")),
    ("403", "*", "", Rule(Meaning.SETUP, "Switch on this endpoint's permission for the API credential in Emarsys.")),
    ("412", "8029", "", Rule(Meaning.SETUP, "The feature is not enabled for this account: ask Emarsys Support.")),
    ("410", "4003", "", Rule(Meaning.LATER, "The export's file is gone; the next run asks for a new one.")),
    ("404", "4005", "", Rule(Meaning.LATER, wait=30.0)),
    ("404", "4006", "", Rule(Meaning.LATER, "The export's file is missing; the next run asks for a new one.")),
    ("404", "4004", "", Rule(Meaning.FOREIGN, "An export that is not local was asked for.")),
    ("423", "10003", "", Rule(Meaning.LATER, "One segment at a time is run for an API user.", 60.0)),
    ("423", "6028", "", Rule(Meaning.LATER, "Responses may be asked for once a minute.", 60.0)),
    ("404", "6029", "", Rule(Meaning.LATER, "The job is no longer kept; the next run starts another.")),
    ("423", "*", "", Rule(Meaning.LATER, wait=60.0)),
    ("429", "*", "", Rule(Meaning.LATER, "Other users of this credential spend its budget.", 60.0)),
    ("404", "2008", "", Rule(Meaning.NOBODY)),
    ("404", "3006", "", Rule(Meaning.SETUP, _LIST)),
    ("404", "10002", "", Rule(Meaning.FOREIGN, "The segment was deleted in Emarsys: choose another.")),
    ("404", "10008", "", Rule(Meaning.FOREIGN, "The segment's run is no longer kept: start another.")),
    ("400,404", "13001-13005", "", Rule(Meaning.SETUP, _SEGMENT)),
    ("400,404", "15004", "", Rule(Meaning.SETUP, "Compare the table's name with the account's relational data.")),
    ("500", "9004", "field", Rule(Meaning.SETUP, "The account has no room for another field of this type.")),
    ("500", "1,1003,2011,3001-3005,4007,15006", "", Rule(Meaning.TROUBLE, _ASK_LOGS)),
    ("500-599", "*", "", Rule(Meaning.TROUBLE, _ASK_LOGS)),
    ("200,400", "2004,2015", "", Rule(Meaning.SETUP, _KEY)),
    ("200,400", "2006", "", Rule(Meaning.SETUP, _FIELD)),
    ("200,400", "2008", "", Rule(Meaning.NOBODY)),
    ("200,400", "2009", "", Rule(Meaning.RACE)),
    ("200,400", "2005,2007,2010,2012", "", Rule(Meaning.REFUSED)),
    ("400", "2002,1000", "", Rule(Meaning.REFUSED)),
    ("400", "2013", "", Rule(Meaning.SETUP, "Compare the source's id with Emarsys.")),
    ("400", "2020", "", Rule(Meaning.SETUP, _LIST)),
    ("400", "2003,2014,2016", "", Rule(Meaning.FOREIGN)),
    ("400", "1,501,1009,1010", "", Rule(Meaning.FOREIGN)),
    ("400", "1003,1006", "", Rule(Meaning.REFUSED)),
    ("400", "1007", "", Rule(Meaning.SETUP, _FIELD)),
    ("400", "1008", "", Rule(Meaning.SETUP, _SEGMENT)),
    ("400", "3002", "", Rule(Meaning.REFUSED)),
    ("400", "3003", "", Rule(Meaning.FOREIGN)),
    ("400", "3001,3004-3008", "", Rule(Meaning.SETUP, _LIST)),
    ("400", "4001", "", Rule(Meaning.LATER, "The same export is running already.", 60.0)),
    ("400", "4002", "", Rule(Meaning.FOREIGN)),
    ("400", "5005", "", Rule(Meaning.SETUP, _PROGRAM)),
    ("400", "5001,5004", "", Rule(Meaning.SETUP, _EVENT)),
    ("400", "5003,5012", "", Rule(Meaning.SETUP, _EVENT)),
    ("400", "5008-5011", "", Rule(Meaning.REFUSED)),
    ("400", "5002,5006,5007", "", Rule(Meaning.FOREIGN)),
    ("400", "6025,6042", "", Rule(Meaning.REFUSED)),
    ("400", "9001-9003,9005,9006", "", Rule(Meaning.SETUP, "Choose another name or type for the field.")),
    ("400", "10001", "export", Rule(Meaning.LATER, "The export is no longer known; the next run asks for a new one.")),
    ("400", "10001", "", Rule(Meaning.FOREIGN)),
    ("400", "10004,10005,10009", "", Rule(Meaning.SETUP, _SEGMENT)),
    ("400", "15001-15003", "", Rule(Meaning.REFUSED)),
    ("400", "15007", "", Rule(Meaning.SETUP, "Ask Emarsys Support to index the column.")),
    ("400", "15005,15008", "", Rule(Meaning.FOREIGN)),
    ("200,400,413,422", "*", "contact", Rule(Meaning.REFUSED)),
    ("200,400,413,422", "*", "event", Rule(Meaning.REFUSED)),
)


def _numbers(text: str) -> Iterator[str]:
    for part in text.split(","):
        first, _, last = part.partition("-")
        yield from (str(number) for number in range(int(first), int(last or first) + 1))


_RULES: dict[tuple[str, str, str], Rule] = {}
for _statuses, _codes, _areas, _rule in _TABLE:
    for _status in _numbers(_statuses):
        for _code in ["*"] if _codes == "*" else _numbers(_codes):
            _RULES.setdefault((_status, _code, _areas), _rule)


def rule(status: int, code: str, area: str = "") -> Rule:
    """What this code means in an answer with this status of this resource; what no table knows is FOREIGN."""
    for wanted in ((code, area), (code, ""), ("*", area), ("*", "")):
        found = _RULES.get((str(status), *wanted))
        if found:
            return found
    return Rule(Meaning.FOREIGN)


def area(request: str) -> str:
    """The resource in a request's label (`POST /api/v3/contact/getdata` → contact)."""
    return next((part for part in request.replace("=", "/").split("/") if part in AREAS), "")
