"""Near-duplicates share a cluster; nothing else of them is joined."""

from __future__ import annotations

import numpy as np
import pytest

from diagnosis.models import Instance, Patient, Study
from diagnosis.services import clusters
from tests import factories, xrays

pytestmark = pytest.mark.django_db


def looking(appearance: str) -> Instance:
    instance = factories.InstanceFactory.build(series=factories.SeriesFactory())
    clusters.describe(instance, appearance)
    instance.save()
    clusters.join(instance)
    instance.refresh_from_db()
    return instance


def with_bits(*places: int) -> str:
    return f"{sum(1 << place for place in places):016x}"


@pytest.mark.parametrize("places", [(), (0,), (0, 1, 2, 3), (0, 17, 34, 51), (12, 13, 14, 63)])
def test_up_to_four_bits_apart_are_one_cluster(places):
    assert looking(with_bits()).cluster == looking(with_bits(*places)).cluster


@pytest.mark.parametrize("places", [(0, 1, 2, 3, 4), (0, 16, 32, 48, 1), tuple(range(64))])
def test_five_bits_apart_are_two(places):
    assert looking(with_bits()).cluster != looking(with_bits(*places)).cluster


def test_a_film_between_two_clusters_makes_them_one():
    one, far = looking(with_bits()), looking(with_bits(*range(8)))
    follower = looking(with_bits(*range(8), 20))
    assert one.cluster != far.cluster == follower.cluster
    bridge = looking(with_bits(*range(4)))
    assert Instance.objects.values("cluster").distinct().count() == 1
    assert bridge.cluster == one.cluster, "the oldest gives its name"


def test_another_export_joins_the_cluster_and_neither_patient_nor_study(send, admit):
    film = xrays.film(1, width=512, height=576)
    exports = [
        xrays.dicom(film.astype(np.uint16) * 16, PatientID="A1"),
        xrays.jpeg(film),
        xrays.png(film[::2, ::2]),
    ]
    for content in (*exports, xrays.png(xrays.film(2, width=512, height=576)[:, ::-1])):
        admit(send(content))
    assert Study.objects.count() == 4 and Patient.objects.count() == 1
    found = list(Instance.objects.order_by("created_at").values_list("cluster", flat=True))
    assert found[0] == found[1] == found[2] != found[3]


def test_synthetic_films_join_nothing(send, admit, film):
    admit(send(film))
    upload = send(xrays.jpeg(xrays.film(1)))
    upload.is_demo = True
    upload.save()
    admit(upload)
    assert Instance.objects.values("cluster").distinct().count() == 2
