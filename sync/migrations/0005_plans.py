from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("sync", "0004_feed_item_item")]
    operations = []
