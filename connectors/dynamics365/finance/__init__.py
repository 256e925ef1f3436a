"""Dynamics 365 Finance & Supply Chain: customers by scan, invoices and credit notes by window."""

from connectors.base import Connector, Setting
from connectors.dynamics365.finance.client import Finance

connector = Connector(
    name="dynamics365.finance",
    title="Dynamics 365 Finance",
    settings={
        "URL": Setting("address of the environment; its data are below URL/data"),
        "TENANT": Setting("Entra tenant id or domain"),
        "CLIENT_ID": Setting("application (client) id"),
        "CLIENT_SECRET": Setting("client secret", secret=True),
        "TOKEN_URL": Setting(
            "token endpoint; {tenant} stands for TENANT", "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token"
        ),
        "SCOPE": Setting("scope to ask for; {url} stands for URL", "{url}/.default"),
        "PAGE_SIZE": Setting("rows asked for in one request (the service gives 10,000 at most)", "10000"),
        "COMPANIES": Setting("legal entities to read, comma separated; empty means all", ""),
        "CUSTOMERS_SET": Setting("entity set of customers", "CustomersV3"),
        "INVOICES_SET": Setting("entity set of invoice headers", "SalesInvoiceHeadersV2"),
        "INVOICE_LINES_SET": Setting("entity set of invoice lines", "SalesInvoiceV2Lines"),
        "TIER_FIELD": Setting("this tenant's column with the loyalty tier; empty means none", "LoyaltyTier"),
        "BIRTH_DATE_FIELD": Setting("this tenant's column with the date of birth; empty means none", "BirthDate"),
        "LOOKBACK_DAYS": Setting("days before the last seen invoice date that are read again", "7"),
        "CHARGE_ITEMS": Setting(
            "item numbers that are charges, not articles, comma separated", "POST,M,m,C2,D,DOT,CRUK,BANK CHARGES,PADS"
        ),
    },
    open=Finance,
    streams=("customer", "sale"),
)
