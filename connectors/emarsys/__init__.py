"""SAP Emarsys (core API v3): contacts with adoption of existing ones, sales data, segments."""

from connectors.base import Connector, Setting
from connectors.emarsys.client import Emarsys

connector = Connector(
    name="emarsys",
    title="SAP Emarsys",
    settings={
        "URL": Setting("base address of the core API", "https://api.emarsys.net/api/v3"),
        "TOKEN_URL": Setting("OAuth token endpoint", "https://auth.emarsys.net/oauth2/token"),
        "CLIENT_ID": Setting("client id of the API credential"),
        "CLIENT_SECRET": Setting("client secret of the API credential", secret=True),
        "KEY_FIELD": Setting("contact field with the ERP's customer number: string id, name or id", "externalId"),
        "KEY_VALUE": Setting("what is written there: account (customer number) or key (company|number)", "account"),
        "TIER_FIELD": Setting("contact field with the loyalty tier; empty means none", "loyaltyTier"),
        "CALLS_PER_MINUTE": Setting("requests a minute that the API credential may make, all workers together", "1000"),
        "CONTACT_BATCH": Setting("contacts in one request (1,000 at most)", "1000"),
        "SCAN_WORKERS": Setting("requests at a time when everything is read", "4"),
        "SEGMENT_WAIT": Setting("seconds to wait for a segment's evaluation", "60"),
        "SALES_URL": Setting(
            "address for sales data; {merchant} stands for MERCHANT_ID",
            "https://admin.scarabresearch.com/hapi/merchant/{merchant}/sales-data/api",
        ),
        "MERCHANT_ID": Setting("merchant id for sales data; empty means none are sent", ""),
        "SALES_TOKEN": Setting("token from the Sales Data page", "", secret=True),
        "SALES_BATCH": Setting("lines in one sales file", "5000"),
        "SALES_COLUMNS": Setting("custom columns agreed for sales data, comma separated", "s_invoice_line"),
        "SALES_ORDER": Setting("what the order column holds: document (invoice number) or order", "document"),
        "PRICE": Setting("what the price column holds: line_total or unit_price", "line_total"),
        "REFUND_STYLE": Setting("how returns are written: negative_rows or custom_amount_column", "negative_rows"),
    },
    open=Emarsys,
    inlets=("customer", "sale"),
)
