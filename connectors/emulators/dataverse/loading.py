"""Turns a dataset into what an organisation holds; the package's README says what becomes what."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from connectors.emulators.dataset import Customer, Dataset
from connectors.emulators.dataverse.organisation import id_of
from connectors.emulators.dataverse.standard_tables import (
    ACCOUNT,
    ACTIVE,
    ACTIVE_STATUS,
    CONSENT,
    CONTACT,
    EMAIL_CHANNEL,
    INACTIVE,
    INACTIVE_STATUS,
    LOADED,
    OPTED_IN,
    OPTED_OUT,
    PURPOSE,
    PURPOSE_CONSENT,
    TOPIC,
)

Fields = dict[str, Any]
_PURPOSE_ID = id_of("msdynmkt_purpose", "Commercial")


def rows_of(dataset: Dataset | None, stamp: str) -> Mapping[str, list[Fields]]:
    """Rows by logical name of their table; `stamp` dates what the dataset leaves undated."""
    loaded: dict[str, list[Fields]] = {CONTACT.name: [], ACCOUNT.name: [], CONSENT.name: []}
    customers = list(_identified(dataset)) if dataset else []
    tables = {own: _table_of(customer) for own, customer in customers}
    for own, customer in customers:
        table = tables[own]
        winner = customer.merged_into if tables.get(customer.merged_into) == table else ""
        loaded[table].append({**_common(own, customer, stamp, winner, table), **_own(own, customer, table)})
    loaded[CONSENT.name] = list(_consents((customer for _, customer in customers), stamp))
    dates = {"createdon": stamp, "modifiedon": stamp, "statecode": ACTIVE, "statuscode": ACTIVE_STATUS}
    loaded[PURPOSE.name] = [{"msdynmkt_purposeid": _PURPOSE_ID, "msdynmkt_name": "Commercial", **dates}]
    topic = {"msdynmkt_topicid": id_of("msdynmkt_topic", "Newsletter"), "msdynmkt_name": "Newsletter"}
    loaded[TOPIC.name] = [{**topic, "_msdynmkt_purposeid_value": _PURPOSE_ID, **dates}]
    return loaded


def _identified(dataset: Dataset) -> Iterator[tuple[str, Customer]]:
    """Each customer with what its id is made from: a number met before gets its company behind it."""
    seen: set[str] = set()
    for customer in dataset.customers():
        own = customer.customer_id
        if own in seen:
            own = f"{own}@{customer.legal_entity}"
        seen.add(own)
        yield own, customer


def _table_of(customer: Customer) -> str:
    """The neutral format knows people only; in the demo company some wholesale customers are organisations."""
    person = bool(customer.first_name) or customer.group != "WHOLESALE"
    return CONTACT.name if person else ACCOUNT.name


def _common(own: str, customer: Customer, stamp: str, winner: str, table: str) -> Fields:
    inactive = customer.status == "archived" or bool(winner)
    created = _moment(customer.created_at) or stamp
    shared = {
        f"{table}id": id_of(table, own),
        "emailaddress1": customer.email,
        "telephone1": customer.phone,
        "address1_line1": customer.street,
        "address1_city": customer.city,
        "address1_postalcode": customer.postcode,
        "address1_country": customer.country,
        "_masterid_value": id_of(table, winner) if winner else "",
        "msdyn_partynumber": customer.party_id or customer.customer_id,
    }
    state = {
        "donotbulkemail": customer.email_consent is False,
        "statecode": INACTIVE if inactive else ACTIVE,
        "statuscode": INACTIVE_STATUS if inactive else ACTIVE_STATUS,
        "merged": bool(winner),
        "msdyn_sellable": True,
        "createdon": created,
        "modifiedon": _moment(customer.modified_at) or created,
    }
    defaults = {**CONTACT.defaults, **state} if table == CONTACT.name else {**ACCOUNT.defaults, **state}
    return {**{name: value for name, value in shared.items() if value}, **defaults}


def _own(own: str, customer: Customer, table: str) -> Fields:
    name = f"{customer.first_name} {customer.last_name}".strip()
    if table == ACCOUNT.name:
        return {"name": name or customer.customer_id, "accountnumber": customer.customer_id}
    found = {
        "firstname": customer.first_name,
        "lastname": customer.last_name,
        "fullname": name,
        "birthdate": customer.birth_date.isoformat() if customer.birth_date else "",
        "msdyn_contactpersonid": customer.customer_id,
    }
    return {key: value for key, value in found.items() if value}


def _consents(customers: Iterator[Customer], stamp: str) -> Iterator[Fields]:
    """One row for an address and purpose (3.6); the last customer who has said anything decides."""
    said = {c.email.lower(): c for c in customers if c.email and c.email_consent is not None}
    for email, customer in said.items():
        at = _moment(customer.consent_at) or stamp
        yield {
            "msdynmkt_contactpointconsent4id": id_of(CONSENT.name, email),
            "msdynmkt_contactpointvalue": customer.email,
            "msdynmkt_contactpointtype": EMAIL_CHANNEL,
            "msdynmkt_contactpointconsenttype": PURPOSE_CONSENT,
            "msdynmkt_value": OPTED_IN if customer.email_consent else OPTED_OUT,
            "_msdynmkt_purposeid_value": _PURPOSE_ID,
            "msdynmkt_source": LOADED,
            "statecode": ACTIVE,
            "statuscode": ACTIVE_STATUS,
            "createdon": at,
            "modifiedon": at,
        }


def _moment(value: datetime | None) -> str:
    return f"{value:%Y-%m-%dT%H:%M:%SZ}" if value else ""
