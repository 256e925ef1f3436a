import django.core.validators
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("sync", "0005_plans"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="syncrun",
            name="asked_read",
            field=models.PositiveIntegerField(
                db_default=0, default=0, help_text="Of the records read: those that were asked for"
            ),
        ),
        migrations.AddField(
            model_name="syncrun",
            name="asked_rejected",
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="syncrun",
            name="changes",
            field=models.IntegerField(db_default=0, default=0, help_text="Records in the target that this run changed"),
        ),
        migrations.AddField(
            model_name="syncrun",
            name="claimed_changes",
            field=models.IntegerField(db_default=0, default=0, help_text="The changes, with those under way"),
        ),
        migrations.AddField(
            model_name="syncrun",
            name="claimed_deactivations",
            field=models.IntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="syncrun",
            name="claimed_opt_outs",
            field=models.IntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="syncrun",
            name="deactivations",
            field=models.IntegerField(db_default=0, default=0, help_text="Records that it ended or put on hold"),
        ),
        migrations.AddField(
            model_name="syncrun",
            name="opt_outs",
            field=models.IntegerField(db_default=0, default=0, help_text="Opt-outs that it passed on"),
        ),
        migrations.CreateModel(
            name="Breaker",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("error_rate", "Error rate"),
                            ("mass_change", "Mass change"),
                            ("mass_deactivation", "Mass deactivation"),
                            ("mass_opt_out", "Mass opt-out"),
                            ("catalogue_shrink", "Catalogue shrink"),
                            ("zero_records", "Zero records"),
                            ("out_of_range", "Out of the expected range"),
                        ],
                        max_length=20,
                    ),
                ),
                ("on", models.BooleanField(default=True)),
                (
                    "percent",
                    models.PositiveSmallIntegerField(validators=[django.core.validators.MaxValueValidator(100)]),
                ),
                ("minimum", models.PositiveIntegerField(help_text="Records below which it never trips")),
                ("tripped_at", models.DateTimeField(blank=True, null=True)),
                ("cause", models.JSONField(blank=True, default=dict)),
                ("allowed_once", models.BooleanField(default=False)),
                ("resumed_at", models.DateTimeField(blank=True, null=True)),
                (
                    "flow",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="breakers", to="sync.flow"
                    ),
                ),
                (
                    "resumed_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "run",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="sync.syncrun",
                    ),
                ),
            ],
            options={
                "ordering": ["flow", "kind"],
                "constraints": [models.UniqueConstraint(fields=("flow", "kind"), name="one_breaker_per_flow_and_kind")],
            },
        ),
    ]
