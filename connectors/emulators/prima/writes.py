"""What changes Prima: consent written back (contract 7.3) and orders entered (contract 5)."""

from collections.abc import Iterator
from typing import Any

from connectors.emulators.prima.asking import Asked, BusinessError
from connectors.emulators.prima.rendering import Reply
from connectors.emulators.prima.state import State
from connectors.emulators.prima.switches import Switches
from connectors.emulators.prima.vocabulary import (
    AMOUNT,
    CUSTOMER,
    DATA,
    FLAGS,
    MOMENT,
    ORDER,
    ORDER_CHARGE,
    ORDER_LINE,
    QUANTITY,
    TEXT,
    Part,
)  # fmt: skip

Record = dict[str, Any]
_WRITABLE = (*FLAGS, "ConsentDate", "ConsentSource")
# A new order's header is an element of its own here, its person and consent stand on `Data` (5).
_HEADER = Part("Order", {name: kind for name, kind in ORDER.attributes.items() if name != "LastChanged"})


def customer_update(asked: Asked, state: State, switches: Switches) -> Reply:
    """Only what is given changes; the same `UniqueId` again gives the same answer and changes nothing."""
    given = asked.values(DATA, CUSTOMER)
    unique = given.get("UniqueId", "")
    if not unique:
        raise BusinessError("UniqueId must be given")
    with state["customers"].lock:
        before = state["writes"].get(unique)
        if before is not None:
            return Reply(before, count=1)
        answer = _updated(given, state, switches["blank"])
        state["writes"].put(unique, answer)
    return Reply(answer, count=1)


def _updated(given: Record, state: State, blank: str) -> Record:
    number = given.get("Customer", "")
    customer = state["customers"].get(number)
    if customer is None:
        raise BusinessError("Customer not on file")
    if customer.get("MergedTo"):
        raise BusinessError(f"Customer has been merged into {customer['MergedTo']}")
    changes = consent(given, blank)
    record = state.change("customers", number, changes) if changes else customer
    return {"Customer": number, "LastChanged": record.get("LastChanged", "")}


def consent(given: Record, blank: str) -> Record:
    """The consent attributes to store; what an empty flag means is a switch (2, question 7). BusinessError."""
    changes = {name: value for name, value in given.items() if name in _WRITABLE and value}
    for name in FLAGS:
        value = given.get(name)
        if value and value not in ("Yes", "No"):
            raise BusinessError(f"Invalid value for {name}")
        if value == "" and blank == "error":
            raise BusinessError(f"{name} must be given")
        if value == "" and blank == "no":
            changes[name] = "No"
    return changes


def new_order(asked: Asked, state: State, switches: Switches) -> Reply:
    number = _entered(asked, asked.data, state, switches)
    return Reply({"OrderNumber": number}, count=1)


def multi_new_order(asked: Asked, state: State, switches: Switches) -> Reply:
    """Several orders, each an `Order` element shaped as the `Data` of a single one; all of them or none."""
    elements = list(asked.children("Order"))
    if not elements:
        raise BusinessError("No orders given")
    with state["orders"].lock:
        taken = [_number(asked, element, state) for element in elements]
        if len(set(taken)) < len(taken):
            raise BusinessError("Order number given twice")
        rows = [{"OrderNumber": _entered(asked, element, state, switches)} for element in elements]
    return Reply({}, Part("Order", {"OrderNumber": TEXT}), rows, len(rows))


def _number(asked: Asked, element: Any, state: State) -> str:
    number = asked.values(_HEADER, of=element).get("OrderNumber", "")
    if not number:
        raise BusinessError("OrderNumber must be given")
    if number in state["orders"]:
        raise BusinessError(f"Order {number} already on file")
    return number


def _entered(asked: Asked, element: Any, state: State, switches: Switches) -> str:
    with state["orders"].lock:
        number = _number(asked, element, state)
        person = asked.values(CUSTOMER, of=element)
        header = _header(asked, element)
        state["orders"].put(number, _order(header, asked, element, state.now()))
        _remember_person(header.get("Customer", ""), person, state, switches)
    return number


def _header(asked: Asked, element: Any) -> Record:
    found = asked.values(_HEADER, of=element)
    for header in asked.children("OrderHeaderData", of=element):
        found |= asked.values(_HEADER, of=header)
    return found


def _order(header: Record, asked: Asked, element: Any, now: str) -> Record:
    lines = list(_lines(asked, element))
    charges = [asked.values(ORDER_CHARGE, of=child) for child in asked.children("OrderChargeData", of=element)]
    defaults = {"OrderStatus": "Open", "OrderType": "SALE", "OrderDate": now, "LastChanged": now}
    given = {name: value for name, value in header.items() if value}
    return {**defaults, **given, "OrderLineData": lines, **({"OrderChargeData": charges} if charges else {})}


def _lines(asked: Asked, element: Any) -> Iterator[Record]:
    kinds = {name: kind for name, kind in ORDER_LINE.attributes.items() if kind in (AMOUNT, QUANTITY, TEXT, MOMENT)}
    for at, child in enumerate(asked.children("OrderLineData", of=element), start=1):
        given = asked.values(Part("OrderLineData", kinds), of=child)
        # The evidenced integration fills `Price` with a line total (5).
        value = {"LineValue": given["Price"]} if given.get("Price") and not given.get("LineValue") else {}
        state = {"LineStatus": "Open", "QtyDespatched": "0", "QtyCancelled": "0"}
        yield {"OrderLine": str(at), **given, **value, **state}


def _remember_person(number: str, person: Record, state: State, switches: Switches) -> None:
    """An unknown account is opened; what the order says of a known one's consent counts only by switch."""
    if not number:
        return
    known = state["customers"].get(number)
    if known is None:
        opened = {"Status": "Active", "CustomerType": "RETAIL", "MergedTo": "", **person}
        state.change("customers", number, {**opened, "Customer": number})
    elif switches.says("order_overwrites_consent"):
        flags = {name: value for name, value in person.items() if name in FLAGS and value}
        if flags:
            state.change("customers", number, flags)
