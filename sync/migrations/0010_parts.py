from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("sync", "0009_field_mappings")]
    operations = []
