"""Field mappings: a version that was active says for ever what it said then; the database sees to it."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

POSTGRESQL = """
CREATE FUNCTION sync_field_mapping_unchanged() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'A field mapping that was active never changes'; END $$;
CREATE TRIGGER sync_field_mapping_no_change BEFORE UPDATE ON sync_fieldmapping FOR EACH ROW
    WHEN (OLD.state <> 'draft' AND (NEW.fields IS DISTINCT FROM OLD.fields OR NEW.number <> OLD.number
        OR NEW.note <> OLD.note OR NEW.state = 'draft'))
    EXECUTE FUNCTION sync_field_mapping_unchanged();
"""
SQLITE = """
CREATE TRIGGER sync_field_mapping_no_change BEFORE UPDATE ON sync_fieldmapping FOR EACH ROW
    WHEN (OLD.state <> 'draft' AND (NEW.fields IS NOT OLD.fields OR NEW.number <> OLD.number
        OR NEW.note <> OLD.note OR NEW.state = 'draft'))
    BEGIN SELECT RAISE(ABORT, 'A field mapping that was active never changes'); END
"""


def protect(apps: object, schema_editor: BaseDatabaseSchemaEditor) -> None:
    postgresql = schema_editor.connection.vendor == "postgresql"
    schema_editor.execute(POSTGRESQL if postgresql else SQLITE, params=None)


def release(apps: object, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP FUNCTION sync_field_mapping_unchanged CASCADE", params=None)
    else:
        schema_editor.execute("DROP TRIGGER sync_field_mapping_no_change", params=None)


def _person() -> "models.ForeignKey[object, object]":
    return models.ForeignKey(
        settings.AUTH_USER_MODEL, django.db.models.deletion.SET_NULL, null=True, blank=True, related_name="+"
    )


class Migration(migrations.Migration):
    dependencies = [("sync", "0008_schedules"), migrations.swappable_dependency(settings.AUTH_USER_MODEL)]
    operations = [
        migrations.CreateModel(
            name="FieldMapping",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("source", models.CharField(max_length=60)),
                ("stream", models.CharField(max_length=60)),
                ("target", models.CharField(max_length=60)),
                ("number", models.PositiveIntegerField()),
                (
                    "state",
                    models.CharField(
                        choices=[("draft", "draft"), ("active", "active"), ("retired", "retired")],
                        default="draft",
                        max_length=10,
                    ),
                ),
                ("fields", models.JSONField(blank=True, default=list)),
                ("note", models.CharField(blank=True, help_text="Why", max_length=300)),
                ("created_at", models.DateTimeField()),
                ("activated_at", models.DateTimeField(blank=True, null=True)),
                ("created_by", _person()),
                ("activated_by", _person()),
            ],
            options={"ordering": ["-number"]},
        ),
        migrations.AddConstraint(
            "fieldmapping",
            models.UniqueConstraint(
                fields=("source", "stream", "target", "number"), name="field_mapping_numbered_once"
            ),
        ),
        migrations.AddConstraint(
            "fieldmapping",
            models.UniqueConstraint(
                condition=models.Q(("state", "active")),
                fields=("source", "stream", "target"),
                name="one_active_field_mapping",
            ),
        ),
        migrations.AddConstraint(
            "fieldmapping",
            models.UniqueConstraint(
                condition=models.Q(("state", "draft")),
                fields=("source", "stream", "target"),
                name="one_draft_field_mapping",
            ),
        ),
        migrations.RunPython(protect, release),
        migrations.AddField(
            "syncrun",
            "field_mapping",
            models.ForeignKey(
                "sync.FieldMapping",
                django.db.models.deletion.PROTECT,
                null=True,
                blank=True,
                related_name="+",
                help_text="The version of the site's own fields that the run began with, and keeps",
            ),
        ),
    ]
