"""Pictures that are no upright frontal film, for the input gate to learn from and to be tried on.

Two sorts: a good film turned, inverted or cropped, whose kind is known because we did it; and pictures that are made
up from nothing. Everything here is drawn from a generator that is passed in: the same seed, the same pictures.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

Gray = NDArray[np.uint8]  # (H, W)
Random = np.random.Generator
SIDE = 256  # of a picture that is made up
_WORDS = (
    "report",
    "patient",
    "chest",
    "film",
    "left",
    "right",
    "date",
    "of",
    "the",
    "lung",
    "heart",
    "no",
    "view",
)


# --- of a good film ---


def cropped(gray: Gray, random: Random) -> Gray:
    """A part in which one lung is missing or both are cut: half to two thirds of a side."""
    return _part(gray, random, low=0.45, high=0.65)


def scrap(gray: Gray, random: Random) -> Gray:
    """So small a part that nobody would call it a chest film."""
    return _part(gray, random, low=0.12, high=0.3)


def mirrored(gray: Gray) -> Gray:
    """Left for right: the heart on the wrong side."""
    return np.ascontiguousarray(gray[:, ::-1])


def inverted(gray: Gray) -> Gray:
    """Bone dark."""
    return np.asarray(255 - gray, dtype=np.uint8)


def turned(gray: Gray, quarters: int) -> Gray:
    """Turned clockwise by so many quarters."""
    return np.ascontiguousarray(np.rot90(gray, -quarters))


def varied(gray: Gray, random: Random) -> Gray:
    """The same film as another machine, hand or scanner might give it: still upright, whole and bone bright."""
    picture = Image.fromarray(gray).rotate(
        random.uniform(-7, 7), Image.Resampling.BILINEAR, fillcolor=int(np.median(gray[0]))
    )
    levels = (np.arange(256) / 255) ** random.uniform(0.7, 1.45)
    toned = (levels * random.uniform(0.8, 1) * 255).astype(np.uint8)[np.asarray(picture)]
    edges = [round(side * random.uniform(0, 0.06)) for side in toned.shape for _ in range(2)]
    inner = toned[edges[0] : toned.shape[0] - edges[1], edges[2] : toned.shape[1] - edges[3]]
    if random.random() < 0.3:  # a collimated or padded film has a black frame
        inner = np.pad(inner, [tuple(int(n) for n in random.integers(0, 24, 2)) for _ in range(2)])
    if random.random() < 0.3:
        inner = np.asarray(Image.fromarray(inner).filter(ImageFilter.GaussianBlur(random.uniform(0.3, 1.2))))
    return np.ascontiguousarray(inner)


def _part(gray: Gray, random: Random, *, low: float, high: float) -> Gray:
    height, width = (max(8, round(side * random.uniform(low, high))) for side in gray.shape)
    top = int(random.integers(0, gray.shape[0] - height + 1))
    # Beside the middle, so that one side is lost.
    share = random.uniform(0, 0.25)
    left = int((gray.shape[1] - width) * (share if random.random() < 0.5 else 1 - share))
    return np.ascontiguousarray(gray[top : top + height, left : left + width])


# --- from nothing ---


def noise(random: Random) -> Gray:
    """Grains of any size, from single pixels to clouds."""
    grain = int(random.integers(1, 64))
    few = random.uniform(0, 1, (max(2, SIDE // grain),) * 2)
    return _enlarged(few, smooth=random.random() < 0.7)


def gradient(random: Random) -> Gray:
    """A ramp or a spot of light."""
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    angle, at = random.uniform(0, 2 * np.pi), random.uniform(0, 1, 2)
    ramp = np.cos(angle) * x + np.sin(angle) * y
    spot = -np.hypot(x - at[0], y - at[1])
    return _levels(ramp if random.random() < 0.5 else spot)


def texture(random: Random) -> Gray:
    """Stripes, checks and waves, with some grain."""
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    angle, n = random.uniform(0, np.pi), random.uniform(3, 40)
    first = np.sin(2 * np.pi * n * (np.cos(angle) * x + np.sin(angle) * y))
    second = np.sin(2 * np.pi * n * random.uniform(0.2, 1) * (np.cos(angle) * y - np.sin(angle) * x))
    waves = first * second if random.random() < 0.5 else first + random.uniform(0, 1) * second
    if random.random() < 0.5:
        waves = np.sign(waves)
    return _levels(waves + random.normal(0, random.uniform(0.02, 0.4), waves.shape))


def text(random: Random) -> Gray:
    """A page or a screen full of words."""
    paper, ink = (250, 20) if random.random() < 0.7 else (15, 230)
    page = Image.new("L", (SIDE, SIDE), paper)
    draw = ImageDraw.Draw(page)
    font = ImageFont.load_default(int(random.integers(8, 26)))
    left, y, step = int(random.integers(2, 30)), int(random.integers(2, 30)), int(random.integers(11, 30))
    while y < SIDE:
        if random.random() < 0.9:
            draw.text((left, y), " ".join(random.choice(_WORDS, int(random.integers(2, 9)))), ink, font)
        y += step
    return np.asarray(page)


def photograph(random: Random) -> Gray:
    """A scene: a lit ground and sky, and things that cover one another."""
    picture = Image.fromarray(gradient(random))
    draw = ImageDraw.Draw(picture)
    for _ in range(int(random.integers(4, 30))):
        x, y = (int(n) for n in random.integers(-20, SIDE, 2))
        width, height = (int(n) for n in random.integers(8, 130, 2))
        box = (x, y, x + width, y + height)
        level = int(random.integers(0, 256))
        if random.random() < 0.4:
            draw.ellipse(box, level)
        elif random.random() < 0.5:
            draw.rectangle(box, level)
        else:
            corners = [(int(a), int(b)) for a, b in random.integers(0, SIDE, (int(random.integers(3, 6)), 2))]
            draw.polygon(corners, level)
    soft = np.asarray(picture.filter(ImageFilter.GaussianBlur(random.uniform(0.3, 2))), dtype=float)
    return _levels(soft + random.normal(0, random.uniform(1, 12), soft.shape), stretch=False)


def limb(random: Random) -> Gray:
    """Bones in flesh on a black ground, as in a film of an arm or a leg."""
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE - 0.5
    angle = random.uniform(0, np.pi)
    along, across = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
    width = random.uniform(0.1, 0.3) * (1 + random.uniform(-0.8, 0.8) * along)
    film = 0.45 * np.sqrt(np.clip(1 - (across / width) ** 2, 0, 1))
    for _ in range(int(random.integers(1, 4))):
        half = width * random.uniform(0.12, 0.4)
        beside = (across - width * random.uniform(-0.55, 0.55)) / half
        shaft = np.clip(1 - beside**2, 0, 1) * (0.35 + 0.5 * np.abs(beside))  # a bone is densest at its rims
        film = film + shaft * (np.abs(along - random.uniform(-0.3, 0.3)) < random.uniform(0.2, 0.9))
    return _levels(film + random.normal(0, 0.02, film.shape))


MADE_UP: dict[str, Callable[[Random], Gray]] = {
    "noise": noise,
    "gradient": gradient,
    "texture": texture,
    "text": text,
    "photograph": photograph,
    "limb": limb,
}


def _enlarged(few: NDArray[np.float64], *, smooth: bool) -> Gray:
    how = Image.Resampling.BICUBIC if smooth else Image.Resampling.NEAREST
    return np.asarray(Image.fromarray(_levels(few)).resize((SIDE, SIDE), how))


def _levels(values: NDArray[np.float64], *, stretch: bool = True) -> Gray:
    if stretch:
        low, high = float(values.min()), float(values.max())
        values = (values - low) / max(high - low, 1e-9) * 255
    return np.clip(values, 0, 255).astype(np.uint8)
