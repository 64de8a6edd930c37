from django.db import migrations, models


def fill_the_shelf(apps, schema_editor):
    items = apps.get_model("orders", "Item").objects
    items.create(name="tea", price=450, stock=100)
    items.create(name="cup", price=1200, stock=1)


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            name="Item",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=100, unique=True)),
                ("price", models.PositiveIntegerField()),
                ("stock", models.PositiveIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name="Order",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("item", models.CharField(max_length=100)),
                ("amount", models.PositiveIntegerField()),
                ("run_id", models.UUIDField(null=True)),
                ("tracking", models.CharField(blank=True, max_length=100)),
            ],
        ),
        migrations.RunPython(fill_the_shelf),
    ]
