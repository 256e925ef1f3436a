"""What people and programs put into addresses and forms: made harmless for every database."""

LARGEST = 2**63 - 1
"""The largest id a database column holds."""


def text(value: str | None, size: int = 200) -> str:
    """Without surrounding blanks, without NUL (PostgreSQL refuses it), cut to a size."""
    return (value or "").replace("\0", "").strip()[:size]


def number(value: str | None) -> int | None:
    """A positive whole number that fits an id, else None."""
    if not value or not value.isdecimal() or len(value) > 19:
        return None
    found = int(value)
    return found if found <= LARGEST else None
