"""Turns a neutral dataset into what Prima holds; the package's README says what becomes what."""

from decimal import Decimal

from connectors.emulators.dataset import Customer, Dataset, Stock
from connectors.emulators.prima.loading_orders import orders
from connectors.emulators.prima.loading_returns import credit_notes, despatches
from connectors.emulators.prima.written import Record, Records, quantity, sku_keys, stamp


def everything(dataset: Dataset, separator: str, now: str) -> dict[str, Records]:
    """All records by collection; `now` is when stock changed, of which the neutral format does not tell."""
    sold = orders(dataset, separator)
    return {
        "customers": customers(dataset),
        "orders": sold,
        "credits": credit_notes(dataset, sold, separator),
        "despatches": despatches(dataset, sold),
        "stock": stock(dataset, separator, now),
    }


def customers(dataset: Dataset) -> Records:
    return {row.customer_id: _customer(row) for row in dataset.customers()}


def _customer(row: Customer) -> Record:
    changed = stamp(row.modified_at or row.consent_at or row.created_at)
    if row.merged_into:
        return tombstone(row.customer_id, row.merged_into, changed)
    return {
        "Customer": row.customer_id, "CustomerType": row.group or "RETAIL",
        "Status": "Archived" if row.status == "archived" else "Active", "MergedTo": "",
        "CustomerTitle": "", "CustomerForename": row.first_name, "CustomerSurname": row.last_name,
        "CustomerEmail": row.email, "CustomerPhone": row.phone, "CustomerMobile": "",
        "AddrLine1": row.street, "AddrLine2": "", "AddrLine3": row.city, "PostCode": row.postcode,
        "Country": row.country, "Gender": "", "DateOfBirth": row.birth_date.isoformat() if row.birth_date else "",
        "ReceiveEmail": "" if row.email_consent is None else "Yes" if row.email_consent else "No",
        "ReceiveText": "", "ReceiveMail": "", "ReceivePhone": "", "RentDetails": "",
        "ConsentDate": stamp(row.consent_at, ""), "ConsentSource": "WEB" if row.consent_at else "",
        "LastChanged": changed,
    }  # fmt: skip


def tombstone(customer: str, survivor: str, changed: str) -> Record:
    """What is left of a merged account (7.2)."""
    return {"Customer": customer, "Status": "Merged", "MergedTo": survivor, "LastChanged": changed}


def stock(dataset: Dataset, separator: str, changed: str) -> Records:
    """By `product|codes…|warehouse`; the neutral format has no moment, so the moment of loading it is."""
    return {f"{row.sku}|{row.warehouse or 'MAIN'}": _stock(row, separator, changed) for row in dataset.stock()}


def _stock(row: Stock, separator: str, changed: str) -> Record:
    codes = {f"MtrxCode{at}": "" for at in range(1, 5)}
    zero = Decimal(0)
    return {
        "Product": "", **codes, **sku_keys(row.sku, separator), "Warehouse": row.warehouse or "MAIN", "Barcode": "",
        "Physical": quantity(row.physical or zero), "Allocated": quantity(row.reserved or zero),
        "Quarantine": quantity(row.quarantined or zero), "Reserved": "0",
        "OnOrder": quantity(row.on_order or zero), "AvailableDate": "", "LastChanged": changed,
    }  # fmt: skip
