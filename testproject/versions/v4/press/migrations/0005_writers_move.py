import django.db.models.deletion
from django.db import migrations, models

from versions.moves import model_moved


class Migration(migrations.Migration):
    dependencies = [
        ("press", "0004_writers_table"),
        ("people", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            # The columns refer to that table already.
            state_operations=[
                migrations.AlterField(
                    model_name="article",
                    name="writer",
                    field=models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        to="people.writer",
                    ),
                ),
                migrations.AlterField(
                    model_name="biography",
                    name="writer",
                    field=models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        serialize=False,
                        to="people.writer",
                    ),
                ),
                migrations.DeleteModel("Writer"),
            ]
        ),
        model_moved("press.writer", "people.writer"),
    ]
