from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [("press", "0004_writers_table")]

    operations = [
        migrations.SeparateDatabaseAndState(
            # The table is that of press.Writer.
            state_operations=[
                migrations.CreateModel(
                    name="Writer",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True,
                                primary_key=True,
                                serialize=False,
                                verbose_name="ID",
                            ),
                        ),
                        ("full_name", models.CharField(max_length=60)),
                        ("email", models.EmailField(blank=True, max_length=254, null=True)),
                        ("phone", models.CharField(blank=True, max_length=20)),
                    ],
                )
            ]
        )
    ]
