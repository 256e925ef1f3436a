"""What the contract leaves open, or says of some accounts only: one switch each, with the contract's default."""

from typing import Any

SWITCHES: dict[str, int | str] = {
    "rate_limit": 1000,  # requests per minute and API user; 0 = no limit (2.3)
    "token_seconds": 3600,  # lifetime of an access token (1.3)
    "content_type": "application/json; charset=utf-8",  # a recording of 2020 has text/html (2.1)
    "plain_429": 0,  # 1 = the gateway's plain-text form (2.3)
    "oversize_status": 413,  # answer to a body above its limit; not documented (2.3)
    "strict_nonce": 0,  # 1 = a WSSE nonce is accepted once (1.2)
    "denied": "",  # a regular expression over "METHOD path": what the first API user may not call is 403 (1.2)
    "disabled_features": "",  # first path segments, separated by commas, answered 412 with 8029 (10)
    "errors_as_200": 0,  # 1 = whole-request contact errors come with HTTP 200 (2.1, 10)
    "errors_without_data": 0,  # 1 = error bodies lack `data` (4.2)
    "unsupported_method": "1009",  # or 501: HTTP 501 as in 2016 (10)
    "integer_field_ids": 0,  # 1 = ids of fields are numbers, as in some replies (3.10)
    "old_getdata": 0,  # 1 = as in 2016: error codes as text, no `result` when nothing was found (3.4)
    "delete_unknown_status": 200,  # single delete of an unknown contact: 200, 400 or 404 (3.7)
    "visible_seconds": 0,  # from an accepted write to its showing in getdata, checkids, query; not documented
    "segment_202": 1,  # answers "being evaluated" before a segment's count or contacts (5)
    "count_202": 1,  # 0 = a count never answers "being evaluated" (14.12)
    "run_polls": 1,  # polls of a segment run that still say "waiting" (5)
    "export_seconds": 1,  # from scheduled to done (3.11)
    "export_keep_hours": 168,  # after that a file is gone: 410 with 4003 (3.11)
    "export_header_on_every_page": 1,  # 0 = the header line only where offset is 0 (3.11)
    "export_status_types": "",  # as in 2016: types whose status can be asked, others are 4002 (10)
    "changes_fields": "all",  # or optin_email: API changes of other fields are not exported (3.11)
    "programs_attached": 1,  # 0 = nothing hangs on a new event: triggering it is 5005 (4.2)
    "trigger_window_hours": 24,  # how long a trigger_id is remembered (14.5)
    "interactions": 0,  # 1 = account with Interactions advanced features: connectedTo instead of 5005 (4.2)
    "realtime": 0,  # 1 = and with the real-time feature: interactionsProgram in connectedTo (4.2)
    "trigger_ids": 1,  # 0 = a batch in which all is well is answered with an empty object (4.2)
    "webhook_url": "",  # receiver of the webhook node of the opt-out program (9 e)
    "outgoing_hosts": "",  # hosts besides this machine that callbacks and pulls may go to, separated by commas
    "response_polls": 1,  # polls of a response query that still say 202 (2.3)
    "response_interval": 60,  # seconds between two response queries: 423 with 6028 (2.3)
    "rtm_limit": 1000,  # mail-stream requests an hour (2.3)
    "load_seconds": 0,  # from an accepted sales upload to its load report (6.1)
    "catalogue_url": "",  # the feed that is pulled on a schedule (7)
    "catalogue_pull_minutes": 60,  # (14.9)
    "attribution_days": 7,  # 1 to 365 (8)
    "attribution": "last",  # or first touch (8)
}


def same_type(name: str, value: Any) -> int | str:
    """A switch's value in the type of its default."""
    return int(value) if isinstance(SWITCHES[name], int) else str(value)
