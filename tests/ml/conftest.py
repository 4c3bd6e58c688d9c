"""Fixtures of the network's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests import checkpoints, xrays


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> Iterator[None]:
    """Test processes share the cores: more threads each would only wait for one another."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real checkpoint file, K = 4 and H = 8, shared by all tests of a process."""
    path = tmp_path_factory.mktemp("checkpoint") / "tiny.safetensors"
    checkpoints.write_tiny_checkpoint(path)
    return path


@pytest.fixture
def generator() -> torch.Generator:
    """Random numbers that are the same in every run, apart from torch's global ones."""
    return torch.Generator().manual_seed(7)


@pytest.fixture(scope="session")
def tiny_manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty synthetic films with a manifest; those called COVID-19 have a bright patch low in a lung."""
    folder = tmp_path_factory.mktemp("films")
    lines = ["file,label,split,source_slug,group_id,patient_id,sha256,finding,licence,view"]
    for i in range(40):
        split = ("train", "train", "train", "val", "test")[i % 5]
        label = ("covid", "noncovid")[i // 5 % 2]
        source = ("harbour", "hill")[i // 10 % 2]
        pixels = xrays.film(i, width=224, height=240).copy()
        if label == "covid":
            pixels[120:180, 40:100] = 230
        (folder / f"{i}.png").write_bytes(xrays.png(pixels))
        lines.append(f"{i}.png,{label},{split},{source},g{i},p{i},h{i},finding,CC BY 4.0,PA")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return folder / "manifest.csv"


@pytest.fixture(scope="session")
def folds_manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Synthetic films of every domain, so that folds A, B and C can be made; COVID-19 has a bright patch."""
    folder = tmp_path_factory.mktemp("domains")
    lines = ["file,label,split,source_slug,group_id,patient_id,sha256,finding,licence,view"]
    for source, label, split, n in (
        ("ieee8023", "covid", "train", 5),
        ("ieee8023", "noncovid", "train", 5),
        ("armiro", "covid", "val", 1),
        ("radiographydb_covid_bimcv", "covid", "train", 4),
        ("radiographydb_covid_bimcv", "covid", "val", 2),
        ("radiographydb_normal_rsna", "noncovid", "train", 4),
        ("radiographydb_normal_rsna", "noncovid", "val", 2),
        ("ieee8023", "covid", "test", 2),
        ("ieee8023", "noncovid", "test", 2),
    ):
        for _ in range(n):
            i = len(lines)
            pixels = xrays.film(i, width=224, height=240).copy()
            if label == "covid":
                pixels[120:180, 40:100] = 230
            (folder / f"{i}.png").write_bytes(xrays.png(pixels))
            lines.append(f"{i}.png,{label},{split},{source},g{i},p{i},h{i},finding,CC BY 4.0,PA")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return folder / "manifest.csv"
