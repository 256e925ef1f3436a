"""The sale that a credit line most likely belongs to, for every credit at once."""

from django.db import connection


def infer(table: str, flow_id: int) -> None:
    """The latest earlier sale of the same article to the same customer, in the ledger's table.

    Inferred: F&O names no original on a credit note (contract, dynamics365 4.6). The plus sign keeps planners
    off the index by day, which would be walked once for every credit.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"""UPDATE {table} SET original = COALESCE((
                    SELECT sale.source_id FROM {table} sale
                    WHERE +sale.flow_id = {table}.flow_id AND sale.customer = {table}.customer
                      AND sale.sku = {table}.sku AND NOT sale.credit
                      AND (sale.day, sale.sequence) < ({table}.day, {table}.sequence)
                    ORDER BY sale.day DESC, sale.sequence DESC, sale.id LIMIT 1), '')
                WHERE flow_id = %s AND credit AND original = '' AND customer <> ''""",
            [flow_id],
        )
