import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Q

ACTIVE = ["queued", "running", "waiting"]


class Migration(migrations.Migration):
    dependencies = [("sync", "0009_field_mappings")]
    operations = [
        migrations.AddField(
            "syncrun",
            "parent",
            models.ForeignKey(
                blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="sync.syncrun"
            ),
        ),
        migrations.AddField(
            "syncrun",
            "part",
            models.PositiveSmallIntegerField(
                db_default=0, default=0, help_text="1 and up: a part of the parent's read"
            ),
        ),
        migrations.AddField(
            "syncrun",
            "divided",
            models.BooleanField(db_default=False, default=False, help_text="Its parts are being read"),
        ),
        migrations.AddField(
            "syncrun",
            "parts",
            models.JSONField(blank=True, null=True, help_text="What became of each part"),
        ),
        migrations.AddField(
            "syncrun",
            "target_was_empty",
            models.BooleanField(db_default=False, default=False, help_text="When the read was divided"),
        ),
        migrations.RemoveConstraint("syncrun", "one_active_run_per_flow"),
        migrations.AddConstraint(
            "syncrun",
            models.UniqueConstraint(
                condition=Q(state__in=ACTIVE), fields=("flow", "kind", "part"), name="one_active_run_per_flow"
            ),
        ),
        migrations.AlterField(
            "crossreference",
            "flow",
            models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="links",
                to="sync.flow",
            ),
        ),
        migrations.CreateModel(
            name="PartClaim",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("target_id", models.CharField(max_length=200)),
                ("source_id", models.CharField(max_length=200)),
                ("flow", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="sync.flow")),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("flow", "target_id"), name="part_claim_once")],
            },
        ),
    ]
