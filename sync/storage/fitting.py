"""What a column can hold. PostgreSQL refuses a whole page for one text that is too long or has a NUL in it; SQLite
takes both. So what comes from outside is looked at first, and the one record that does not fit stands alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from hashlib import blake2b
from typing import Any

from django.db import models

from sync.storage.tables import Table


def storable(text: str) -> bool:
    """No NUL and no lone surrogate."""
    if text.isascii():
        return "\x00" not in text
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\x00" not in text


def cleaned(text: str, size: int = 0) -> str:
    """The text without what no database holds, cut to `size` characters."""
    if not storable(text):
        text = text.replace("\x00", "").encode("utf-8", "replace").decode()
    return text[:size] if size else text


def fitting_key(key: str, size: int = 200) -> str:
    """The key, or one that fits and stands for it: the same each time, another for another key."""
    if len(key) <= size and storable(key):
        return key
    digest = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    return f"{cleaned(key, size - 18)}…#{digest}"[:size]


def clean_json(value: Any) -> Any:
    """The same without what jsonb refuses."""
    if isinstance(value, str):
        return cleaned(value)
    if isinstance(value, Mapping):
        return {cleaned(str(name)): clean_json(held) for name, held in value.items()}
    if isinstance(value, list | tuple):
        return [clean_json(held) for held in value]
    return value


class Fits:
    """Which of a table's columns cannot hold a row's value; made once, asked for each row."""

    def __init__(self, table: Table) -> None:
        fields: dict[str, Any] = {str(field.column): field for field in table.model._meta.concrete_fields}
        self._limits = list(_limits(table.columns, fields))

    def fault(self, row: Sequence[Any]) -> tuple[str, str]:
        """(column, why) of the first value that does not fit; two empty texts when all do."""
        for index, column, size in self._limits:
            why = _why(row[index], size)
            if why:
                return column, why
        return "", ""


def _limits(columns: Sequence[str], fields: Mapping[str, Any]) -> Iterator[tuple[int, str, Any]]:
    """Index, column, and the longest text (0: any), the largest amount, or None for whole numbers."""
    for index, column in enumerate(columns):
        field = fields[column]
        if isinstance(field, models.CharField):
            yield index, column, int(field.max_length or 0)
        elif isinstance(field, models.TextField):
            yield index, column, 0
        elif isinstance(field, models.DecimalField):
            yield index, column, Decimal(10) ** (int(field.max_digits or 0) - int(field.decimal_places or 0))


def _why(value: Any, size: Any) -> str:
    if isinstance(value, str):
        if size and len(value) > size:
            return f"It is {len(value):,} characters long; {size} fit."
        return "" if storable(value) else "It contains characters that no database stores (NUL or half a character)."
    if isinstance(value, Decimal) and (not value.is_finite() or abs(value) >= size):
        return f"It is no amount below {size:,}."
    return ""
