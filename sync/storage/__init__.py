"""Set-based reads and writes: one contract, two back ends. A page costs as many queries as one record."""

from sync.storage.tables import Table, backend, fetch, insert, known, table, upsert

__all__ = ["Table", "backend", "fetch", "insert", "known", "table", "upsert"]
