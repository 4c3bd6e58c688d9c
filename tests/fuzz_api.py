"""Asks the API everything that its OpenAPI document allows, and much that it forbids (schemathesis).

python -m tests.fuzz_api --examples 300 --seed 7     # a longer run by hand, on a database of its own
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import logging
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import schemathesis
from hypothesis import HealthCheck, Phase
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)


def closing(app: Any) -> Any:
    """Servers close what they have sent; schemathesis's client leaves files open."""

    def _app(environ: Any, start_response: Any) -> list[bytes]:
        answer = app(environ, start_response)
        try:
            return [b"".join(answer)]
        finally:
            answer.close()

    return _app


def operations(document: dict[str, Any]) -> dict[str, Any]:
    """Every operation of the document by 'METHOD path', to be asked through WSGI."""
    from django.core.wsgi import get_wsgi_application

    schema = schemathesis.openapi.from_dict(document)
    schema.app = closing(get_wsgi_application())
    return {found.ok().label: found.ok() for found in schema.get_all_operations()}


@contextlib.contextmanager
def connections_kept() -> Iterator[None]:
    """As Django's own test client does: what is asked stays in the transaction of whoever asks."""
    from django.core.signals import request_finished, request_started
    from django.db import close_old_connections

    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    try:
        yield
    finally:
        for signal in signals:
            signal.connect(close_old_connections)


def ask(operation: Any, *, secret: str, pk: object, examples: int, seed: int) -> Counter[int]:
    """Valid and invalid requests, for an object that exists and for others; raises at the first wrong answer.

    Returns how often each status was the answer.
    """
    answers: Counter[int] = Counter()

    def check(case: Any) -> None:
        answer = case.call_and_validate(headers={"Authorization": f"Bearer {secret}"}, checks=CHECKS)
        answers[answer.status_code] += 1

    known = [{}, {"path_parameters": {"id": str(pk)}}] if "{id}" in operation.path else [{}]
    settings = hypothesis.settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    for mode, where in itertools.product(MODES, known):
        try:
            strategy = operation.as_strategy(mode, **where)
            with connections_kept():
                hypothesis.seed(seed)(settings(hypothesis.given(strategy)(check)))()
        except (schemathesis.errors.InvalidSchema, hypothesis.errors.Unsatisfiable):
            # Nothing about this operation can be wrong.
            assert mode is GenerationMode.NEGATIVE
    return answers


def objects() -> dict[str, Any]:
    """One of everything that an address can name, and the secret of somebody who sees it all."""
    from diagnosis import renditions
    from diagnosis.models import Region, Study
    from diagnosis.services import tokens
    from diagnosis.states import Role, Scope
    from tests import factories, xrays

    user = factories.UserFactory(role=Role.ADMINISTRATOR, team=factories.TeamFactory())
    factories.AcknowledgementFactory(user=user)
    heatmap = factories.HeatmapFactory()
    instance = heatmap.prediction.analysis.instance
    instance.folder.mkdir(parents=True)
    renditions.write(instance.folder, pixels=xrays.film(width=64, height=64, bits=12), gray8=xrays.film())
    (instance.folder / renditions.heatmap_name(heatmap.prediction.pk)).write_bytes(xrays.png())
    study = instance.series.study
    Study.objects.filter(pk=study.pk).update(leading=heatmap.prediction)
    upload = factories.UploadFactory(instance=instance)
    read = factories.ReadFactory(study=study, findings=["nodule"], confidence=2, active_ms=40_000)
    for kind, points in (("box", [[1.5, 2], [30, 40]]), ("length", [[0, 0], [3, 4]])):
        Region.objects.create(read=read, instance=instance, kind=kind, points=points, finding="nodule")
    _, secret = tokens.make(user, name="fuzz", scopes=[Scope.READ, Scope.WRITE], days=1)
    radiologist = factories.UserFactory(role=Role.RADIOLOGIST)
    factories.AcknowledgementFactory(user=radiologist)
    _, of_radiologist = tokens.make(radiologist, name="fuzz", scopes=[Scope.READ, Scope.WRITE], days=1)
    return {
        "secret": secret,
        "radiologist": of_radiologist,
        "left out": factories.InstanceFactory(series__study=study, not_assessed="lateral view").pk,
        "studies": study.pk,
        "instances": instance.pk,
        "predictions": heatmap.prediction.pk,
        "uploads": upload.pk,
        "batches": upload.batch_id,
    }


def named(operation: Any, world: dict[str, Any]) -> object:
    return world_of(operation.path, world).get(operation.path.split("/")[2])


def world_of(path: str, world: dict[str, Any]) -> dict[str, Any]:
    """Only a radiologist has a film assessed that is not, and only such a film."""
    if not path.endswith("/assessment/"):
        return world
    return {**world, "secret": world["radiologist"], "instances": world["left out"]}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    with tempfile.TemporaryDirectory() as folder:
        n = _run(Path(folder), examples=options.examples, seed=options.seed)
    sys.stdout.write(f"{n} requests, every answer as documented\n")
    return 0


def _run(folder: Path, *, examples: int, seed: int) -> int:
    import django
    from django.conf import settings

    django.setup()
    logging.getLogger("django.request").setLevel(logging.ERROR)
    settings.MEDIA_ROOT, settings.QUARANTINE_ROOT = folder / "media", folder / "quarantine"
    settings.API_REQUESTS_PER_MINUTE = settings.NUMBERS_A_MINUTE = 10_000_000
    from django.db import connection, transaction
    from django.test.utils import setup_test_environment

    from diagnosis.api.documents import document

    setup_test_environment()
    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    asked = 0
    for label, operation in operations(document()).items():
        with transaction.atomic():
            world = objects()
            secret = world_of(operation.path, world)["secret"]
            answers = ask(operation, secret=secret, pk=named(operation, world), examples=examples, seed=seed)
            transaction.set_rollback(True)
        sys.stdout.write(f"{label}: {dict(sorted(answers.items()))}\n")
        asked += answers.total()
    return asked


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
