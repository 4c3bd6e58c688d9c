"""Where training begins: seeded weights, a pre-trained backbone, and NetVLAD at descriptors of real films."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from torch import Tensor
from torch.nn import functional as F

from ml import augment, backbones
from ml.data import Record, balanced_weights
from ml.memory import Portion
from ml.model import COVIDNet, NetVLAD

if TYPE_CHECKING:
    from ml.train import Task

_KMEANS_FILMS = 512


def fresh(task: "Task", films: NDArray[np.uint8], records: Sequence[Record]) -> COVIDNet:
    """A network that is ready to learn: seeded weights, pre-trained backbone, NetVLAD at real descriptors."""
    with torch.random.fork_rng(
        devices=[]
    ):  # layers draw from the global generator: borrow it, and give it back
        torch.manual_seed(task.config.seed)
        network = COVIDNet(task.model)
    if task.model.pretrained and task.weights is not None:
        backbones.load_pretrained(network.backbone, task.weights)
    network.to(task.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if isinstance(network.aggregate, NetVLAD):
        generator = torch.Generator().manual_seed(task.config.seed)
        weights = torch.tensor(balanced_weights(records, task.config), dtype=torch.float64)
        n_films = min(_KMEANS_FILMS, len(records))
        chosen = torch.multinomial(weights, n_films, replacement=False, generator=generator)
        centres, alpha = clusters_of(task, network, films[np.sort(chosen.numpy())])
        network.aggregate.start_from(centres, alpha)
    return network


@torch.no_grad()
def clusters_of(task: "Task", network: COVIDNet, films: NDArray[np.uint8]) -> tuple[Tensor, float]:
    """Find where NetVLAD starts: k-means centres (K, D) of real descriptors, brought to length 1, and α.

    α is such that, over the mean gap, the nearest centre gets a hundred times the share of the second nearest.
    """
    network.eval()

    def described(at: slice) -> Tensor:
        x = torch.from_numpy(np.array(films[at])).unsqueeze(1).float() / 255  # (B, 1, S, S)
        x = augment.normalise(x.to(task.device), mean=task.preprocessing.mean, std=task.preprocessing.std)
        bins = network.descriptors(network.forward_features(x))  # (B, N, D)
        return F.normalize(bins.flatten(0, 1), dim=1).cpu()

    descriptors = Portion(task.config.batch_size).run(len(films), described)
    points = torch.cat(descriptors).double().numpy()  # (B·N, D)
    kmeans = KMeans(task.model.clusters, n_init=4, random_state=task.config.seed % 2**32).fit(points)
    nearest = np.sort(kmeans.transform(points) ** 2, axis=1)
    gap = float((nearest[:, 1] - nearest[:, 0]).mean()) if task.model.clusters > 1 else 1.0
    return torch.tensor(kmeans.cluster_centers_), math.log(100) / max(gap, 1e-6)
