import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("sync", "0004_feed_item_item"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterField(
            model_name="syncrun",
            name="kind",
            field=models.CharField(
                choices=[("sync", "Sync"), ("compare", "Comparison"), ("sweep", "Key sweep"), ("plan", "Preview")],
                default="sync",
                max_length=10,
            ),
        ),
        migrations.CreateModel(
            name="SyncPlan",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("building", "Building"),
                            ("ready", "Ready"),
                            ("second_look", "Needs a second look"),
                            ("approved", "Approved"),
                            ("applying", "Applying"),
                            ("applied", "Applied"),
                            ("expired", "Expired"),
                            ("discarded", "Discarded"),
                        ],
                        default="building",
                        max_length=12,
                    ),
                ),
                ("asked_at", models.DateTimeField()),
                ("full", models.BooleanField(default=False)),
                ("since", models.CharField(blank=True, max_length=60)),
                ("ids", models.JSONField(blank=True, default=list)),
                ("watermark_from", models.TextField(blank=True)),
                ("watermark_to", models.TextField(blank=True)),
                ("mapping_version", models.CharField(blank=True, max_length=200)),
                (
                    "base",
                    models.CharField(blank=True, help_text="Digest of the feed that was published then", max_length=64),
                ),
                ("read", models.PositiveIntegerField(default=0)),
                ("counts", models.JSONField(blank=True, default=dict)),
                ("fields", models.JSONField(blank=True, default=dict)),
                ("money", models.JSONField(blank=True, default=dict)),
                ("examples", models.JSONField(blank=True, default=list)),
                (
                    "dangers",
                    models.JSONField(blank=True, default=list, help_text="Why a second person must look, in sentences"),
                ),
                ("digest", models.CharField(blank=True, max_length=64)),
                ("built_at", models.DateTimeField(blank=True, null=True)),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                ("approved_at", models.DateTimeField(blank=True, null=True)),
                ("applied_at", models.DateTimeField(blank=True, null=True)),
                ("outcome", models.JSONField(blank=True, default=dict)),
                ("message", models.TextField(blank=True)),
                (
                    "applied_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "approved_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "asked_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "flow",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="plans",
                        to="sync.flow",
                    ),
                ),
            ],
            options={
                "verbose_name": "plan",
                "ordering": ["-id"],
            },
        ),
        migrations.AddField(
            model_name="syncrun",
            name="plan",
            field=models.ForeignKey(
                blank=True,
                help_text="The plan that the run makes (kind plan) or applies",
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="runs",
                to="sync.syncplan",
            ),
        ),
        migrations.CreateModel(
            name="SyncPlanPage",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.PositiveIntegerField()),
                ("summary", models.JSONField(default=dict)),
                ("records", models.BinaryField()),
                (
                    "plan",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="pages", to="sync.syncplan"
                    ),
                ),
            ],
        ),
        migrations.AddIndex(
            model_name="syncplan",
            index=models.Index(fields=["flow", "-id"], name="plan_flow"),
        ),
        migrations.AddIndex(
            model_name="syncplan",
            index=models.Index(
                condition=models.Q(("state__in", ("ready", "second_look", "approved"))),
                fields=["expires_at"],
                name="plan_expiring",
            ),
        ),
        migrations.AddConstraint(
            model_name="syncplanpage",
            constraint=models.UniqueConstraint(fields=("plan", "number"), name="one_plan_page"),
        ),
    ]
