"""Two processes train as one does: the same films, the same steps, one file."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ml import checkpoint
from ml.distributed import Team
from ml.scores import Scores
from ml.train import fit
from tests.ml import two_processes

ROOT = Path(__file__).parents[2]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]


@pytest.fixture(autouse=True)
def _one_thread_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def torchrun(*words: str) -> str:
    run = subprocess.run([*TORCHRUN, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stderr


def test_shares_of_a_batch_are_the_batch() -> None:
    for n in (0, 1, 2, 7, 48):
        batch = list(range(100, 100 + n))
        for size in (1, 2, 3):
            shares = [Team(rank=rank, size=size).share(batch) for rank in range(size)]
            assert sorted(film for share in shares for film in share) == batch
            assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_two_processes_reach_what_one_reaches(tiny_manifest: Path, tmp_path: Path) -> None:
    torchrun("tests.ml.two_processes", str(tiny_manifest), str(tmp_path / "two"))
    alone = fit(two_processes.task(tiny_manifest, tmp_path / "one"))
    one, two = (torch.load(tmp_path / name / "last.pt", weights_only=True) for name in ("one", "two"))
    for name, tensor in one["network"].items():
        torch.testing.assert_close(two["network"][name], tensor, atol=1e-5, rtol=1e-4)
    for a, b in zip(one["history"], two["history"], strict=True):
        assert b["train_loss"] == pytest.approx(a["train_loss"], abs=1e-4)
    assert checkpoint.read_header(alone).provenance["processes"] == 1
    assert checkpoint.read_header(tmp_path / "two" / "checkpoint.safetensors").provenance["processes"] == 2


def test_the_same_command_crossfits_with_two_processes_and_one_writes(
    folds_manifest: Path, tmp_path: Path
) -> None:
    words = ["ml", "crossfit", "--manifest", str(folds_manifest), "--folder", str(tmp_path / "run")]
    said = torchrun(*words, "--folds", "A", "--row", "A1", "--epochs", "2", "--size", "64", "--threads", "1")
    assert said.count("fold A, epoch 2 of 2") == said.count("wrote") == 1
    header, network = checkpoint.load(tmp_path / "run" / "A" / "checkpoint.safetensors")
    assert header.provenance["processes"] == 2
    assert all(torch.isfinite(tensor).all() for tensor in network.state_dict().values())
    assert len(Scores.load(tmp_path / "run" / "scores.csv")) == 11
    assert sorted(path.name for path in (tmp_path / "run" / "A").iterdir()) == [
        "checkpoint.safetensors",
        "last.pt",
        "scores.csv",
        "validation.csv",
    ]
    assert len(list((tmp_path / "run" / "cache").glob("films-*.npy"))) == 1
