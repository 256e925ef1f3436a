"""Starts the environment over from a neutral dataset; the package's README says what becomes what."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from connectors.emulators.dataset import Customer, Dataset
from connectors.emulators.datasets.online_retail import OnlineRetail
from connectors.emulators.dynamics365 import derived_stock
from connectors.emulators.dynamics365.ledger import Ledger
from connectors.emulators.dynamics365.loading import COMPANY, company_of, customer_rows, moment, number
from connectors.emulators.dynamics365.loading_invoices import Posted, demo_invoices, demo_moments, invoices
from connectors.emulators.dynamics365.loading_orders import carriers, orders, tracking
from connectors.emulators.dynamics365.loading_returns import DISPOSITIONS, REASONS, return_orders
from connectors.emulators.dynamics365.tenant import Tenant

_ZERO = Decimal(0)


def load(tenant: Tenant, dataset: Dataset | None) -> str:
    """The first customer's company."""
    _clear(tenant)
    customers = list(customer_rows(dataset)) if dataset else []
    tenant.customers.load(customers)
    companies = list(dict.fromkeys(row["dataAreaId"] for row in customers)) or [COMPANY]
    if isinstance(dataset, OnlineRetail):
        _post(tenant, list(demo_invoices(dataset)))
        tenant.invoiced.derive(demo_moments(dataset))
        _masters(tenant, companies, set())
    elif dataset is not None:
        _neutral(tenant, dataset, companies)
    else:
        _post(tenant, [])
        _masters(tenant, companies, set())
    return companies[0]


def _clear(tenant: Tenant) -> None:
    tenant.invoiced.derive(None)
    tenant.orders.load([])
    tenant.order_lines.load([])
    tenant.contacts.load([])
    for table in (*tenant.plain.values(), *tenant.derived.values()):
        table.load([])
    tenant.stock.clear()


def _post(tenant: Tenant, posted: list[Posted]) -> None:
    tenant.invoices.load(invoice.header for invoice in posted)
    tenant.lines.load(
        (invoice.id, invoice.header["InvoiceDate"], invoice.header["CurrencyCode"], invoice.lines)
        for invoice in posted
    )  # fmt: skip


def _neutral(tenant: Tenant, dataset: Dataset, companies: list[str]) -> None:
    ledger = Ledger(dataset)
    _post(tenant, list(invoices(ledger)))
    sent = carriers(dataset)
    placed = list(orders(ledger))
    for order in placed:
        carrier, day = sent.get(order.header["SalesOrderNumber"], ("", ""))
        if day:
            order.header.update(ShippingCarrierId=carrier, ConfirmedShippingDate=day)
    tenant.orders.load(order.header for order in placed)
    tenant.order_lines.load(
        (order.id, order.status, order.header["RequestedShippingDate"], order.header["CurrencyCode"], order.lines)
        for order in placed
    )
    tenant.plain["tracking"].load(tracking(dataset, ledger))
    sent_back = list(return_orders(ledger, tenant.order_lines.lot))
    tenant.plain["return_orders"].load(header for header, _ in sent_back)
    tenant.plain["return_order_lines"].load(line for _, lines in sent_back for line in lines)
    tenant.contacts.load(_contacts(dataset))
    tenant.products.load(_products(dataset, companies))
    places = _stock(tenant, dataset, companies[0])
    _masters(tenant, companies, places)


def _contacts(dataset: Dataset) -> Iterator[dict[str, Any]]:
    """Who is spoken to in an organisation; a person is its own contact and has none."""
    for customer in dataset.customers():
        if not customer.first_name and customer.group == "WHOLESALE":
            yield {
                "dataAreaId": company_of(customer.legal_entity),
                "ContactPersonId": f"CP-{customer.customer_id}",
                "ContactPersonPartyNumber": f"CP-{customer.party_id or customer.customer_id}",
                "AssociatedPartyNumber": customer.party_id or customer.customer_id,
                "PrimaryEmailAddress": customer.email,
                "LastName": customer.last_name,
                "ContactPersonName": customer.last_name,
                "LanguageId": customer.language,
                "IsInactive": "Yes" if customer.status == "archived" else "No",
                "IsReceivingDirectMail": _mail(customer),
                "LastEditDateTime": moment(customer.modified_at or customer.created_at),
            }


def _mail(customer: Customer) -> str:
    return "Yes" if customer.email_consent else "No"


def _products(dataset: Dataset, companies: list[str]) -> Iterator[dict[str, Any]]:
    """Released to every company that has customers."""
    for product in dataset.products():
        row = derived_stock.product(product.sku, product.name, number(product.price or _ZERO), product.category)
        for company in companies:
            yield {"dataAreaId": company, "ItemNumber": product.sku, **row, **derived_stock.UNITS}


def _stock(tenant: Tenant, dataset: Dataset, company: str) -> set[str]:
    """The warehouses; a retailer's stock belongs to its first company. `on_order` is what suppliers owe: Ordered."""
    found, places = {}, set()
    for stock in dataset.stock():
        warehouse = stock.warehouse or "MAIN"
        places.add(warehouse)
        found[f"{company}|{stock.sku}|{warehouse}"] = {
            "physical": number(stock.physical or _ZERO),
            "reserved": number(stock.reserved or _ZERO),
            "quarantined": number(stock.quarantined or _ZERO),
            "ordered": number(stock.on_order or _ZERO),
            "on_order": 0,
        }
    if found:
        tenant.stock.put_many(found)
    return places


def _masters(tenant: Tenant, companies: list[str], places: set[str]) -> None:
    site = {"OperationalSiteId": derived_stock.SITE}
    rows = []
    for place in sorted(places):
        apart = derived_stock.quarantine_of(place)
        common = {"dataAreaId": companies[0], **site}
        rows.append({**common, "WarehouseId": place, "WarehouseName": place, "QuarantineWarehouseId": apart})
        rows.append({**common, "WarehouseId": apart, "WarehouseName": f"{place} quarantine",
                     "WarehouseType": "Quarantine"})  # fmt: skip
    tenant.plain["warehouses"].load(rows)
    statuses = ((derived_stock.AVAILABLE, "No"), (derived_stock.BLOCKED, "Yes"))
    tenant.plain["inventory_statuses"].load(
        {"dataAreaId": company, "StatusId": status, "StatusName": status, "WillStatusBlockInventory": blocks}
        for company in companies
        for status, blocks in statuses
    )
    tenant.plain["return_reasons"].load(
        {"dataAreaId": company, "ReasonCode": code, "ReasonDescription": words}
        for company in companies
        for code, words in REASONS.items()
    )
    tenant.plain["dispositions"].load(
        {"dataAreaId": company, "DispositionCode": code, "DispositionAction": action}
        for company in companies
        for code, action in DISPOSITIONS.items()
    )
