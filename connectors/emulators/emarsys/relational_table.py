"""A table of relational data: one record of the control collection `rds_tables` (contract 8).

Its id is `connection/table`: `{"columns", "key", "indexed", "required", "rows"}`.
"""

from connectors.emulators.store import Record


def accept(table_id: str, record: Record) -> Record:
    connection, _, name = table_id.partition("/")
    columns = record.get("columns")
    if not connection or not name or not isinstance(columns, list) or not columns:
        raise ValueError("a table's id is connection/table, and it needs columns")
    made: Record = {"key": columns[:1], "indexed": columns[:1], "required": columns[:1], "rows": [], **record}
    unknown = {*made["key"], *made["indexed"], *made["required"]} - set(columns)
    if unknown:
        raise ValueError(f"not among the columns: {', '.join(sorted(unknown))}")
    return {**made, "id": table_id}
