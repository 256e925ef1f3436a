from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("sync", "0003_every_system")]

    operations = [
        migrations.AddField(
            model_name="feeditem",
            name="item",
            field=models.CharField(
                blank=True, default="", help_text="What the file calls the article: once in it", max_length=200
            ),
            preserve_default=False,
        ),
    ]
