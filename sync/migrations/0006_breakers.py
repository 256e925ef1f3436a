from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("sync", "0005_plans")]
    operations = []
