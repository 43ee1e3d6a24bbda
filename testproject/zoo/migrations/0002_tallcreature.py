from __future__ import annotations

from django.db import migrations


class Migration(migrations.Migration):
    """Create the view behind the unmanaged model TallCreature."""

    dependencies = [("zoo", "0001_initial")]
    operations = [
        migrations.RunSQL(
            "CREATE VIEW zoo_tallcreature AS"
            " SELECT id, name, height FROM zoo_creature WHERE height >= 2",
            "DROP VIEW zoo_tallcreature",
        )
    ]
