"""A customer's orders in a few fields → OrderStatus. Pure; raises RecordError only."""

from collections.abc import Callable

import msgspec

from connectors.base import Excluded, Fault, Mapped
from connectors.dynamics365.finance.columns import cleaner, optional_moment, reader
from connectors.dynamics365.finance.mapping.keys import Keys
from connectors.dynamics365.finance.mapping.orders import OrderHeader, state_of
from connectors.records import OrderStatus

OPEN = frozenset({"open", "on_hold", "back_order", "part_shipped"})
REQUIRED = ("dataAreaId", "SalesOrderNumber", "OrderingCustomerAccountNumber", "OrderCreationDateTime")
OPTIONAL = ("SalesOrderStatus", "SalesOrderProcessingStatus", "IsSalesProcessingStopped")


class CustomerOrders(msgspec.Struct, gc=False):
    """A row of the stream `order_status`: the headers of one ordering account's orders. `company` and `account`
    are of a customer all of whose orders were deleted as well."""

    company: str = ""
    account: str = ""
    orders: list[OrderHeader] = []


_read = reader(CustomerOrders)


def order_status_key(keys: Keys) -> Callable[[bytes], str]:
    """Reads the customer's key from a row."""

    def key(row: bytes) -> str:
        found, clean = _read(row), cleaner(row)
        return keys.of(keys.company(clean(found.company)), clean(found.account))

    return key


def order_status_mapping(keys: Keys) -> Callable[[bytes], Mapped]:
    """The status of the order placed last, as its header tells it, and how many are open."""

    def to_status(row: bytes) -> Mapped:
        found, clean = _read(row), cleaner(row)
        account, company = clean(found.account), keys.company(clean(found.company))
        faults: list[Fault] = []
        placed = [(optional_moment(order.OrderCreationDateTime, "OrderCreationDateTime", faults),
                   clean(order.SalesOrderNumber), state_of(order, ()).status) for order in found.orders]  # fmt: skip
        dated = [order for order in placed if order[0] is not None]
        last = max(dated) if dated else max(placed, key=lambda order: order[1], default=(None, "", ""))
        record = OrderStatus(
            key=keys.of(company, account),
            account=account,
            open_orders=sum(status in OPEN for _, _, status in placed),
            last_order=last[1],
            last_status=last[2],
            last_placed_at=last[0],
        )
        if not account:
            return Mapped(Excluded(record.key, "no_customer", record), tuple(faults))
        return Mapped(record, tuple(faults))

    return to_status
