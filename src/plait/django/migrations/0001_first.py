from django.db import migrations

from plait.django.schema import bring_schema


class Migration(migrations.Migration):
    dependencies: list[tuple[str, str]] = []
    operations: list[object] = [bring_schema(1)]
