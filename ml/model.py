"""COVIDNet (He et al.): backbone → spatial pyramid → NetVLAD → projection → context gating → two classes.

References
----------
Lazebnik et al., CVPR 2006: spatial pyramid and its level weights.
Arandjelović et al., CVPR 2016: NetVLAD.
Miech et al. 2017, "Learnable pooling with Context Gating": project NetVLAD's vector first, gate what comes out.

Shapes: B films, D feature width, N pyramid bins (21), K clusters, H hidden size, h × w the feature map (7 × 7).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ml import backbones
from ml.config import CLASSES, ModelConfig


class SpatialPyramid(nn.Module):
    """Average a feature map over grids from coarse to fine. Each bin is one descriptor and has its level's weight.

    Level 0 weighs 1/2^L, level l ≥ 1 weighs 1/2^(L−l+1) (Lazebnik et al. 2006, eq. 3). The bins come out unweighted:
    what the weight multiplies is for the next stage to know.
    """

    weights: Tensor

    def __init__(self, grids: tuple[int, ...]) -> None:
        super().__init__()
        self.grids = grids
        last = len(grids) - 1
        per_level = [2.0 ** -(last if level == 0 else last - level + 1) for level in range(len(grids))]
        per_bin = [w for w, grid in zip(per_level, grids, strict=True) for _ in range(grid * grid)]
        self.register_buffer("weights", torch.tensor(per_bin), persistent=False)  # (N)

    @property
    def n_bins(self) -> int:
        """N, the bins of all levels together."""
        return len(self.weights)

    def forward(self, x: Tensor) -> Tensor:  # (B, D, h, w)
        levels = [F.adaptive_avg_pool2d(x, grid).flatten(2) for grid in self.grids]  # each (B, D, grid²)
        return torch.cat(levels, dim=2).mT  # (B, N, D)


class WeightedBins(nn.Module):
    """String the weighted bins together: heads A and B."""

    def forward(self, x: Tensor, weights: Tensor) -> Tensor:  # (B, N, D), (N)
        return (x * weights.unsqueeze(1)).flatten(1)  # (B, N·D)


class NetVLAD(nn.Module):
    """Soft-assign local descriptors to centres and sum the residuals (Arandjelović et al., CVPR 2016, eq. 4).

    Descriptors are brought to length 1; a descriptor's weight multiplies its share of the sum.
    Assignment weights, assignment bias and centres are three separate trained sets.
    """

    def __init__(self, width: int, clusters: int) -> None:
        super().__init__()
        self.assign = nn.Linear(width, clusters)
        self.centres = nn.Parameter(F.normalize(torch.randn(clusters, width), dim=1))  # (K, D)
        self.start_from(self.centres.detach().clone(), alpha=10.0)

    @torch.no_grad()
    def start_from(self, centres: Tensor, alpha: float) -> None:
        """Begin as nearly hard assignment to `centres` (K, D); training then moves the three sets apart.

        softmax_k(2α c_k·x − α‖c_k‖²) = softmax_k(−α‖x − c_k‖²): the greatest share goes to the nearest centre.
        """
        self.centres.copy_(centres)
        self.assign.weight.copy_(2 * alpha * centres)
        self.assign.bias.copy_(-alpha * centres.square().sum(dim=1))

    def forward(self, x: Tensor, weights: Tensor) -> Tensor:  # (B, N, D), (N)
        x = F.normalize(x, dim=2)  # (B, N, D)
        a = self.assign(x).softmax(dim=2) * weights.unsqueeze(1)  # (B, N, K)
        vlad = a.mT @ x - a.sum(dim=1).unsqueeze(2) * self.centres  # (B, K, D), = Σ_i a_ik (x_i − c_k)
        vlad = F.normalize(vlad, dim=2)  # intra-normalisation
        return F.normalize(vlad.flatten(1), dim=1)  # (B, K·D)


class ContextGating(nn.Module):
    """σ(W F + b) ∘ F: each number is let through as far as its context wants (the paper's eq. 5)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gate = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:  # (B, H)
        gated: Tensor = torch.sigmoid(self.gate(x)) * x  # (B, H)
        return gated


class COVIDNet(nn.Module):
    """Every row of the paper's tables, by its configuration alone.

    `forward_features` and `forward_head` are the seam: a heatmap needs gradients behind it only. `forward_stages` is
    `forward_features` that lets go of one more map on its way: the input gate looks at both.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        width = backbones.WIDTHS[config.backbone]
        self.backbone = backbones.build(config.backbone)
        self.pyramid = SpatialPyramid(config.grids)
        self.aggregate = NetVLAD(width, config.clusters) if config.has_vlad else WeightedBins()
        n_aggregated = (config.clusters if config.has_vlad else self.pyramid.n_bins) * width
        self.project = nn.Linear(n_aggregated, config.hidden)
        self.gate = ContextGating(config.hidden) if config.has_gate else nn.Identity()
        self.classify = nn.Linear(config.hidden, len(CLASSES))
        if config.has_vlad:
            self._start_projection()

    @torch.no_grad()
    def _start_projection(self) -> None:
        """NetVLAD's vector has length 1 over K·D numbers; nn.Linear's start would give hidden units near 0.004.

        Numbers of deviation 1/√K give hidden units of that deviation, 0.25 at K = 16, as in Miech's code.
        """
        nn.init.normal_(self.project.weight, std=self.config.clusters**-0.5)
        nn.init.zeros_(self.project.bias)

    def forward_features(self, x: Tensor) -> Tensor:  # (B, 3, 224, 224)
        features: Tensor = self.backbone(x)  # (B, D, h, w)
        return features

    def forward_stages(self, x: Tensor) -> tuple[Tensor, Tensor]:  # (B, 3, 224, 224)
        return self.backbone.stages(x)  # (B, D3, 2h, 2w), (B, D, h, w)

    def descriptors(self, features: Tensor) -> Tensor:  # (B, D, h, w)
        """Pyramid bins, (B, N, D), not weighted and not normalised: what k-means is started from."""
        bins: Tensor = self.pyramid(features)
        return bins

    def embed(self, features: Tensor) -> Tensor:  # (B, D, h, w)
        """The last vector before the classifier."""
        aggregated = self.aggregate(self.pyramid(features), self.pyramid.weights)  # (B, K·D) or (B, N·D)
        embedded: Tensor = self.gate(self.project(aggregated))  # (B, H)
        return embedded

    def forward_head(self, features: Tensor) -> Tensor:  # (B, D, h, w)
        logits: Tensor = self.classify(self.embed(features))  # (B, 2)
        return logits

    def forward(self, x: Tensor) -> Tensor:  # (B, 3, 224, 224)
        return self.forward_head(self.forward_features(x))  # (B, 2)

    def head_parameters(self) -> list[nn.Parameter]:
        """Everything behind the backbone: it starts fresh and has its own learning rate."""
        return [p for name, p in self.named_parameters() if not name.startswith("backbone.")]
