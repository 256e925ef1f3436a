"""The audit trail's moment follows the database's clock, as runs do: two machines' clocks differ."""

import django.db.models.functions.datetime
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def protect_again(apps: object, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """SQLite makes the table anew for this, and its triggers (0002) go with the old one."""
    if schema_editor.connection.vendor != "sqlite":
        return
    for verb in ("UPDATE", "DELETE"):
        schema_editor.execute(
            f"CREATE TRIGGER IF NOT EXISTS sync_audit_no_{verb.lower()} BEFORE {verb} ON sync_auditevent "
            "BEGIN SELECT RAISE(ABORT, 'The audit trail is append-only'); END",
            params=None,
        )


class Migration(migrations.Migration):
    dependencies = [("sync", "0017_queued_by_the_database")]

    operations = [
        migrations.RunPython(migrations.RunPython.noop, protect_again),
        migrations.AlterField(
            model_name="auditevent",
            name="at",
            field=models.DateTimeField(
                db_default=django.db.models.functions.datetime.Now(),
                editable=False,
                help_text="By the database's clock",
            ),
        ),
        migrations.RunPython(protect_again, migrations.RunPython.noop),
    ]
