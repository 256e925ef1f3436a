"""The audit trail refuses UPDATE, DELETE and TRUNCATE in the database itself (SEC-A3)."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

POSTGRESQL = """
CREATE FUNCTION sync_audit_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'The audit trail is append-only'; END $$;
CREATE TRIGGER sync_audit_no_change BEFORE UPDATE OR DELETE ON sync_auditevent
    FOR EACH ROW EXECUTE FUNCTION sync_audit_append_only();
CREATE TRIGGER sync_audit_no_truncate BEFORE TRUNCATE ON sync_auditevent
    FOR EACH STATEMENT EXECUTE FUNCTION sync_audit_append_only();
"""
SQLITE = [
    f"CREATE TRIGGER sync_audit_no_{verb.lower()} BEFORE {verb} ON sync_auditevent "
    "BEGIN SELECT RAISE(ABORT, 'The audit trail is append-only'); END"
    for verb in ("UPDATE", "DELETE")
]


def protect(apps: object, schema_editor: BaseDatabaseSchemaEditor) -> None:
    for statement in [POSTGRESQL] if schema_editor.connection.vendor == "postgresql" else SQLITE:
        schema_editor.execute(statement, params=None)


def release(apps: object, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP FUNCTION sync_audit_append_only CASCADE", params=None)
    else:
        for verb in ("update", "delete"):
            schema_editor.execute(f"DROP TRIGGER sync_audit_no_{verb}", params=None)


class Migration(migrations.Migration):
    dependencies = [("sync", "0001_initial")]
    operations = [migrations.RunPython(protect, release)]
