"""SAP Emarsys (core API v3, or v2 with WSSE): contacts, consent, order status, events, sales data, the product feed;
consent, attribution and purchases read back; segments and contact lists."""

from connectors.base import Allowance, Connector, Setting
from connectors.emarsys.client import STREAMS, Emarsys
from connectors.emarsys.inlets import MAKERS
from connectors.emarsys.mapping import order_event, product

OAUTH, WSSE = ("AUTH", "oauth"), ("AUTH", "wsse")

connector = Connector(
    name="emarsys",
    title="SAP Emarsys",
    settings={
        "AUTH": Setting("how the account signs in: oauth (API v3) or wsse (API v2)", "oauth"),
        "URL": Setting("base address of the core API; empty means https://api.emarsys.net/api/v3 (wsse: v2)", ""),
        "TOKEN_URL": Setting("OAuth token endpoint", "https://auth.emarsys.net/oauth2/token"),
        "CLIENT_ID": Setting("client id of the API credential", when=OAUTH),
        "CLIENT_SECRET": Setting("client secret of the API credential", secret=True, when=OAUTH),
        "WSSE_USER": Setting("name of the API user, for AUTH=wsse", when=WSSE),
        "WSSE_SECRET": Setting("secret of the API user, for AUTH=wsse", secret=True, when=WSSE),
        "KEY": Setting("what contacts are addressed by: external_id or email", "external_id"),
        "KEY_FIELD": Setting("contact field with the ERP's customer number: string id, name or id", "externalId"),
        "KEY_VALUE": Setting("what is written there: account (customer number) or key (company|number)", "account"),
        "TIER_FIELD": Setting("contact field with the loyalty tier; empty means none", "loyaltyTier"),
        "STATUS_FIELDS": Setting(
            "contact fields of the order status: open_orders, last_order, last_status, last_placed_at = field",
            "open_orders=openOrders,last_order=lastOrder,last_status=lastOrderStatus,last_placed_at=lastOrderPlacedAt",
        ),
        "CALLS_PER_MINUTE": Setting("requests a minute that the API credential may make, all workers together", "1000"),
        "CONTACT_BATCH": Setting("contacts in one request (1,000 at most)", "1000"),
        "SCAN_WORKERS": Setting("requests at a time when everything is read", "8"),
        "SEGMENT_WAIT": Setting("seconds to wait for a segment's evaluation", "60"),
        "EXPORT_WAIT": Setting("seconds to wait for an export of changes", "900"),
        "EXPORT_SLICE": Setting("rows of an export in one download", "100000"),
        "NOTIFICATION_URL": Setting("public https address told of finished exports; empty means none", ""),
        "ACCOUNT_ZONE": Setting("the account's time zone; empty means what the account says", ""),
        "EVENTS": Setting(
            "order event = external event in Emarsys, comma separated; nothing after = sends none", order_event.DEFAULT
        ),
        "FEED_COLUMNS": Setting("columns of the product feed; their order must stay as agreed", product.DEFAULT),
        "FEED_CURRENCY": Setting("the account's currency, to refuse other prices; empty means not checked", ""),
        "STOCK_THRESHOLD": Setting("pieces that must remain: available means more than this can be sold", "0"),
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
        "REFUND_ITEM": Setting("item of refunds without an article (postage, goodwill); empty refuses them", ""),
        "ATTRIBUTION_FILES": Setting("revenue attribution exports: a folder, a pattern or an https address", ""),
        "PURCHASE_FILES": Setting("purchase exports: a folder, a pattern or an https address", ""),
    },
    open=Emarsys,
    streams=tuple(STREAMS),
    inlets=tuple(MAKERS),
    allowance=lambda settings: Allowance(settings.number("CALLS_PER_MINUTE"), 60),
    credential=("CLIENT_ID", "WSSE_USER"),
)
