"""Credit notes and despatches of a neutral dataset as Prima holds them."""

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal

from connectors.emulators.dataset import Dataset, Dispatch, Refund
from connectors.emulators.prima.written import Record, Records, amount, quantity, sku_keys, stamp

_CREDIT_TYPES = {"return": "RETURN", "cancellation": "CANCELLATION", "goodwill": "GOODWILL", "exchange": "EXCHANGE"}


def credit_notes(dataset: Dataset, sold: Records, separator: str) -> Records:
    """One credit per `refund_id`, one line per row."""
    found: Records = {}
    for row in dataset.refunds():
        order = sold.get(row.order_id, {})
        credit = found.setdefault(row.refund_id, _credit(row, order))
        credit["CreditLine"].append(_credit_line(row, order, len(credit["CreditLine"]) + 1, separator))
        total = Decimal(credit["CreditTotal"]) + Decimal(credit["CreditLine"][-1]["LineValue"])
        credit["CreditTotal"] = amount(total)
    return found


def _credit(row: Refund, order: Record) -> Record:
    reason = row.reason.strip()
    moment = stamp(row.refunded_at)
    return {
        "CreditNumber": row.refund_id, "CreditType": _CREDIT_TYPES.get(reason.lower(), "RETURN"),
        "OrderNumber": row.order_id, "InvoiceNumber": "", "Customer": row.customer_id or order.get("Customer", ""),
        "Reason": reason.upper(), "CreditDate": moment, "LastChanged": moment,
        "Currency": row.currency or order.get("Currency", ""), "ExchCreditNo": "", "CreditTotal": "0.00",
        "CreditLine": [],
    }  # fmt: skip


def _credit_line(row: Refund, order: Record, number: int, separator: str) -> Record:
    line_no = "" if row.line_no is None else str(row.line_no)
    sold: Record = next((line for line in order.get("OrderLineData", ()) if line["OrderLine"] == line_no), {})
    keys = {name: sold[name] for name in sold if name == "Product" or name.startswith("MtrxCode")}
    count = row.quantity if row.quantity is not None else Decimal(sold.get("Quantity", "1"))
    value = row.amount if row.amount is not None else count * Decimal(sold.get("Price", "0"))
    return {
        "CreditLine": str(number),
        "OrderLine": line_no if sold else "",
        **(sku_keys(row.sku, separator) if row.sku else keys or {"Product": ""}),
        "Quantity": quantity(count),
        "LineValue": amount(value),
        "BackToStock": "",
    }


def despatches(dataset: Dataset, sold: Records) -> Records:
    """The lines of an order are dealt out to its parcels in turn: the neutral format does not say what was in which."""
    parcels: dict[str, list[Dispatch]] = defaultdict(list)
    for row in dataset.dispatches():
        parcels[row.order_id].append(row)
    return {key: record for order, rows in parcels.items() for key, record in _parcels(rows, sold.get(order, {}))}


def _parcels(rows: list[Dispatch], order: Record) -> Iterator[tuple[str, Record]]:
    sent = [line for line in order.get("OrderLineData", ()) if line["QtyDespatched"] != "0"]
    for at, row in enumerate(rows):
        moment = stamp(row.dispatched_at)
        yield row.dispatch_id, {
            "DespatchNumber": row.dispatch_id, "OrderNumber": row.order_id, "Warehouse": "MAIN",
            "DespatchDate": moment, "LastChanged": moment, "Carrier": row.carrier, "CarrServ": "",
            "ConsignmentNo": row.tracking_number, "TrackingURL": "",
            "DespatchLine": [_despatched(line) for line in sent[at :: len(rows)]],
        }  # fmt: skip


def _despatched(line: Record) -> Record:
    names = [name for name in line if name in ("OrderLine", "Product") or name.startswith("MtrxCode")]
    return {**{name: line[name] for name in names}, "Quantity": line["QtyDespatched"]}
