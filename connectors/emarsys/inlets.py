"""The inlets of an account, each made when it is first asked for."""

from collections.abc import Callable, Iterator, Mapping
from threading import Lock

from connectors.base import Effect, Inlet, Settings
from connectors.emarsys import setup
from connectors.emarsys.account import Account
from connectors.emarsys.mapping import consent, contact, order_event, order_status, product, sale
from connectors.emarsys.mapping.schema import OPT_IN

MEGABYTE = 1_000_000
SALES_FILE = 50 * MEGABYTE
"""No size limit is documented for sales files; larger ones are split (contract 14, question 2)."""
EVENT_REQUEST = MEGABYTE - 2_000
"""An event request may be 1 MB (contract 2.3); what stands around and between its entries is kept free."""
CUSTOMER = "customer"


class Inlets(Mapping[str, Inlet]):
    """By name. Raises ConfigurationError where the account lacks what the inlet needs, a field for one."""

    def __init__(self, settings: Settings, account: Account) -> None:
        self._settings, self._account = settings, account
        self._ready: dict[str, Inlet] = {}
        self._making = Lock()

    def __getitem__(self, name: str) -> Inlet:
        with self._making:
            if name not in self._ready:
                self._ready[name] = MAKERS[name](self._settings, self._account)
            return self._ready[name]

    def __iter__(self) -> Iterator[str]:
        return iter(MAKERS)

    def __len__(self) -> int:
        return len(MAKERS)


def _customer(settings: Settings, account: Account) -> Inlet:
    schema = account.schema
    return Inlet(
        entity="customer",
        effect=Effect.UPSERT,
        batch=settings.number("CONTACT_BATCH"),
        max_bytes=8 * MEGABYTE,
        readable=bool(schema.external),
        encode=contact.customer_encoder(schema),
        fields=schema.ids,
        identify=schema.key_of,
        expected=contact.expected(schema),
        beside=contact.beside(schema),
    )


def _sale(settings: Settings, account: Account) -> Inlet:
    return Inlet(
        entity="sale",
        effect=Effect.ONCE,
        batch=settings.number("SALES_BATCH"),
        max_bytes=SALES_FILE,
        readable=False,
        encode=sale.sale_encoder(account.numbered, setup.sales_form(settings)),
    )


def _consent(settings: Settings, account: Account) -> Inlet:
    schema = account.numbered
    return Inlet(
        entity="consent",
        effect=Effect.UPSERT,
        batch=settings.number("CONTACT_BATCH"),
        max_bytes=8 * MEGABYTE,
        readable=True,
        encode=consent.encoder(schema),
        fields={"given": OPT_IN},
        identify=schema.external_id,
        expected=consent.expected,
        after=CUSTOMER,
    )


def _order_status(settings: Settings, account: Account) -> Inlet:
    schema, fields = account.numbered, account.status_fields
    return Inlet(
        entity="order_status",
        effect=Effect.UPSERT,
        batch=settings.number("CONTACT_BATCH"),
        max_bytes=8 * MEGABYTE,
        readable=True,
        encode=order_status.encoder(schema, fields),
        fields={name: field.id for name, field in fields.items()},
        identify=schema.external_id,
        expected=order_status.expected(fields),
        after=CUSTOMER,
    )


def _order_event(settings: Settings, account: Account) -> Inlet:
    schema = account.numbered
    return Inlet(
        entity="order_event",
        effect=Effect.KEYED,
        batch=1000,
        max_bytes=EVENT_REQUEST,
        readable=False,
        encode=order_event.encoder(schema, setup.events(settings)),
        identify=schema.external_id,
        after=CUSTOMER,
    )


def _product(settings: Settings, account: Account) -> Inlet:
    feed = setup.feed(settings)
    return Inlet(
        entity="product",
        effect=Effect.REPLACE,
        batch=1_000,
        max_bytes=100 * MEGABYTE,
        readable=False,
        encode=product.encoder(feed),
        head=feed.head,
    )


MAKERS: Mapping[str, Callable[[Settings, Account], Inlet]] = {
    "customer": _customer,
    "sale": _sale,
    "consent": _consent,
    "order_status": _order_status,
    "order_event": _order_event,
    "product": _product,
}
