from itertools import groupby

import django.db.models.deletion
from django.db import migrations, models


def place_topics(apps, schema_editor):
    using = schema_editor.connection.alias
    Placement = apps.get_model("press", "Placement")
    links = apps.get_model("press", "Article").topics.through.objects.using(using)
    pairs = links.order_by("article_id", "topic_id").values_list("article_id", "topic_id")
    for _article, topics in groupby(pairs, key=lambda pair: pair[0]):
        for position, (article_id, topic_id) in enumerate(topics, 1):
            Placement.objects.using(using).create(
                article_id=article_id, topic_id=topic_id, position=position
            )


class Migration(migrations.Migration):
    dependencies = [("press", "0008_topics")]

    operations = [
        migrations.CreateModel(
            name="Placement",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "article",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, to="press.article"
                    ),
                ),
                (
                    "topic",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, to="press.topic"
                    ),
                ),
                ("position", models.PositiveIntegerField()),
            ],
        ),
        migrations.RunPython(place_topics),
        migrations.RemoveField("article", "topics"),
        migrations.AddField(
            "article",
            "topics",
            models.ManyToManyField(blank=True, through="press.Placement", to="press.topic"),
        ),
    ]
