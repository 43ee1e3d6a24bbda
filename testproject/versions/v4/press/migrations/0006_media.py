from django.db import migrations, models

from versions.moves import model_moved

FIRST_VIDEO = 1000


def make_videos_media(apps, schema_editor):
    using = schema_editor.connection.alias
    Medium = apps.get_model("press", "Medium")
    for video in apps.get_model("press", "Video").objects.using(using).order_by("pk"):
        Medium.objects.using(using).create(
            pk=FIRST_VIDEO + video.pk,
            article_id=video.article_id,
            kind="video",
            file=video.url,
            caption=video.title,
            seconds=video.seconds,
        )
    take_notes_along(apps, using)


def take_notes_along(apps, using):
    content_types = apps.get_model("contenttypes", "ContentType").objects.using(using)
    video = content_types.filter(app_label="press", model="video").first()
    medium = content_types.filter(app_label="press", model="medium").first()
    if video is not None:
        notes = apps.get_model("press", "Note").objects.using(using)
        notes.filter(content_type=video).update(
            content_type=medium, object_id=models.F("object_id") + FIRST_VIDEO
        )


class Migration(migrations.Migration):
    dependencies = [("press", "0005_writers_move")]

    operations = [
        migrations.RenameModel("Photo", "Medium"),
        model_moved("press.photo", "press.medium"),
        migrations.AddField(
            "medium",
            "kind",
            models.CharField(
                choices=[("photo", "Photo"), ("video", "Video")], default="photo", max_length=5
            ),
        ),
        migrations.AddField("medium", "seconds", models.IntegerField(blank=True, null=True)),
        migrations.AlterField("medium", "file", models.CharField(max_length=200)),
        migrations.RunPython(make_videos_media),
        migrations.DeleteModel("Video"),
    ]
