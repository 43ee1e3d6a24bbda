from django.db import migrations, models


def split_names(apps, schema_editor):
    writers = apps.get_model("people", "Writer").objects.using(schema_editor.connection.alias)
    for writer in writers.all():
        writer.first_name, _, writer.last_name = writer.full_name.rpartition(" ")
        writer.save()


class Migration(migrations.Migration):
    dependencies = [("people", "0001_initial")]

    operations = [
        migrations.AddField("writer", "first_name", models.CharField(blank=True, max_length=60)),
        migrations.AddField(
            "writer",
            "last_name",
            models.CharField(default="", max_length=60),
            preserve_default=False,
        ),
        migrations.RunPython(split_names),
        migrations.RemoveField("writer", "full_name"),
    ]
