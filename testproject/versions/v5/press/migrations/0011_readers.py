import uuid

import django.db.models.deletion
from django.db import migrations, models


def new_key(key):
    return uuid.uuid5(uuid.NAMESPACE_URL, f"press/reader/{key}")


def split_readers(apps, schema_editor):
    using = schema_editor.connection.alias
    NewReader, Address = (apps.get_model("press", name) for name in ("NewReader", "Address"))
    for reader in apps.get_model("press", "Reader").objects.using(using):
        key = new_key(reader.pk)
        NewReader.objects.using(using).create(pk=key, name=reader.name, email=reader.email)
        if reader.street or reader.city:
            Address.objects.using(using).create(
                reader_id=key, street=reader.street, city=reader.city
            )


def repoint_subscriptions(apps, schema_editor):
    using = schema_editor.connection.alias
    for subscription in apps.get_model("press", "Subscription").objects.using(using):
        subscription.new_reader_id = new_key(subscription.reader_id)
        subscription.save(using=using)


class Migration(migrations.Migration):
    dependencies = [("press", "0010_biographies")]

    operations = [
        migrations.CreateModel(
            name="NewReader",
            fields=[
                (
                    "id",
                    models.UUIDField(default=uuid.uuid4, primary_key=True, serialize=False),
                ),
                ("name", models.CharField(max_length=60)),
                ("email", models.EmailField(max_length=254, unique=True)),
            ],
        ),
        migrations.CreateModel(
            name="Address",
            fields=[
                (
                    "reader",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        serialize=False,
                        to="press.newreader",
                    ),
                ),
                ("street", models.CharField(blank=True, max_length=60)),
                ("city", models.CharField(blank=True, max_length=60)),
            ],
        ),
        migrations.AddField(
            "subscription",
            "new_reader",
            models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.CASCADE, to="press.newreader"
            ),
        ),
        migrations.RunPython(split_readers),
        migrations.RunPython(repoint_subscriptions),
    ]
