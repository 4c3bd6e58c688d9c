import json
import math
import struct
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from ml import checkpoint
from ml.checkpoint import Checkpoint, CheckpointError
from tests import checkpoints


def test_a_header_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    path = tmp_path / "tiny.safetensors"
    saved = checkpoints.write_tiny_checkpoint(path, provenance={"seed": 3, "sources": {"a": {"COVID-19": 2}}})
    header = checkpoint.read_header(path)
    assert header == saved
    assert len(header.sha256) == 64
    assert header.classes == ("Non-COVID", "COVID-19")
    assert header.provenance["sources"]["a"] == {"COVID-19": 2}


def test_the_header_is_read_without_torch(tiny_checkpoint: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from ml.checkpoint import read_header; "
        "read_header(Path(sys.argv[1])); assert 'torch' not in sys.modules"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(tiny_checkpoint)], check=True, cwd=Path(__file__).parents[2]
    )


def test_weights_are_halves_and_statistics_are_not(tmp_path: Path) -> None:
    from ml.config import ModelConfig

    config = ModelConfig(backbone="resnet18", clusters=2, hidden=4)
    path = tmp_path / "resnet.safetensors"
    checkpoint.save(path, checkpoints.header(model=config), checkpoints.network(config))
    tensors = load_file(path)
    assert tensors["backbone.conv1.weight"].dtype == torch.float16
    assert tensors["backbone.bn1.running_mean"].dtype == torch.float32
    assert tensors["backbone.bn1.running_var"].dtype == torch.float32


def test_a_file_appears_whole_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "tiny.safetensors"
    checkpoints.write_tiny_checkpoint(path)
    checkpoints.write_tiny_checkpoint(path, row="again")
    assert [p.name for p in path.parent.iterdir()] == ["tiny.safetensors"]
    assert checkpoint.read_header(path).row == "again"


def test_a_save_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "tiny.safetensors"
    before = checkpoints.write_tiny_checkpoint(path)
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "file").touch()
    with pytest.raises(OSError, match="taken"):
        checkpoint.save(taken, checkpoints.header(), checkpoints.network())
    assert checkpoint.read_header(path).sha256 == before.sha256
    assert sorted(p.name for p in tmp_path.iterdir()) == ["taken", "tiny.safetensors"]


def header_only(path: Path, **changes: object) -> None:
    """A file with a changed header and no tensors."""
    text = json.loads(checkpoint._to_json(checkpoints.header())) | changes
    save_file({}, path, metadata={"covidnet": json.dumps(text)})


def test_what_is_no_checkpoint_is_said_in_words(tmp_path: Path, tiny_checkpoint: Path) -> None:
    path = tmp_path / "file.safetensors"
    with pytest.raises(CheckpointError, match="cannot be read: No such file"):
        checkpoint.read_header(path)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    with pytest.raises(CheckpointError, match="no safetensors file"):
        checkpoint.read_header(path)
    path.write_bytes(struct.pack("<Q", 20) + b"this is not any JSON")
    with pytest.raises(CheckpointError, match="is no checkpoint"):
        checkpoint.read_header(path)
    save_file({"a": torch.zeros(2)}, path)
    with pytest.raises(CheckpointError, match="no checkpoint of COVIDNet"):
        checkpoint.read_header(path)
    whole = tiny_checkpoint.read_bytes()
    path.write_bytes(whole[:-100])
    with pytest.raises(CheckpointError, match=f"cut off: {len(whole) - 100} bytes of {len(whole)}"):
        checkpoint.read_header(path)
    path.write_bytes(whole[:4000])
    with pytest.raises(CheckpointError, match="is no checkpoint"):
        checkpoint.read_header(path)


def test_a_damaged_header_is_said_in_words(tmp_path: Path) -> None:
    path = tmp_path / "file.safetensors"
    header_only(path, format_version=99)
    with pytest.raises(CheckpointError, match="format version 99"):
        checkpoint.read_header(path)
    header_only(path, model=None)
    with pytest.raises(CheckpointError, match="damaged header"):
        checkpoint.read_header(path)
    header_only(path, band_low=0.9)
    with pytest.raises(CheckpointError, match="must lie in the uncertain band"):
        checkpoint.read_header(path)
    header_only(path, classes=["Normal", "Pneumonia"])
    with pytest.raises(
        CheckpointError, match="tells Normal from Pneumonia; this code tells Non-COVID from COVID-19"
    ):
        checkpoint.read_header(path)
    header_only(path)
    with pytest.raises(CheckpointError, match="does not fit its own configuration"):
        checkpoint.load(path)


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    network = checkpoints.network()
    with torch.no_grad():
        network.classify.bias[0] = math.nan
    checkpoint.save(tmp_path / "nan.safetensors", checkpoints.header(), network)
    with pytest.raises(CheckpointError, match=r"classify\.bias holds numbers that are not finite"):
        checkpoint.load(tmp_path / "nan.safetensors")


@pytest.mark.parametrize(
    "facts",
    [
        {"band_low": 0.6, "band_high": 0.4},
        {"operating_point": 0.7},
        {"band_high": 1.2},
        {"heatmap_scale": 0.0},
        {"heatmap_scale": math.nan},
    ],
)
def test_a_checkpoint_that_contradicts_itself_cannot_be_made(facts: dict[str, float]) -> None:
    with pytest.raises(CheckpointError):
        checkpoints.header(**facts)


def test_a_loaded_network_is_ready_to_serve(tiny_checkpoint: Path) -> None:
    header, network = checkpoint.load(tiny_checkpoint)
    assert isinstance(header, Checkpoint)
    assert not network.training
    assert {p.dtype for p in network.parameters()} == {torch.float32}


def test_a_part_travels_with_the_network_and_is_not_mistaken_for_it(
    tmp_path: Path, tiny_checkpoint: Path
) -> None:
    header, network = checkpoint.load(tiny_checkpoint)
    part = {"weight": torch.arange(6.0).view(2, 3), "bn.running_mean": torch.tensor([1e-7])}
    path = tmp_path / "with.safetensors"
    checkpoint.save(path, header, network, parts={"gate": part})
    kept = checkpoint.load_part(path, "gate")
    assert (
        kept["weight"].tolist() == part["weight"].tolist() and kept["bn.running_mean"].dtype == torch.float32
    )
    assert checkpoint.load_part(path, "lungs") == {} and list(checkpoint.parts_of(path)) == ["gate"]
    again = checkpoint.load(path)[1].state_dict()
    assert all(torch.equal(again[name], tensor) for name, tensor in network.state_dict().items())


def test_a_part_that_is_not_finite_is_refused_by_name(tmp_path: Path, tiny_checkpoint: Path) -> None:
    header, network = checkpoint.load(tiny_checkpoint)
    checkpoint.save(
        tmp_path / "x.safetensors", header, network, parts={"gate": {"bias": torch.tensor([torch.nan])}}
    )
    with pytest.raises(CheckpointError, match="bias of gate"):
        checkpoint.load_part(tmp_path / "x.safetensors", "gate")
