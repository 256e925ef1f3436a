"""The connection's settings. Set names and columns differ from tenant to tenant, so each is one (contract 2.1)."""

from connectors.base import Setting

SIGN_IN = ("AUTH", "client_credentials")


def _set(meaning: str, name: str) -> Setting:
    return Setting(f"entity set of {meaning}", name)


def _columns(meaning: str) -> Setting:
    return Setting(
        f"columns of {meaning} under other names: Name=Theirs,… or Name=Theirs:Edm.Int64 where no $metadata tells the"
        " type; nothing after = means that there is none",
        "",
    )


SETTINGS = {
    "URL": Setting("address of the environment; its data are below URL and DATA_PATH"),
    "TENANT": Setting("Entra tenant id or domain", when=SIGN_IN),
    "CLIENT_ID": Setting("application (client) id", when=SIGN_IN),
    "CLIENT_SECRET": Setting("client secret", secret=True, when=SIGN_IN),
    "TOKEN_URL": Setting(
        "token endpoint; {tenant} stands for TENANT", "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token"
    ),
    "SCOPE": Setting("scope to ask for; {url} stands for URL", "{url}/.default"),
    "AUTH": Setting("how to sign in: client_credentials, token (TOKEN is sent as it is) or none", SIGN_IN[1]),
    "TOKEN": Setting("the bearer token for AUTH=token", secret=True, when=("AUTH", "token")),
    "DATA_PATH": Setting("path of the OData service below URL; empty where URL is the service itself", "/data"),
    "PAGE_SIZE": Setting("rows asked for in one request (the service gives 10,000 at most)", "10000"),
    "CALLS_PER_MINUTE": Setting(
        "requests a minute, all workers together; 0: no number, the environment itself says when it is busy", "0"
    ),
    "CROSS_COMPANY": Setting("ask for all companies with cross-company=true: yes or no", "yes"),
    "COMPANY_FIELD": Setting("column with the legal entity; empty where the system has none", "dataAreaId"),
    "COMPANIES": Setting("legal entities to read, comma separated; empty means all", ""),
    "ENUM_NAMESPACE": Setting(
        "namespace of enum types where $metadata names none; empty: enums are compared as text",
        "Microsoft.Dynamics.DataEntities",
    ),
    "CUSTOMERS_SET": _set("customers", "CustomersV3"),
    "CUSTOMERS_COLUMNS": _columns("customers"),
    "INVOICES_SET": _set("invoice headers", "SalesInvoiceHeadersV2"),
    "INVOICES_COLUMNS": _columns("invoice headers"),
    "INVOICE_LINES_SET": _set("invoice lines", "SalesInvoiceV2Lines"),
    "INVOICE_LINES_COLUMNS": _columns("invoice lines"),
    "FREE_TEXT_SET": Setting("entity set of free-text invoices, to be counted as sales; empty: they are not", ""),
    "FREE_TEXT_COLUMNS": _columns("free-text invoices"),
    "FREE_TEXT_LINES_SET": _set("lines of free-text invoices", "FreeTextInvoiceLines"),
    "FREE_TEXT_LINES_COLUMNS": _columns("lines of free-text invoices"),
    "FREE_TEXT_ITEM": Setting("item number that lines of free-text invoices are given", "FREE TEXT"),
    "TIER_FIELD": Setting("this tenant's column with the loyalty tier; empty means none", "LoyaltyTier"),
    "BIRTH_DATE_FIELD": Setting("this tenant's column with the date of birth; empty means none", "BirthDate"),
    "LOOKBACK_DAYS": Setting("days before the last seen document date that are read again", "7"),
    "CHARGE_ITEMS": Setting(
        "item numbers that are charges, not articles, comma separated", "POST,M,m,C2,D,DOT,CRUK,BANK CHARGES,PADS"
    ),
    "ORDERS_SET": _set("sales order headers", "SalesOrderHeadersV2"),
    "ORDERS_COLUMNS": _columns("sales order headers"),
    "ORDER_LINES_SET": _set("sales order lines", "SalesOrderLines"),
    "ORDER_LINES_COLUMNS": _columns("sales order lines"),
    "VOIDED_ORDERS_SET": _set("deleted sales orders; empty where their history is not kept", "VoidedSalesOrderHeaders"),
    "VOIDED_ORDERS_COLUMNS": _columns("deleted sales orders"),
    "VOIDED_LINES_SET": _set("lines of deleted sales orders; empty for none", "VoidedSalesOrderLines"),
    "VOIDED_LINES_COLUMNS": _columns("lines of deleted sales orders"),
    "OPEN_DAYS": Setting("days for which the orders since the oldest open one are read again", "30"),
    "OPEN_STATUSES": Setting(
        "order statuses (SalesStatus) that are read again at any age, comma separated", "Backorder,Delivered"
    ),
    "ORDER_STATUS_DAYS": Setting("days of orders that a customer's order status counts; open ones always", "90"),
    "TRACKING_SET": _set("parcels of packing slips", "PackingSlipTrackingInformation"),
    "TRACKING_COLUMNS": _columns("parcels of packing slips"),
    "PRODUCTS_SET": _set("released products", "ReleasedProductsV2"),
    "PRODUCTS_COLUMNS": Setting(
        "columns of released products under other names, and this tenant's own: Description, Category (levels with >),"
        " Brand, Link, Image, ListPrice",
        "",
    ),
    "ON_HAND_SET": _set("stock; empty means that no product tells how many are sellable",
                        "WarehouseInventoryStatusesOnHandV2"),
    "ON_HAND_COLUMNS": _columns("stock"),
    "SELLABLE_WAREHOUSES": Setting("warehouses that are sold from, comma separated; empty means all", ""),
    "BLOCKED_STATUSES": Setting("inventory statuses that are not sold, comma separated", "Blocking,Blocked"),
    "STOCK_BUFFER": Setting("pieces of each item that are kept back", "0"),
    "PRICE_CURRENCY": Setting("currency of sales prices, which released products do not name", ""),
    "INACTIVE_LIFECYCLE_STATES": Setting("lifecycle states of products no longer sold, comma separated", ""),
    "RETURNS_SET": _set("return orders", "ReturnOrderHeaders"),
    "RETURNS_COLUMNS": _columns("return orders"),
    "RETURN_LINES_SET": _set("return order lines", "ReturnOrderLines"),
    "RETURN_LINES_COLUMNS": _columns("return order lines"),
    "RETURN_LINE_KEY": Setting("columns that identify a line within its return order", "InventoryLotId"),
    "CONTACTS_SET": _set("contact persons", "ContactsV2"),
    "CONTACTS_COLUMNS": _columns("contact persons"),
    "CONTACT_MOMENT_FIELD": Setting(
        "column with the moment a contact person was last changed; empty: all are read each time", "LastEditDateTime"
    ),
    "OVERLAP_MINUTES": Setting("minutes before the last seen change that are read again", "10"),
}  # fmt: skip
