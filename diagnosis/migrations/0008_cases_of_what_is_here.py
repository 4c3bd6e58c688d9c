"""Studies that were here before the worklist stand on it, and readers have a first list of findings to tick."""

from __future__ import annotations

import random
from typing import Any

from django.db import migrations

FINDINGS = (
    ("ground-glass", "Ground-glass opacity"),
    ("consolidation", "Consolidation"),
    ("bilateral", "Bilateral"),
    ("peripheral", "Peripheral"),
    ("lower-zone", "Lower zones"),
    ("effusion", "Pleural effusion"),
    ("oedema", "Oedema"),
    ("cardiomegaly", "Large heart"),
    ("nodule", "Nodule or mass"),
    ("pneumothorax", "Pneumothorax"),
    ("devices", "Tubes or lines"),
)
RANDOM_SHARE = 0.2


def list_findings(apps: Any, schema_editor: Any) -> None:
    term = apps.get_model("diagnosis", "FindingTerm")
    term.objects.bulk_create(
        term(code=code, name=name, position=10 * n) for n, (code, name) in enumerate(FINDINGS, start=1)
    )


def enter_studies(apps: Any, schema_editor: Any) -> None:
    case = apps.get_model("diagnosis", "Case")
    studies = apps.get_model("diagnosis", "Study").objects.filter(status="active", is_demo=False)
    chance = random.SystemRandom()
    shown = studies.values_list("pk", "source_id", "leading__checkpoint_id", "received_at")
    case.objects.bulk_create(
        (
            case(
                study_id=pk,
                source_id=source,
                checkpoint_id=checkpoint,
                received_at=received_at,
                entered_at=received_at,
                priority=-received_at.timestamp() / 86_400,
                is_random=chance.random() < RANDOM_SHARE,
                draw=chance.random(),
            )
            for pk, source, checkpoint, received_at in shown.iterator()
        ),
        batch_size=500,
    )


class Migration(migrations.Migration):
    dependencies = [("diagnosis", "0007_the_reading_room")]

    operations = [
        migrations.RunPython(list_findings, migrations.RunPython.noop),
        migrations.RunPython(enter_studies, migrations.RunPython.noop),
    ]
