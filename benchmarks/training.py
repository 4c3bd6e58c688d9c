"""What makes training faster, as ratios within one run: bf16, channels_last, films decoded once.

python -m benchmarks.training MANIFEST [--films 96] [--batch 16] [--size 224] [--threads 1] [--device cpu]

Prints JSON: seconds a film of each way, and how many times faster than plain fp32 or than decoding in each epoch.
The ways take turns, round after round, and each keeps its fastest round, so that other work on the machine costs
them alike.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from ml.config import ModelConfig
from ml.data import Manifest, Squash, films_of
from ml.model import COVIDNet

ROUNDS = 5
WAYS = {
    "fp32": (torch.contiguous_format, torch.float32),
    "fp32, channels_last": (torch.channels_last, torch.float32),
    "bf16": (torch.contiguous_format, torch.bfloat16),
    "bf16, channels_last": (torch.channels_last, torch.bfloat16),
}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--films", type=int, default=96)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    report = {
        "device": options.device,
        "threads": options.threads,
        "batch": options.batch,
        "size": options.size,
    }
    report |= {"steps": steps(options), "films": films(options)}
    sys.stdout.write(json.dumps(report, indent=1) + "\n")
    return 0


def steps(options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Forward, backward and update of row D's network on one batch, in each of the ways."""
    x = torch.randn(options.batch, 3, options.size, options.size, device=options.device)  # (B, 3, S, S)
    y = torch.arange(options.batch, device=options.device) % 2  # (B)
    runs = {}
    for name, (layout, _) in WAYS.items():
        network = COVIDNet(ModelConfig(pretrained=False)).to(options.device, memory_format=layout).train()
        runs[name] = network, torch.optim.AdamW(network.parameters(), lr=1e-4)
    best = dict.fromkeys(WAYS, float("inf"))
    for _, name in itertools.product(range(ROUNDS + 1), WAYS):  # the first round warms up
        began = time.perf_counter()
        step(*runs[name], x, y, *WAYS[name])
        best[name] = min(best[name], time.perf_counter() - began)
    slowest = best["fp32"]
    return {
        name: {"s_a_film": round(s / options.batch, 5), "times_faster": round(slowest / s, 2)}
        for name, s in best.items()
    }


def step(
    network: COVIDNet,
    optimiser: torch.optim.Optimizer,
    x: torch.Tensor,
    y: torch.Tensor,
    layout: torch.memory_format,
    precision: torch.dtype,
) -> None:
    """As ml.train does it: the backbone in bf16, the head in fp32."""
    with torch.autocast(x.device.type, dtype=torch.bfloat16, enabled=precision == torch.bfloat16):
        features = network.forward_features(x.contiguous(memory_format=layout))
    loss = F.cross_entropy(network.forward_head(features.float()), y)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()
    float(loss.detach())  # waits for a GPU


def films(options: argparse.Namespace) -> dict[str, float]:
    """Films from the manifest's files, decoded as in each epoch without a cache, and read from the cache."""
    manifest = Manifest.load(options.manifest)
    records = manifest.of("train")
    chosen = [records[i] for i in np.linspace(0, len(records) - 1, options.films).astype(int)]
    decoding, reading = [], []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            for times in (decoding, reading):
                began = time.perf_counter()
                np.array(films_of(manifest, chosen, look=Squash(options.size), folder=Path(folder)))
                times.append(time.perf_counter() - began)
    decoded, read = min(decoding) / len(chosen), min(reading) / len(chosen)
    return {
        "n": len(chosen),
        "s_a_film_decoded": round(decoded, 6),
        "s_a_film_from_cache": round(read, 6),
        "times_faster": round(decoded / read, 1),
    }


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
