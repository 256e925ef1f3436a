import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("sync", "0007_budgets"), migrations.swappable_dependency(settings.AUTH_USER_MODEL)]
    operations = [
        migrations.CreateModel(
            name="Duty",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=40, unique=True)),
                ("holder", models.CharField(blank=True, max_length=120)),
                ("until", models.DateTimeField(blank=True, null=True)),
                ("done_until", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "verbose_name_plural": "duties",
            },
        ),
        migrations.CreateModel(
            name="WorkerProcess",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(help_text="host:process id", max_length=120, unique=True)),
                (
                    "kind",
                    models.CharField(choices=[("worker", "Worker"), ("beat", "Beat")], default="worker", max_length=10),
                ),
                ("host", models.CharField(max_length=100)),
                ("pid", models.PositiveIntegerField()),
                (
                    "processes",
                    models.JSONField(default=list, help_text="Process ids that work for it: the holders of leases"),
                ),
                ("started_at", models.DateTimeField()),
                ("seen_at", models.DateTimeField()),
                ("stopped_at", models.DateTimeField(blank=True, help_text="It said good-bye", null=True)),
            ],
            options={
                "verbose_name_plural": "worker processes",
                "ordering": ["-seen_at"],
            },
        ),
        migrations.AddField(
            model_name="flow",
            name="paused_until",
            field=models.DateTimeField(blank=True, help_text="Resumes by itself then", null=True),
        ),
        migrations.CreateModel(
            name="FlowSchedule",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "overlap",
                    models.CharField(
                        choices=[
                            ("coalesce", "Take them together"),
                            ("queue", "Start once more right after"),
                            ("skip", "Leave it out"),
                        ],
                        default="coalesce",
                        max_length=10,
                    ),
                ),
                (
                    "missed",
                    models.CharField(
                        choices=[("catch_up", "Catch up once"), ("skip", "Wait for the next start")],
                        default="catch_up",
                        max_length=10,
                    ),
                ),
                ("counted_from", models.DateTimeField()),
                ("decided_until", models.DateTimeField()),
                (
                    "watched_from",
                    models.DateTimeField(help_text="Starts before it are not called late: schedule set, flow resumed"),
                ),
                ("owed_at", models.DateTimeField(blank=True, null=True)),
                (
                    "left_out_at",
                    models.DateTimeField(blank=True, help_text="The latest start that was left out", null=True),
                ),
                ("left_out_why", models.CharField(blank=True, max_length=200)),
                (
                    "flow",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="rules", to="sync.flow"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="WatermarkMove",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("before", models.TextField(blank=True)),
                ("after", models.TextField(blank=True)),
                ("reason", models.CharField(max_length=300)),
                (
                    "estimate",
                    models.PositiveIntegerField(blank=True, help_text="Records that are read again", null=True),
                ),
                ("moved_at", models.DateTimeField()),
                ("undone_at", models.DateTimeField(blank=True, null=True)),
                (
                    "flow",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="watermark_moves", to="sync.flow"
                    ),
                ),
                (
                    "moved_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
            },
        ),
    ]
