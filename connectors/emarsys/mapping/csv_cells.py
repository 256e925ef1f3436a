"""One cell of the CSV files that Emarsys loads. Pure."""

from connectors import fields

_FORMULA = ("=", "+", "-", "@", "\t")


def csv_cell(value: str) -> str:
    """Quoted where needed; line breaks are not allowed inside values (contract 6.1, 7)."""
    if '"' in value or "," in value or not value.isprintable():
        value = fields.text(" ".join(value.split()))
        return '"' + value.replace('"', '""') + '"'
    return value


def prose(value: str) -> str:
    """Free text for a cell: on one line, and not a formula to whoever opens the file in a spreadsheet."""
    value = fields.text(" ".join(value.split()))
    return f"'{value}" if value.startswith(_FORMULA) else value
