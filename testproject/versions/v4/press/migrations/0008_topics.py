from django.db import migrations

from versions.moves import model_moved


class Migration(migrations.Migration):
    dependencies = [("press", "0007_types")]

    operations = [
        migrations.RenameModel("Tag", "Topic"),
        model_moved("press.tag", "press.topic"),
        migrations.RenameField("article", "tags", "topics"),
    ]
