import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """The table of budgets by connection stays for workers of the version before; nothing reads it any more."""

    dependencies = [("sync", "0006_breakers")]
    operations = [
        migrations.AddField(
            model_name="syncrun",
            name="suspects",
            field=models.JSONField(
                blank=True, help_text="What was tried when its worker died, in which portions", null=True
            ),
        ),
        migrations.SeparateDatabaseAndState(state_operations=[migrations.DeleteModel(name="ApiBudget")]),
        migrations.CreateModel(
            name="ApiBudget",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.CharField(max_length=64, unique=True)),
                ("system", models.CharField(max_length=60)),
                ("connections", models.CharField(blank=True, max_length=300)),
                (
                    "limit",
                    models.PositiveIntegerField(default=0, help_text="Calls in any window; 0: no number is known"),
                ),
                ("window", models.PositiveIntegerField(default=60, help_text="Seconds")),
                ("at_once", models.PositiveIntegerField(default=0, help_text="Calls at a time; 0: no number is known")),
                (
                    "busy",
                    models.PositiveIntegerField(
                        default=0, help_text="Seconds of work in any window; 0: no number is known"
                    ),
                ),
                ("first", models.BigIntegerField(default=0)),
                ("counts", models.BinaryField(default=bytes)),
                ("spent", models.BinaryField(default=bytes)),
                (
                    "pace",
                    models.FloatField(default=0, help_text="No bulk call before this moment once the window fills"),
                ),
                ("blocked_until", models.FloatField(default=0, help_text="The system itself said so")),
                (
                    "bulk_until",
                    models.FloatField(default=0, help_text="The system said that little is left: urgent calls only"),
                ),
                (
                    "told_limit",
                    models.PositiveIntegerField(default=0, help_text="A lower limit that the system stated"),
                ),
                ("holders", models.JSONField(blank=True, default=dict)),
                ("calls", models.BigIntegerField(default=0)),
                ("refused", models.BigIntegerField(default=0)),
            ],
            options={
                "db_table": "sync_credential_budget",
            },
        ),
        migrations.CreateModel(
            name="ApiUsage",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("minute", models.DateTimeField()),
                ("flow", models.CharField(max_length=100)),
                ("calls", models.IntegerField(default=0)),
                ("urgent", models.IntegerField(default=0)),
                ("refused", models.IntegerField(default=0)),
                ("waited", models.FloatField(default=0, help_text="Seconds that calls waited for their turn")),
                (
                    "budget",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="usage", to="sync.apibudget"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("budget", "minute", "flow"), name="one_usage_a_minute")
                ],
            },
        ),
    ]
