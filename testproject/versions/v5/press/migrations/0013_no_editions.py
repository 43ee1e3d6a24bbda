from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("press", "0012_new_readers")]

    operations = [migrations.DeleteModel("Edition")]
