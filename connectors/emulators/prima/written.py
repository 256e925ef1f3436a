"""Values of the neutral format as they are stored here."""

from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from sys import intern
from typing import Any

from connectors.emulators.prima.dialect import STAMP

Record = dict[str, Any]
Records = dict[str, Record]

LONG_AGO = "2000-01-01T00:00:00Z"  # when nothing says when a record changed


def stamp(moment: datetime | None, otherwise: str = LONG_AGO) -> str:
    return moment.strftime(STAMP) if moment else otherwise


@lru_cache(maxsize=65_536)  # prices and quantities of half a million lines are few
def amount(value: Decimal) -> str:
    """At least two places, more where the value has them."""
    text = f"{value.normalize():f}"
    places = len(text.partition(".")[2])
    return text if places > 2 else f"{value:.2f}"


@lru_cache(maxsize=4_096)
def quantity(value: Decimal) -> str:
    return intern(f"{value.normalize():f}")


@lru_cache(maxsize=65_536)
def sku_keys(sku: str, separator: str) -> Record:
    """Style code and up to four matrix codes (fact 14): `3998-WALN-38`; without the separator all is style."""
    codes = sku.split(separator, 4) if separator else [sku]
    return {"Product": intern(codes[0])} | {f"MtrxCode{at}": intern(code) for at, code in enumerate(codes[1:], 1)}
