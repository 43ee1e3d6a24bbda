from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("press", "0002_sections_and_editions")]

    operations = [
        migrations.RenameField("subscription", "since", "started"),
        migrations.AddField(
            model_name="subscription",
            name="cancelled",
            field=models.DateField(blank=True, null=True),
        ),
    ]
