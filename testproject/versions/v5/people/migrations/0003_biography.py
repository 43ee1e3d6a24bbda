from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("people", "0002_names")]

    operations = [
        migrations.AddField("writer", "born", models.DateField(blank=True, null=True)),
        migrations.AddField("writer", "life", models.TextField(blank=True)),
        migrations.RemoveField("writer", "phone"),
    ]
