from datetime import date

from django.db import migrations, models

STATES = {"d": "draft", "r": "review", "p": "published"}
LANGUAGES = {"en": "eng", "et": "est"}


def change_values(apps, schema_editor):
    articles = apps.get_model("press", "Article").objects.using(schema_editor.connection.alias)
    for article in articles.all():
        article.day = date.fromisoformat(article.published) if article.published else None
        article.count = int(article.words) if article.words else None
        article.state = STATES[article.state]
        article.language = LANGUAGES[article.language]
        article.save()


class Migration(migrations.Migration):
    dependencies = [("press", "0006_media")]

    operations = [
        migrations.AddField("article", "day", models.DateField(blank=True, null=True)),
        migrations.AddField("article", "count", models.IntegerField(blank=True, null=True)),
        migrations.AlterField(
            "article",
            "state",
            models.CharField(
                choices=[
                    ("draft", "Draft"),
                    ("review", "In review"),
                    ("published", "Published"),
                ],
                default="draft",
                max_length=10,
            ),
        ),
        migrations.AlterField(
            "article",
            "language",
            models.CharField(
                choices=[("eng", "English"), ("est", "Estonian")], default="eng", max_length=3
            ),
        ),
        migrations.RunPython(change_values),
        migrations.RemoveField("article", "published"),
        migrations.RemoveField("article", "words"),
        migrations.RenameField("article", "day", "published"),
        migrations.RenameField("article", "count", "words"),
    ]
