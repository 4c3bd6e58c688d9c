"""Synthetic films that look like a chest radiograph from afar: for demonstrations and tests, not to teach networks."""

import numpy as np
from numpy.typing import NDArray

_MARK = (  # the letters SYN as 5 rows of bits, so that nobody takes the film for a patient's
    "011101001010010",
    "100001001011010",
    "011000110010110",
    "000100100010010",
    "111000100010010",
)


def phantom(seed: int, width: int, height: int, *, bits: int = 8) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Draw one frontal chest: body, two lungs with ribs, spine, heart and diaphragm, grain, and the mark SYN.

    Parameters
    ----------
    seed
        Each number gives another chest, always the same one.
    width, height
        In pixels.
    bits
        8 gives uint8; more, up to 16, gives uint16 with grey levels up to 2**bits − 1.

    Returns
    -------
    (height, width), brighter where the body is denser.
    """
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y = (x + 0.5) / width * 2 - 1, (y + 0.5) / height * 2 - 1  # −1 … 1
    x = x * random.uniform(0.95, 1.1) + random.uniform(-0.04, 0.04)
    body = _body(x, y)
    lungs = _lungs(x, y, random)
    density = body * (0.62 - 0.44 * lungs) + _clouds(x, y, random) * lungs
    density = np.maximum(density, 0.66 * _heart(x, y, random)) + body * _bones(x, y, random)
    density += 0.05 * body * y
    density += random.normal(0, 0.015, density.shape).astype(np.float32)
    _write_mark(density)
    levels = density.clip(0.02, 0.98) * (2**bits - 1)
    film: NDArray[np.uint8] | NDArray[np.uint16] = levels.astype(np.uint8 if bits == 8 else np.uint16)
    return film


def _inside(x: NDArray[np.floating], y: NDArray[np.floating], *, edge: float) -> NDArray[np.float32]:
    """1 inside the unit circle, 0 outside, over a soft edge."""
    inside: NDArray[np.float32] = ((1 - np.hypot(x, y)) / edge).clip(0, 1)
    return inside


def _body(x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.float32]:
    """A neck that widens into shoulders, and air beside it."""
    half_width = 0.30 + 0.68 / (1 + np.exp(-(y + 0.80) / 0.05))
    body: NDArray[np.float32] = ((half_width - np.abs(x)) / 0.10).clip(0, 1)
    return body


def _lungs(
    x: NDArray[np.float32], y: NDArray[np.float32], random: np.random.Generator
) -> NDArray[np.float32]:
    size = random.uniform(0.95, 1.08)
    right = _inside((x + 0.43) / (0.36 * size), (y - 0.02) / (0.80 * size), edge=0.16)
    left = _inside((x - 0.45) / (0.34 * size), (y - 0.02) / (0.80 * size), edge=0.16)
    dome = ((0.62 - 0.9 * (np.abs(x) - 0.42) ** 2 - 0.06 * np.sign(-x) - y) / 0.05).clip(0, 1)
    lungs: NDArray[np.float32] = np.maximum(right, left) * dome
    return lungs


def _bones(
    x: NDArray[np.float32], y: NDArray[np.float32], random: np.random.Generator
) -> NDArray[np.float32]:
    spine = 0.12 * np.exp(-((x / 0.10) ** 2)) * (1 + 0.2 * np.sin(y * 42))
    bend = random.uniform(0.30, 0.45)
    wave = np.sin((y + bend * np.abs(x) ** 1.6) * random.uniform(26, 30))
    ribs = 0.07 * ((wave - 0.45) / 0.3).clip(0, 1) * ((0.86 - np.abs(x)) / 0.06).clip(0, 1)
    clavicles = 0.10 * np.exp(-(((y + 0.62 - 0.16 * np.abs(x)) / 0.035) ** 2)) * (np.abs(x) < 0.8)
    bones: NDArray[np.float32] = spine + ribs * (y < 0.75) * (y > -0.75) + clavicles
    return bones


def _heart(
    x: NDArray[np.float32], y: NDArray[np.float32], random: np.random.Generator
) -> NDArray[np.float32]:
    """On the left of the patient, which is the right of the film."""
    tilted = (x - 0.10 + 0.25 * (0.35 - y)) / random.uniform(0.34, 0.42)
    return _inside(tilted, (y - 0.32) / 0.38, edge=0.18)


def _clouds(
    x: NDArray[np.float32], y: NDArray[np.float32], random: np.random.Generator
) -> NDArray[np.float32]:
    """Hazy patches low in both lungs, in every second film or so."""
    haze = np.zeros_like(x)
    for _ in range(int(random.integers(0, 2)) * int(random.integers(2, 6))):
        at_x, at_y = random.choice((-1, 1)) * random.uniform(0.3, 0.6), random.uniform(-0.2, 0.4)
        haze += random.uniform(0.08, 0.2) * np.exp(-(((x - at_x) / 0.12) ** 2) - ((y - at_y) / 0.12) ** 2)
    return haze


def _write_mark(density: NDArray[np.float32]) -> None:
    bits = np.array([[int(bit) for bit in row] for row in _MARK], dtype=np.float32)
    cell = max(2, min(density.shape) // 150)
    mark = np.kron(bits, np.ones((cell, cell), dtype=np.float32))
    top, left = density.shape[0] // 30, density.shape[1] // 30
    place = density[top : top + mark.shape[0], left : left + mark.shape[1]]
    np.maximum(place, 0.95 * mark, out=place)
