import uuid

from django.db import migrations


def give_each_its_own(apps, schema_editor):
    """A column's default is asked once for all rows that are there already; no two of them are near-duplicates by that."""
    Instance = apps.get_model("diagnosis", "Instance")
    for pk in Instance.objects.values_list("pk", flat=True).iterator():
        Instance.objects.filter(pk=pk).update(cluster=uuid.uuid4())


class Migration(migrations.Migration):
    dependencies = [("diagnosis", "0002_full_intake")]

    operations = [migrations.RunPython(give_each_its_own, migrations.RunPython.noop)]
