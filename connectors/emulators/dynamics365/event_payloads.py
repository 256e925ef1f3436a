"""What business events and data events say (dynamics365.md 5, 3.8)."""

import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from connectors.emulators.dynamics365.schema import ETAG, NO_DATE, NO_MOMENT
from connectors.emulators.dynamics365.tables import Row

TEST_EVENT = "BusinessEventsTestEndpointContract"
INVOICE_POSTED = "SalesInvoicePostedBusinessEvent"
ORDER_CONFIRMED = "SalesOrderConfirmedBusinessEvent"
FREE_TEXT_POSTED = "FreeTextInvoicePostedBusinessEvent"
BUSINESS_EVENTS = (INVOICE_POSTED, ORDER_CONFIRMED, FREE_TEXT_POSTED)
_TEST_NUMBER = -9223372036854775808
_USER = "{C600136F-54C4-4E0E-9C83-2F6F1B6E7A41}"
_NAMESPACE = uuid.UUID("6d81597f-0f9f-4c9a-8a6f-3a1f0e6f9a10")


def date_of(moment: datetime) -> str:
    return f"/Date({int(moment.timestamp() * 1000)})/"


def day_of(text: Any, days: int = 0) -> str:
    """A property's day in the notation of event payloads; an empty or unreadable one is 1900."""
    try:
        moment = datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    except ValueError:
        moment = datetime.fromisoformat(NO_DATE.replace("Z", "+00:00"))
    return date_of(moment + timedelta(days=days))


def envelope(event: str, company: str, number: int, now: datetime, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Event fields sit beside envelope fields (5)."""
    return {
        "BusinessEventId": event,
        "BusinessEventLegalEntity": company.upper(),
        "ContextRecordSubject": "",
        "ControlNumber": number,
        "EventId": str(uuid.uuid4()).upper(),
        "EventTime": date_of(now),
        "EventTimeIso8601": f"{now:%Y-%m-%dT%H:%M:%S.%f}0Z",
        "InitiatingUserAADObjectId": _USER,
        "MajorVersion": 0,
        "MinorVersion": 0,
        "ParentContextRecordSubjects": [],
        "LegalEntity": company.upper(),
        **fields,
    }


def test_message(company: str, now: datetime) -> dict[str, Any]:
    return envelope(TEST_EVENT, company, _TEST_NUMBER, now, {})


def invoice_posted(before: Row | None, after: Row | None) -> Mapping[str, Any] | None:
    """A credit note is an invoice posted with a negative amount."""
    if before is not None or after is None:
        return None
    return {
        "InvoiceAccount": after["InvoiceCustomerAccountNumber"],
        "InvoiceId": after["InvoiceNumber"],
        "SalesOrderId": after["SalesOrderNumber"],
        "InvoiceDate": day_of(after["InvoiceDate"]),
        "InvoiceDueDate": day_of(after["InvoiceDate"], 30),
        "InvoiceAmountInAccountingCurrency": after["TotalInvoiceAmount"],
        "InvoiceTaxAmount": after["TotalTaxAmount"],
    }


def order_confirmed(before: Row | None, after: Row | None) -> Mapping[str, Any] | None:
    now = (after or {}).get("SalesOrderProcessingStatus")
    if after is None or now != "Confirmed" or (before or {}).get("SalesOrderProcessingStatus") == now:
        return None
    return {
        "SalesOrderId": after["SalesOrderNumber"],
        "CustomerAccount": after["OrderingCustomerAccountNumber"],
        "InvoiceAccount": after["InvoiceCustomerAccountNumber"],
        "RequestedShippingDate": day_of(after["RequestedShippingDate"]),
    }


def free_text_posted(before: Row | None, after: Row | None) -> Mapping[str, Any] | None:
    if after is None or after["IsPosted"] != "Yes" or (before or {}).get("IsPosted") == "Yes":
        return None
    return {
        "InvoiceAccount": after["CustomerAccount"],
        "InvoiceId": after["InvoiceId"],
        "InvoiceDate": day_of(after["InvoiceDate"]),
    }


def data_event(entity: str, key: Iterable[Any], before: Row | None, after: Row | None, now: datetime) -> dict[str, Any]:
    """The Dataverse form of a row that came, changed or went; `entity` is its name there (3.8, 5)."""
    message = "Create" if before is None else "Delete" if after is None else "Update"
    row_id = str(uuid.uuid5(_NAMESPACE, "|".join((entity, *map(str, key)))))
    target: dict[str, Any] = {"LogicalName": entity, "Id": row_id}
    changed = {name: value for name, value in (after or {}).items() if (before or {}).get(name) != value}
    if after is not None:
        target["Attributes"] = _attributes(changed if before is not None else after)
    images = [{"key": "PreImage", "value": {"LogicalName": entity, "Id": row_id, "Attributes": _attributes(before)}}]
    return {
        "MessageName": message,
        "PrimaryEntityName": entity,
        "PrimaryEntityId": row_id,
        "Depth": 1,
        "Mode": 1,
        "Stage": 40,
        "CorrelationId": str(uuid.uuid4()),
        "OperationCreatedOn": date_of(now),
        "InputParameters": [{"key": "Target", "value": target}],
        "PreEntityImages": images if before is not None else [],
        "PostEntityImages": [],
    }


def _attributes(row: Row | None) -> list[dict[str, Any]]:
    """Empty dates are left out of the payload (5)."""
    empty = (NO_DATE, NO_MOMENT)
    return [{"key": name, "value": value} for name, value in (row or {}).items() if name != ETAG and value not in empty]
