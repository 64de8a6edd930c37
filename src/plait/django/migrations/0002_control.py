from django.db import migrations

from plait.django.schema import bring_schema


class Migration(migrations.Migration):
    dependencies: list[tuple[str, str]] = [("plait", "0001_rooms")]
    operations: list[object] = [bring_schema(2)]
