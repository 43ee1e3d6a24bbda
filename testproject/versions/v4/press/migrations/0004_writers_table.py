from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("press", "0003_subscriptions")]

    operations = [migrations.AlterModelTable("writer", "people_writer")]
