"""What years of typing do to text, on request: `prima.quirks` names the ones a reply shows."""

from collections.abc import Callable, Mapping

_ACCENTS = str.maketrans("aeiouAEIOU", "áéíóúÁÉÍÓÚ")
_NAMES = frozenset(("CustomerForename", "CustomerSurname", "AddrLine1", "AddrLine2", "AddrLine3"))
_CODES = frozenset(("OrderStatus", "LineStatus", "Status", "CreditType", "CustomerType", "Country", "Currency"))

Quirk = Callable[[str], str]
_QUIRKS: Mapping[str, tuple[frozenset[str], Quirk]] = {
    "accents": (_NAMES, lambda text: text.translate(_ACCENTS)),
    "ampersand": (_NAMES, lambda text: f"{text} & Co" if text else text),
    "quotes": (_NAMES, lambda text: f'"{text}" O\'{text}' if text else text),
    "upper": (_NAMES | _CODES | {"CustomerEmail"}, str.upper),
    "lower": (_NAMES | _CODES, str.lower),
    "blanks": (_NAMES | _CODES | {"CustomerEmail"}, lambda text: f"{text}   "),
    "placeholder_email": (frozenset(("CustomerEmail",)), lambda text: "noemail@example.com" if text else "n/a"),
    "question": (_NAMES | {"CustomerEmail", "CustomerPhone", "DateOfBirth"}, lambda text: text or "?"),
}


def quirk_of(asked: frozenset[str], attribute: str) -> Quirk | None:
    """What happens to the values of one attribute; None when nothing does."""
    found = [change for name, (names, change) in _QUIRKS.items() if name in asked and attribute in names]
    if not found:
        return None

    def all_of_them(text: str) -> str:
        for change in found:
            text = change(text)
        return text

    return all_of_them
