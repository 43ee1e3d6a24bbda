from __future__ import annotations

from django.contrib.postgres.operations import CreateCollation, HStoreExtension
from django.db import migrations


class Migration(migrations.Migration):
    """Prepare the database: the HStore type and a collation without case."""

    initial = True
    operations = [
        HStoreExtension(),
        CreateCollation(
            "case_insensitive", provider="icu", locale="und-u-ks-level2", deterministic=False
        ),
    ]
