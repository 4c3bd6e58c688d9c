"""What makes films of one source look like those of another."""

import torch

from ml import augment
from ml.config import AugmentConfig

STYLE = AugmentConfig(share=0, style_share=1)


def films(n: int = 6, side: int = 64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    coarse = torch.rand((n, 1, 16, 16), generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, size=(side, side), mode="bilinear")
    return (smooth * 200 + 20).to(torch.uint8)


def test_style_changes_films_only_where_it_is_asked_for(generator: torch.Generator) -> None:
    x = films()
    plain = augment.prepare(x, config=AugmentConfig(share=0), generator=generator)
    assert torch.equal(plain, x.float() / 255)
    styled = augment.prepare(x, config=STYLE, generator=generator)
    assert styled.shape == plain.shape and 0 <= styled.min() <= styled.max() <= 1
    assert all(not torch.equal(a, b) for a, b in zip(styled, plain, strict=True))


def test_the_same_generator_gives_the_same_films() -> None:
    a, b = (
        augment.prepare(films(), config=STYLE, generator=torch.Generator().manual_seed(3)) for _ in range(2)
    )
    assert torch.equal(a, b)


def test_a_share_leaves_the_other_films_alone(generator: torch.Generator) -> None:
    x = films(400, 16)
    out = augment.prepare(x, config=AugmentConfig(share=0, style_share=0.2), generator=generator)
    untouched = sum(torch.equal(a, b) for a, b in zip(out, x.float() / 255, strict=True)) / 400
    assert abs(untouched - 0.8**4) < 0.1


def test_markers_lie_near_the_edges(generator: torch.Generator) -> None:
    x = torch.full((40, 1, 100, 100), 0.5)
    marked = augment._marked(x, STYLE, generator) != x  # (B, 1, S, S)
    assert marked.flatten(1).any(dim=1).all()
    reach = int(augment._MARKED * 100) + 100 // 7
    assert not marked[:, :, reach:-reach, reach:-reach].any()
    edges = [marked[:, :, :reach], marked[:, :, -reach:], marked[..., :reach], marked[..., -reach:]]
    assert all(edge.any() for edge in edges)


def test_flattening_ends_at_ranks(generator: torch.Generator) -> None:
    x = torch.rand((200, 1, 8, 8), generator=generator) ** 3
    flat = augment._flattened(x, STYLE, generator)
    order = [a.flatten().argsort().equal(b.flatten().argsort()) for a, b in zip(x, flat, strict=True)]
    assert sum(order) > 195  # ranks may tie with what they are mixed with, the order of levels stays
    assert flat.mean() > x.mean() + 0.05


def test_sharpening_goes_both_ways(generator: torch.Generator) -> None:
    x = films(100).float() / 255

    def detail(y: torch.Tensor) -> torch.Tensor:
        return (y[..., 1:] - y[..., :-1]).abs().mean(dim=(1, 2, 3))

    ratio = detail(augment._sharpened(x, STYLE, generator)) / detail(x)
    assert ratio.min() < 0.99 and ratio.max() > 1.01
