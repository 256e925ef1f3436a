"""Made-up stock without end: a reply as large as one likes, from memory that stays as it is."""

from collections.abc import Iterator

from connectors.emulators.prima.rendering import Reply
from connectors.emulators.prima.vocabulary import AVAILABLE, STOCK

_SIZES = tuple(str(size) for size in range(35, 47))


def bulk(name: str, count: int, now: str) -> Reply:
    """`count` rows of StockStatus or ProductAvailableToSell; the same rows every time."""
    if name == "ProductAvailableToSell":
        return Reply({}, AVAILABLE, _available(count), count)
    return Reply({"ServerTime": now, "MoreRecords": "No", "NextKey": ""}, STOCK, _stock(count, now), count)


def _available(count: int) -> Iterator[dict[str, str]]:
    for at in range(count):
        keys = {"Product": f"B{at // 12:07}", "MtrxCode1": "WALN", "MtrxCode2": _SIZES[at % 12]}
        yield {**keys, "AvailableQuantity": str(at % 50)}


def _stock(count: int, now: str) -> Iterator[dict[str, str]]:
    rest = {"MtrxCode3": "", "MtrxCode4": "", "Warehouse": "MAIN", "AvailableDate": "", "LastChanged": now}
    for at in range(count):
        physical = at % 50
        yield {
            "Product": f"B{at // 12:07}", "MtrxCode1": "WALN", "MtrxCode2": _SIZES[at % 12], **rest,
            "Barcode": f"{5390000000000 + at}", "Physical": str(physical), "Allocated": "0", "Quarantine": "0",
            "Reserved": "0", "Free": str(physical), "OnOrder": "0",
        }  # fmt: skip
