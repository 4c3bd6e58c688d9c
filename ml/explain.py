"""Where a score came from: Grad-CAM from the head alone, occlusion as its check, and how a map is shown.

The target is always logit(COVID-19) − logit(Non-COVID), whichever class wins: a warm place speaks for COVID-19.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ml.model import COVIDNet
from ml.preprocessing import WHOLE, Box, edges

_AMBER = np.array((255, 150, 0), dtype=np.float32)
_LIGHT = np.array((255, 208, 90), dtype=np.float32)
_MAX_ALPHA = 200  # of 255: the film stays visible under the hottest place


def contrast(logits: Tensor) -> Tensor:  # (B, 2)
    """logit(COVID-19) − logit(Non-COVID), (B)."""
    return logits[:, 1] - logits[:, 0]


def grad_cam(network: COVIDNet, features: Tensor) -> tuple[Tensor, Tensor]:  # (B, D, h, w)
    """Grad-CAM (Selvaraju et al., ICCV 2017) with one backward pass through the head.

    Returns
    -------
    logits (B, 2) and raw maps (B, h, w): after the ReLU, not normalised, comparable between films.
    """
    leaf = features.detach().requires_grad_()  # (B, D, h, w)
    with torch.enable_grad():
        logits = network.forward_head(leaf)  # (B, 2)
        (gradient,) = torch.autograd.grad(contrast(logits).sum(), leaf)  # (B, D, h, w)
    weights = gradient.mean(dim=(2, 3), keepdim=True)  # (B, D, 1, 1)
    return logits.detach(), (weights * leaf.detach()).sum(dim=1).relu()  # (B, 2), (B, h, w)


@torch.no_grad()
def occlusion(network: COVIDNet, image: Tensor, *, patch: int = 32, stride: int = 32) -> Tensor:  # (3, S, S)
    """How far the logit difference falls when a square is filled with the film's mean (Zeiler & Fergus 2014).

    Returns
    -------
    One number for every square, (n, n); above 0 where the square spoke for COVID-19. Knows nothing of the network.
    """
    starts = range(0, image.shape[1] - patch + 1, stride)
    fill = image.mean(dim=(1, 2), keepdim=True)  # (3, 1, 1)
    covered = image.repeat(len(starts) ** 2, 1, 1, 1)  # (n², 3, S, S)
    for i, (y, x) in enumerate((y, x) for y in starts for x in starts):
        covered[i, :, y : y + patch, x : x + patch] = fill
    whole = contrast(network(image.unsqueeze(0)))  # (1)
    fall = whole - torch.cat([contrast(network(part)) for part in torch.split(covered, 32)])  # (n²)
    return fall.reshape(len(starts), len(starts))  # (n, n)


def on_film(cam: NDArray[np.float32], *, width: int, height: int, box: Box = WHOLE) -> NDArray[np.float32]:
    """Lay a map (h, w) out on a film of `width` × `height` pixels: (height, width), 0 outside the box.

    The exact inverse of `Preprocessing.resize`: cells lie by their centres, and between them it is linear.
    """
    left, top, right, bottom = edges(box, width, height)
    rows = _shares(cam.shape[0], top, bottom, height)  # (height, h)
    columns = _shares(cam.shape[1], left, right, width)  # (width, w)
    laid: NDArray[np.float32] = rows @ cam.astype(np.float32) @ columns.T
    return laid


def _shares(n_cells: int, start: float, end: float, n_pixels: int) -> NDArray[np.float32]:
    """How much of each cell a pixel shows, (n_pixels, n_cells): rows sum to 1, or to 0 if the centre is outside."""
    centres = np.arange(n_pixels) + 0.5
    place = ((centres - start) / (end - start) * n_cells - 0.5).clip(0, n_cells - 1)
    near = (1 - np.abs(place[:, None] - np.arange(n_cells))).clip(0, 1)
    return (near * ((centres >= start) & (centres <= end))[:, None]).astype(np.float32)


def colourise(
    cam: NDArray[np.float32], *, scale: float, width: int, height: int, box: Box = WHOLE
) -> Image.Image:
    """Draw a raw map of what the box holds as a layer for a film of `width` × `height` pixels.

    One hue, amber, whose strength grows with cam / scale up to 1; nothing is stretched to the map's own maximum.
    Nothing is drawn outside the box.
    """
    strength = np.clip(cam.astype(np.float32) / scale, 0, 1)  # (h, w)
    share = on_film(strength, width=width, height=height, box=box).clip(0, 1)[..., np.newaxis]  # (H, W, 1)
    colour = _AMBER + (_LIGHT - _AMBER) * share**2
    layer = np.concatenate([colour, share * _MAX_ALPHA], axis=2)  # (height, width, 4)
    return Image.fromarray((layer + 0.5).astype(np.uint8))
