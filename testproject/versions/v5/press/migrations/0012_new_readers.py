import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("press", "0011_readers")]

    operations = [
        migrations.RemoveField("subscription", "reader"),
        migrations.DeleteModel("Reader"),
        migrations.RenameModel("NewReader", "Reader"),
        migrations.RenameField("subscription", "new_reader", "reader"),
        migrations.AlterField(
            "subscription",
            "reader",
            models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="press.reader"),
        ),
    ]
