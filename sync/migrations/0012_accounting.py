import django.db.models.deletion
import django.db.models.expressions
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("sync", "0011_backfills"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [
        migrations.CreateModel(
            name="AccountCheck",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("asked_at", models.DateTimeField(auto_now_add=True)),
                ("begun_at", models.DateTimeField(blank=True, null=True)),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                ("runs", models.PositiveIntegerField(default=0, help_text="Runs that were checked")),
                ("records", models.PositiveBigIntegerField(default=0, help_text="Records that these runs read")),
                ("faults", models.JSONField(blank=True, default=list)),
            ],
            options={
                "ordering": ["-id"],
            },
        ),
        migrations.RemoveConstraint(
            model_name="syncrun",
            name="buckets_add_up",
        ),
        migrations.AddField(
            model_name="crossreference",
            name="rule",
            field=models.CharField(
                blank=True, db_default="", default="", help_text="The rule that excludes it", max_length=40
            ),
        ),
        migrations.AddIndex(
            model_name="ledgerentry",
            index=models.Index(
                condition=models.Q(("state", "excluded")), fields=["flow", "customer"], name="ledger_excluded"
            ),
        ),
        migrations.AddConstraint(
            model_name="syncrun",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "completed"), _negated=True),
                    (
                        "read",
                        django.db.models.expressions.CombinedExpression(
                            django.db.models.expressions.CombinedExpression(
                                django.db.models.expressions.CombinedExpression(
                                    django.db.models.expressions.CombinedExpression(
                                        django.db.models.expressions.CombinedExpression(
                                            models.F("accepted"), "+", models.F("unchanged")
                                        ),
                                        "+",
                                        models.F("excluded"),
                                    ),
                                    "+",
                                    models.F("held"),
                                ),
                                "+",
                                models.F("rejected"),
                            ),
                            "+",
                            models.F("unknown"),
                        ),
                    ),
                    models.Q(
                        ("accepted", 0),
                        ("excluded", 0),
                        ("held", 0),
                        ("kind__in", ["compare", "sweep", "plan"]),
                        ("rejected", 0),
                        ("unchanged", 0),
                        ("unknown", 0),
                    ),
                    _connector="OR",
                ),
                name="buckets_add_up",
            ),
        ),
        migrations.AddField(
            model_name="accountcheck",
            name="asked_by",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="inboxevent",
            name="happened_at",
            field=models.DateTimeField(blank=True, help_text="As the system says", null=True),
        ),
        migrations.AddField(
            model_name="inboxevent",
            name="repeated_at",
            field=models.DateTimeField(blank=True, help_text="When it came again, last", null=True),
        ),
    ]
