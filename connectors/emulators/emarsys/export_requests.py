"""What an export may be asked for; whatever is wrong is 400 / 10001 (contract 3.11)."""

from datetime import datetime
from typing import Any

from connectors.emulators.emarsys.call import Call
from connectors.emulators.emarsys.languages import CODES
from connectors.emulators.emarsys.local_time import moment_of
from connectors.emulators.emarsys.replies import ApiError

Request = dict[str, Any]

ANALYSIS = {
    "1": "Campaign title", "2": "Section header", "3": "Section group", "4": "Link title", "5": "URL", "8": "Time",
    "12": "Campaign ID", "13": "Version Name", "14": "Campaign category", "15": "Link category",
}  # fmt: skip
SOURCES = {
    "trackable_links": "click",
    "mail_open": "open",
    "unsubscribe": "unsubscribe",
    "complaint": "complaint",
    "registration_forms": "",
    "tell_a_friend": "",
    "contact_us": "",
    "change_profile": "",
}
_NEVER_EXPORTED = frozenset({"27", "28", "29", "32", "33"})
_MOST_COLUMNS = 20
_REMOTE = ("ftp", "sftp")


def invalid(text: str) -> ApiError:
    return ApiError(400, 10001, text)


def common(call: Call, *, methods: tuple[str, ...] = ("local", "ftp", "sftp")) -> Request:
    """The members all exports share, with their defaults; ids of fields as texts."""
    body = call.body
    _method(body, methods)
    fields = _fields(call, _array(body, "contact_fields"))
    delimiter = body.get("delimiter", ",")
    if delimiter not in (",", ";"):
        raise invalid(f"Invalid value for delimiter: {delimiter}")
    header = str(body.get("add_field_names_header", 1))
    if header not in ("0", "1"):
        raise invalid(f"Invalid value for add_field_names_header: {header}")
    language = str(body.get("language") or "en")
    if language not in CODES:
        raise invalid(f"Invalid value for language: {language}")
    return {**body, "contact_fields": fields, "delimiter": delimiter, "add_field_names_header": header} | {
        "language": language
    }


def _method(body: dict[str, Any], methods: tuple[str, ...]) -> None:
    method = body.get("distribution_method")
    if method is None:
        raise invalid("Missing parameter: distribution_method")
    if method not in methods:
        raise invalid(f"Invalid distribution method: {method}")
    if method in _REMOTE and not isinstance(body.get(f"{method}_settings", body.get("ftp_settings")), dict):
        raise invalid("Missing parameter: ftp_settings")


def _array(body: dict[str, Any], name: str) -> list[Any]:
    if name not in body:
        raise invalid(f"Missing parameter: {name}")
    if not isinstance(body[name], list):
        raise invalid(f"Invalid data format for {name}. Array expected")
    return body[name]


def _fields(call: Call, wanted: list[Any]) -> list[str]:
    fields = [str(one) for one in wanted]
    if not 1 <= len(fields) <= _MOST_COLUMNS:
        raise invalid("Invalid number of fields")
    known = call.account.fields.records
    wrong = [one for one in fields if one in _NEVER_EXPORTED or one not in known]
    if wrong:
        raise invalid(f"Invalid contact field id: {', '.join(wrong)}")
    return fields


def time_range(body: Request, *, days_only: bool = False) -> tuple[datetime, datetime]:
    """Start and end, in UTC; the end is not part of the range, so that two equal ones hold nothing."""
    given = _array(body, "time_range")
    if len(given) != 2:
        raise invalid("Invalid data format for time_range. Array size must be 2")
    texts = [str(one) for one in given]
    try:
        start, end = (moment_of(text) for text in texts)
    except ValueError:
        raise invalid("Valid start_date and end_date is required") from None
    if days_only and any(len(text) != len("2026-01-15") for text in texts):
        raise invalid("Valid start_date and end_date is required")
    if end < start or (days_only and end == start):
        raise invalid("Invalid value for end_date: end_date is earlier than the start_date")
    return start, end


def origin(body: Request) -> tuple[str, list[str]]:
    """Where changes came from: `form`, `api` or `all`, and the forms or sources asked for (none = all)."""
    name = body.get("origin")
    if name is None:
        raise invalid("Missing parameter: origin")
    if name not in ("form", "api", "all"):
        raise invalid(f"Invalid origin: {name}")
    given = body.get("origin_id")
    numbers = [str(one) for one in (given if isinstance(given, list) else [] if given is None else [given])]
    if not all(one.isdecimal() for one in numbers):
        raise invalid("Invalid data format for origin_id. Integer expected")
    return str(name), numbers


def contact_list(call: Call, *, is_required: bool = False) -> str | None:
    given = call.body.get("contactlist")
    if given is None and not is_required:
        return None
    if given is None:
        raise invalid("Missing parameter: contactlist")
    if str(given) not in call.account.lists.records:
        raise invalid("Invalid data format for contactlist. Integer expected")
    return str(given)


def sources(body: Request) -> list[str]:
    """What recipients did, as `sources` names it; `all` is every one."""
    given = body.get("sources")
    if given is None:
        raise invalid("Missing parameter: sources")
    names = list(SOURCES) if given == "all" else given
    if not isinstance(names, list):
        raise invalid("Invalid data format for sources. Array expected")
    unknown = [str(one) for one in names if one not in SOURCES]
    if unknown or not names:
        raise invalid(f"Invalid value for sources: {', '.join(unknown)}")
    return names


def analysis(body: Request) -> list[str]:
    numbers = [str(one) for one in _array(body, "analysis_fields")]
    unknown = [one for one in numbers if one not in ANALYSIS]
    if unknown:
        raise invalid(f"Invalid value for analysis_fields: {', '.join(unknown)}")
    if len(numbers) + len(body["contact_fields"]) > _MOST_COLUMNS:
        raise invalid("Invalid number of fields")
    return numbers
