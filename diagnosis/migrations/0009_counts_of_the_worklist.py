"""The counts beside the worklist's parts are read from a small index."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("diagnosis", "0008_cases_of_what_is_here")]

    operations = [
        migrations.AddIndex("case", models.Index(fields=["status", "tier"], name="case_counted")),
    ]
