"""Rows are the queue: each ends with exactly one result, whatever dies."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import torch
from django.utils import timezone
from PIL import Image

from diagnosis import engine, renditions, texts
from diagnosis.models import MAX_ATTEMPTS, Analysis, Checkpoint, IllegalTransitionError, Prediction, Worker
from diagnosis.services import analysis, intake, operations, workers
from diagnosis.states import Finding, JobStatus
from ml.sight import Glance
from tests import factories
from tests.xrays import film, png

pytestmark = pytest.mark.django_db


@pytest.fixture
def waiting(send):
    def _waiting(n: int = 1) -> list[Analysis]:
        for seed in range(n):
            intake.admit(send(png(film(seed))))
        return list(Analysis.waiting())

    return _waiting


def test_a_waiting_film_gets_one_prediction_that_pins_how_it_was_made(waiting, promote):
    checkpoint = promote()
    (row,) = waiting()
    assert analysis.run_waiting() == 1
    row.refresh_from_db()
    assert row.status == JobStatus.SUCCEEDED
    prediction = row.prediction
    assert prediction.checkpoint == checkpoint
    assert prediction.preprocessing == checkpoint.preprocessing and prediction.precision == "fp32"
    assert 0 < prediction.probability < 1 and prediction.duration_ms > 0


@pytest.mark.parametrize(
    ("band", "finding", "has_map"),
    [
        ((0.01, 0.02), Finding.ABOVE, True),
        ((0.02, 0.98), Finding.UNCERTAIN, True),
        ((0.98, 0.99), Finding.BELOW, False),
    ],
)
def test_the_band_of_the_checkpoint_gives_the_finding_and_the_heatmap(
    waiting, promote, band, finding, has_map
):
    promote(band=band)
    (row,) = waiting()
    analysis.run_waiting()
    row.refresh_from_db()
    picture = row.instance.folder / renditions.heatmap_name(row.prediction.pk)
    assert row.prediction.finding == finding
    assert hasattr(row.prediction, "heatmap") is picture.exists() is has_map


def test_a_heatmap_keeps_its_raw_values_and_the_scale_of_its_checkpoint(waiting, promote):
    checkpoint = promote()
    (row,) = waiting()
    analysis.run_waiting()
    heatmap = Analysis.objects.get(pk=row.pk).prediction.heatmap
    assert len(heatmap.values) == heatmap.rows * heatmap.columns and min(heatmap.values) >= 0
    assert heatmap.scale == checkpoint.heatmap_scale


def test_the_map_of_a_box_lies_inside_it_on_the_film(waiting, promote, monkeypatch):
    """Where the network looks at a part of the film, the picture says nothing of the rest, and the row says which."""
    box = (0.25, 0.1, 0.75, 0.6)

    def look(self, grays, masks=None):
        return [
            Glance(self.header.preprocessing.resize(gray, box=box), box, has_lungs=True) for gray in grays
        ]

    monkeypatch.setattr("ml.predict.Predictor.look", look)
    monkeypatch.setattr("ml.explain.grad_cam", hot_everywhere)
    promote()
    (row,) = waiting()
    analysis.run_waiting()
    prediction = Analysis.objects.get(pk=row.pk).prediction
    assert prediction.heatmap.box == list(box)
    with Image.open(row.instance.folder / renditions.heatmap_name(prediction.pk)) as picture:
        left, top, right, bottom = picture.getchannel("A").getbbox()
        edges = left / picture.width, top / picture.height, right / picture.width, bottom / picture.height
    assert edges == pytest.approx(box, abs=1 / 200)
    assert "cells of about 3 cm" in texts.heatmap(rows=7, columns=7, of_width=prediction.heatmap.of_width)


def hot_everywhere(network, features):
    return network.forward_head(features).detach(), torch.ones(len(features), 7, 7)


def test_a_burst_is_analysed_in_batches_and_each_film_once(waiting, promote, settings):
    settings.BATCH_SIZE = 4
    promote()
    waiting(9)
    assert analysis.run_waiting() == 9
    assert Prediction.objects.count() == 9
    assert analysis.run_waiting() == 0


def test_without_a_champion_films_wait(waiting):
    (row,) = waiting()
    assert analysis.run_waiting() == 0
    row.refresh_from_db()
    assert row.status == JobStatus.QUEUED


def test_a_film_whose_file_is_gone_fails_alone_and_in_words(waiting, promote):
    promote()
    first, second = waiting(2)
    (first.instance.folder / renditions.PIXELS).unlink()
    analysis.run_waiting()
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.status, first.error) == (JobStatus.FAILED, "the stored film cannot be read")
    assert second.status == JobStatus.SUCCEEDED


def test_a_checkpoint_that_is_not_the_registered_file_is_never_used(waiting, promote):
    checkpoint = promote()
    other = promote(seed=1)
    Checkpoint.objects.filter(pk=other.pk).update(path=checkpoint.path)
    (row,) = waiting()
    analysis.run_waiting()
    row.refresh_from_db()
    assert row.status == JobStatus.FAILED and "checkpoint cannot be loaded" in row.error
    assert Prediction.objects.count() == 0


def test_a_batch_that_fails_as_a_whole_is_tried_film_by_film(waiting, promote, monkeypatch):
    promote()
    waiting(3)
    predict = engine.predict

    def only_alone(films, **kwargs):
        if len(films) > 1:
            raise RuntimeError("out of memory")
        return predict(films, **kwargs)

    monkeypatch.setattr(engine, "predict", only_alone)
    analysis.run_waiting()
    assert Prediction.objects.count() == 3


def test_a_lost_row_is_queued_again_and_then_claimed_alone(waiting, promote):
    promote()
    rows = waiting(3)
    claimed = analysis.claim()
    assert len(claimed) == 3
    Analysis.objects.filter(pk=rows[0].pk).update(heartbeat_at=timezone.now() - timedelta(minutes=1))
    assert analysis.requeue_lost() == 1
    (alone,) = analysis.claim()
    assert (alone.pk, alone.attempt) == (rows[0].pk, 2)


def test_a_row_that_was_lost_is_not_mixed_into_a_fresh_batch(waiting):
    first, second, third = waiting(3)
    Analysis.objects.filter(pk=second.pk).update(attempt=2)
    assert {row.pk for row in analysis.claim()} == {first.pk, third.pk}


def test_after_the_third_loss_the_row_fails_as_worker_lost(waiting):
    (row,) = waiting()
    Analysis.objects.filter(pk=row.pk).update(
        status=JobStatus.RUNNING, attempt=MAX_ATTEMPTS, heartbeat_at=timezone.now() - timedelta(minutes=1)
    )
    analysis.requeue_lost()
    row.refresh_from_db()
    assert (row.status, row.error) == (JobStatus.FAILED, texts.WORKER_LOST)


def test_a_stalled_worker_cannot_store_a_second_result(waiting, promote):
    checkpoint = promote()
    waiting()
    stalled = analysis.claim()
    Analysis.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=1))
    analysis.requeue_lost()
    analysis.run_waiting()
    before = Prediction.objects.get()
    analysis.run(stalled, checkpoint=checkpoint)
    assert Prediction.objects.get() == before
    pictures = list(stalled[0].instance.folder.glob("heatmap-*"))
    assert [path.name for path in pictures] == [renditions.heatmap_name(before.pk)]


def test_asking_again_while_one_waits_gives_that_one(waiting, clinician):
    (row,) = waiting()
    assert analysis.request_again(row.instance, by=clinician) == row


def test_asking_again_keeps_the_older_prediction(waiting, promote, clinician):
    promote()
    (row,) = waiting()
    analysis.run_waiting()
    again = analysis.request_again(row.instance, by=clinician)
    analysis.run_waiting()
    assert again != row and Prediction.objects.filter(analysis__instance=row.instance).count() == 2


def test_a_move_that_the_table_does_not_know_is_an_error_and_a_lost_race_is_not():
    row = factories.AnalysisFactory(status=JobStatus.SUCCEEDED)
    with pytest.raises(IllegalTransitionError):
        row.move(JobStatus.SUCCEEDED, JobStatus.RUNNING)
    assert row.move(JobStatus.QUEUED, JobStatus.RUNNING) is False


def test_films_ahead_are_counted(waiting):
    rows = waiting(3)
    assert [analysis.ahead_of(row) for row in rows] == [0, 1, 2]


def test_the_heartbeat_vouches_for_rows_in_hand(waiting):
    waiting()
    (row,) = analysis.claim()
    Analysis.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=1))
    with workers.in_hand([row]):
        workers.beat(queue="inference")
    assert analysis.requeue_lost() == 0


def test_results_are_late_after_the_setting_and_not_before(waiting, settings):
    assert operations.late_minutes() is None
    (row,) = waiting()
    assert operations.late_minutes() is None
    Analysis.objects.filter(pk=row.pk).update(requested_at=timezone.now() - timedelta(seconds=12 * 60 + 5))
    assert operations.late_minutes() == 12
    settings.LATE_AFTER_S = 3600
    assert operations.late_minutes() is None


def test_a_sweep_gives_lost_work_back_and_rings(waiting, promote, django_capture_on_commit_callbacks):
    promote()
    waiting()
    analysis.claim()
    Analysis.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=1))
    with django_capture_on_commit_callbacks(execute=True):
        operations.sweep()
    assert Prediction.objects.count() == 1


def test_the_whole_path_runs_from_one_request(send, film, promote, django_capture_on_commit_callbacks):
    promote()
    with django_capture_on_commit_callbacks(execute=True):
        upload = send(film)
    upload.refresh_from_db()
    assert upload.instance.analyses.get().prediction.finding == Finding.ABOVE
    assert Path(upload.instance.folder).is_dir()


def test_a_worker_that_finds_its_broker_again_does_not_beat_twice(promote):
    promote()
    try:
        operations.worker_started(queues=["inference"])
        operations.worker_started(queues=["inference"])
        assert Worker.objects.get().serves_sha256 == ""
        assert len(operations._heartbeats) == 1
    finally:
        operations.worker_stopping()
    assert not Worker.objects.exists()
