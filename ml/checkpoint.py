"""A trained network as one safetensors file that carries all that is needed to use it and to answer for it."""

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml.calibration import Calibration, CalibrationError
from ml.config import CLASSES, ModelConfig
from ml.conformal import Conformal
from ml.preprocessing import Preprocessing
from ml.reference import Rates

if TYPE_CHECKING:  # the header is read by processes that never load torch
    from torch import Tensor

    from ml.model import COVIDNet

# 1: first version. 2: calibration, and parts beside the network (lung finder, gate); version 1 reads as having none.
FORMAT_VERSION = 2
_READ = (1, 2)
_KEY = "covidnet"
# A tensor of a part is named `part:tensor`; the network's own names hold no colon.
_PART = ":"
_MAX_HEADER_BYTES = 16 * 1024 * 1024


class CheckpointError(ValueError):
    """A file that is no checkpoint of ours, or is damaged; says what is wrong."""


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint file says about itself.

    Attributes
    ----------
    operating_point, band_low, band_high
        Probabilities; low ≤ operating point ≤ high. Of a raw checkpoint chosen on validation films. Of a calibrated
        one the band is `conformal`'s, and the operating point is Youden's, moved to the band's nearer end where it
        lies outside (rule A2): the one that confusion matrices are counted at.
    heatmap_scale
        Height of a Grad-CAM map that is shown in full colour: one number for all films (rule A4).
    pretrained_on
        What the backbone was trained on before, or "nothing".
    calibration
        From the network's logit to the probability; None: the network's own softmax.
    operating_points
        Thresholds by name: sensitivity_90, sensitivity_95, youden, as chosen, inside the band or not.
    rates
        Sensitivity and specificity on out-of-fold films at `operating_point` and at each of `operating_points`.
    conformal
        The band, and its coverage by source on films that it was not chosen on.
    provenance
        Sources, seeds, versions, manifest hash, epochs, commit.
    gate
        Classes and thresholds of the input gate (part "gate"), and how they were found; empty without one.
    sha256
        Hash of the whole file; empty before it is saved.
    """

    model: ModelConfig
    preprocessing: Preprocessing
    operating_point: float
    band_low: float
    band_high: float
    heatmap_scale: float
    pretrained_on: str
    row: str = ""
    classes: tuple[str, str] = CLASSES
    provenance: Mapping[str, Any] = field(default_factory=dict)
    calibration: Calibration | None = None
    operating_points: Mapping[str, float] = field(default_factory=dict)
    rates: Mapping[str, Rates] = field(default_factory=dict)
    conformal: Conformal | None = None
    gate: Mapping[str, Any] = field(default_factory=dict)
    sha256: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.band_low <= self.operating_point <= self.band_high <= 1:
            raise CheckpointError(
                f"the operating point {self.operating_point} must lie in the uncertain band "
                f"{self.band_low}–{self.band_high}, between 0 and 1"
            )
        if not self.heatmap_scale > 0:
            raise CheckpointError(f"the heatmap scale must be above 0, not {self.heatmap_scale}")


Header = Checkpoint


def read_header(path: Path) -> Header:
    """Read what a checkpoint says about itself, without torch.

    Raises
    ------
    CheckpointError
        If the file is missing, no checkpoint of ours, of another format version, or cut off.
    """
    try:
        with path.open("rb") as file:
            n_bytes = int.from_bytes(file.read(8), "little")
            if not 2 <= n_bytes <= _MAX_HEADER_BYTES:
                raise CheckpointError(f"{path.name} is no safetensors file")
            tensors = json.loads(file.read(n_bytes))
            file.seek(0)
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise CheckpointError(f"{path.name} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise CheckpointError(f"{path.name} is no checkpoint: {error}") from error
    text = tensors.pop("__metadata__", {}).get(_KEY)
    if text is None:
        raise CheckpointError(f"{path.name} is a safetensors file, but no checkpoint of COVIDNet")
    _check_length(path, tensors, n_bytes)
    return _from_json(path, text, sha256)


def load(path: Path) -> "tuple[Checkpoint, COVIDNet]":
    """Load the network, in fp32, ready for inference.

    Raises
    ------
    CheckpointError
        As `read_header`; also if a tensor is missing, of another shape, or not finite.
    """
    from safetensors.torch import load_file

    from ml.model import COVIDNet

    header = read_header(path)
    network = COVIDNet(header.model)
    tensors = {name: tensor for name, tensor in load_file(path).items() if _PART not in name}
    broken = [name for name, tensor in tensors.items() if not tensor.isfinite().all()]
    if broken:
        raise CheckpointError(f"{path.name}: {broken[0]} holds numbers that are not finite")
    try:
        network.load_state_dict(tensors, strict=True)
    except RuntimeError as error:
        raise CheckpointError(f"{path.name} does not fit its own configuration: {error}") from error
    return header, network.eval()


def load_part(path: Path, part: str) -> "dict[str, Tensor]":
    """Tensors of a part that travels with the network, by name, as stored; empty if the file has no such part.

    Raises
    ------
    CheckpointError
        As `read_header`; also if a tensor is not finite.
    """
    from safetensors.torch import load_file

    read_header(path)
    prefix = f"{part}{_PART}"
    tensors = {n.removeprefix(prefix): t for n, t in load_file(path).items() if n.startswith(prefix)}
    broken = [name for name, tensor in tensors.items() if not tensor.isfinite().all()]
    if broken:
        raise CheckpointError(f"{path.name}: {broken[0]} of {part} holds numbers that are not finite")
    return tensors


def parts_of(path: Path) -> "dict[str, dict[str, Tensor]]":
    """Every part of a file, for whoever writes it again with one thing changed."""
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        names = {name.partition(_PART)[0] for name in file.keys() if _PART in name}  # noqa: SIM118 (no mapping)
    return {part: load_part(path, part) for part in sorted(names)}


def save(
    path: Path,
    checkpoint: Checkpoint,
    network: "COVIDNet",
    parts: "Mapping[str, Mapping[str, Tensor]] | None" = None,
) -> Checkpoint:
    """Write the file whole or not at all: aside, to the disk, then renamed.

    Weights are halved to fp16; statistics of BatchNorm stay fp32, where a half would overflow or lose digits. `parts`
    are tensors by part and name, such as those of the lung finder.

    Returns
    -------
    The checkpoint with the hash of the file as written.
    """
    from safetensors.torch import save as to_bytes

    tensors = as_stored(network.state_dict())
    for part, named in (parts or {}).items():
        tensors |= {f"{part}{_PART}{name}": tensor for name, tensor in as_stored(named).items()}
    data = to_bytes(tensors, metadata={_KEY: _to_json(checkpoint)})
    _write(path, data)
    return replace(checkpoint, sha256=hashlib.sha256(data).hexdigest())


def save_header(path: Path, checkpoint: Checkpoint, *, tensors_of: Path) -> Checkpoint:
    """Write a file with another header and, byte for byte, the network and parts of the file `tensors_of`.

    Returns
    -------
    The checkpoint with the hash of the file as written.

    Raises
    ------
    CheckpointError
        As `read_header`, of the file `tensors_of`.
    """
    read_header(tensors_of)
    whole = tensors_of.read_bytes()
    n_bytes = int.from_bytes(whole[:8], "little")
    table = json.loads(whole[8 : 8 + n_bytes])
    table["__metadata__"][_KEY] = _to_json(checkpoint)
    text = json.dumps(table, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # the format wants its tensors aligned
    data = len(text).to_bytes(8, "little") + text + whole[8 + n_bytes :]
    _write(path, data)
    return replace(checkpoint, sha256=hashlib.sha256(data).hexdigest())


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(aside).chmod(0o644)
        Path(aside).replace(path)
    finally:
        Path(aside).unlink(missing_ok=True)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _stored(name: str, tensor: "Tensor") -> "Tensor":
    statistics = name.endswith(("running_mean", "running_var", "num_batches_tracked"))
    keep = statistics or not tensor.is_floating_point()
    return (tensor if keep else tensor.half()).contiguous()


def as_stored(tensors: "Mapping[str, Tensor]") -> "dict[str, Tensor]":
    """Tensors with the numbers that a file holds: halves, but for statistics of BatchNorm and whole numbers."""
    return {name: _stored(name, tensor) for name, tensor in tensors.items()}


def round_as_stored(network: "COVIDNet") -> None:
    """Give the network the very numbers that the file will hold, so that what is measured is what is shipped."""
    network.load_state_dict(as_stored(network.state_dict()))


def _check_length(path: Path, tensors: dict[str, Any], n_header: int) -> None:
    """A file that was cut off reads well until its last tensor: compare with the length that its header states."""
    stated = 8 + n_header + max((t["data_offsets"][1] for t in tensors.values()), default=0)
    if path.stat().st_size != stated:
        raise CheckpointError(f"{path.name} is cut off: {path.stat().st_size} bytes of {stated}")


def _to_json(checkpoint: Checkpoint) -> str:
    fields = asdict(checkpoint)
    del fields["sha256"]  # a file cannot hold its own hash
    return json.dumps({"format_version": FORMAT_VERSION, **fields}, sort_keys=True)


def _from_json(path: Path, text: str, sha256: str) -> Checkpoint:
    try:
        fields = json.loads(text)
        version = fields.pop("format_version")
        if version not in _READ:
            raise CheckpointError(
                f"{path.name} has format version {version}; this code reads {_READ[0]} to {_READ[-1]}"
            )
        model = fields.pop("model")
        model["levels"] = tuple(model["levels"])
        preprocessing = fields.pop("preprocessing")
        preprocessing |= {name: tuple(preprocessing[name]) for name in ("mean", "std")}
        fields["classes"] = tuple(fields["classes"])
        if fields["classes"] != CLASSES:
            raise CheckpointError(
                f"{path.name} tells {' from '.join(fields['classes'])}; this code tells {' from '.join(CLASSES)}"
            )
        return Checkpoint(
            model=ModelConfig(**model),
            preprocessing=Preprocessing(**preprocessing),
            sha256=sha256,
            **{**fields, **_calibrated(fields)},
        )
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError, CalibrationError) as error:
        raise CheckpointError(f"{path.name} has a damaged header: {error!r}") from error


def _calibrated(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Calibration, rates and band out of a header's JSON; version 1 has none."""
    calibration, conformal = fields.get("calibration"), fields.get("conformal")
    return {
        "calibration": Calibration(**calibration) if calibration else None,
        "rates": {name: Rates.of(rates) for name, rates in fields.get("rates", {}).items()},
        "conformal": Conformal.of(conformal) if conformal else None,
    }
