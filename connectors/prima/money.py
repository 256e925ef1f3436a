"""What a line is worth under the site's choices, and shares of it. Pure."""

from decimal import Decimal

from connectors.errors import RecordError
from connectors.prima.mapping import Values
from connectors.prima.site import Rules

CENT, TOLERANCE = Decimal("0.01"), Decimal("0.02")
_UNIT = Decimal("0.0001")
ZERO = Decimal(0)
MOST_PIECES = 1_000


def line_money(line: Values, rules: Rules) -> tuple[Decimal, Decimal]:
    """(price of one, the line's value). The value is the site's own where it gives one, else price less discount
    (contract 7.4: price_basis, trade_discount). Raises RecordError when neither is given."""
    quantity, price, amount = line.get("quantity") or ZERO, line.get("price"), line.get("amount")
    if price is None and amount is None:
        raise RecordError("missing_value", "amount", "The line has neither a value nor a price.", line.text("line"))
    gross = None if price is None else price if rules.price_basis == "line" else price * quantity
    if amount is None and gross is not None:
        amount = (gross - _discount(line.get("discount") or ZERO, gross, rules)).quantize(CENT)
    if price is not None and rules.price_basis == "unit":
        return price, amount
    whole = gross if gross is not None else amount
    return (whole / quantity).quantize(_UNIT) if quantity else ZERO, amount


def _discount(discount: Decimal, gross: Decimal, rules: Rules) -> Decimal:
    return gross * discount / 100 if rules.trade_discount == "percent" else discount


def balanced(total: Decimal, amounts: Decimal, tax: Decimal | None, includes_tax: bool | None) -> bool:
    """Lines and charges make the total within 0.02 (contract 7.4); where prices exclude tax, with or without it."""
    expected = [total]
    if includes_tax is False and tax is not None:
        expected.append(total - tax)
    return any(abs(amounts - one) <= TOLERANCE for one in expected)


def share(amount: Decimal, quantity: Decimal, nth: int, of: Decimal) -> tuple[Decimal, Decimal]:
    """(quantity, value) of the nth piece, from 1, of the `of` that happened to a line of this quantity and value.

    A piece is one unit, the last one what is left. The first n pieces always make the value of n units to the
    cent, so that what happens to a line later only adds pieces.
    """
    if not quantity:
        return ZERO, ZERO
    before, now = Decimal(nth - 1), min(Decimal(nth), of)
    worth = [(amount * part / quantity).quantize(CENT) for part in (before, now)]
    return now - before, worth[1] - worth[0]


def pieces(quantity: Decimal | None) -> int:
    """How many pieces a quantity makes; beyond a thousand a line is not told apart any more."""
    if quantity is None or quantity <= 0:
        return 0
    return min(int(quantity) + (1 if quantity % 1 else 0), MOST_PIECES)
