from django.db import migrations


def give_to_writers(apps, schema_editor):
    using = schema_editor.connection.alias
    for biography in apps.get_model("press", "Biography").objects.using(using):
        writer = biography.writer
        writer.born, writer.life = biography.born, biography.text
        writer.save(using=using)


class Migration(migrations.Migration):
    dependencies = [("press", "0009_placements"), ("people", "0003_biography")]

    operations = [
        migrations.RunPython(give_to_writers),
        migrations.DeleteModel("Biography"),
    ]
