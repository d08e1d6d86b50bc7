"""PatchCore (arXiv 2106.08265): nearest neighbours of local features in a bank of normal ones.

The paper's: 3x3 neighbourhoods, two middle layers (on a CNN; on a ViT its patch tokens are such a map, all
layers of one size), coarser maps upsampled bilinearly, a greedy coreset, the reweighted image score
(equation 7). Ours: a neighbourhood is averaged and layers are concatenated as they are (no pooling to a
target dimension); a bank under 10,000 patches is kept whole, else a tenth is; the greedy choice is exact,
without random projections; with a bank of one patch there is nothing to weigh against and the weight is 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

FULL_BANK = 10_000  # a bank with fewer patches is kept whole
CORESET_DIVISOR = 10
NEIGHBOURS = 9
EXACT = "donot_use_mm_for_euclid_dist"  # differences, not |a|^2 + |b|^2 - 2ab, which cancels


def token_map(tokens: Tensor) -> Tensor:
    """Patch tokens or stored positions as a feature map: ``[n, side^2, C] -> [n, C, side, side]``, by rows.

    Encoders here give square grids only.
    """
    side = round(tokens.shape[1] ** 0.5)
    if side * side != tokens.shape[1]:
        raise ValueError(f"{tokens.shape[1]} patch tokens are not a square grid")
    return tokens.transpose(1, 2).unflatten(2, (side, side))


def local_features(maps: Sequence[Tensor]) -> Tensor:
    """Locally aware patch features (section 3.1): ``[n, C_l, H_l, W_l]`` a layer ``-> [n, H, W, sum of C_l]``.

    Each map is averaged over 3x3 neighbourhoods (zeros outside count, stride 1), upsampled bilinearly to
    the largest of the maps, and put beside the others, in the given order. float32.
    """
    size = max(tuple(layer.shape[-2:]) for layer in maps)
    pooled = [functional.avg_pool2d(layer.float(), 3, stride=1, padding=1) for layer in maps]
    resized = [
        layer
        if tuple(layer.shape[-2:]) == size
        else functional.interpolate(layer, size=size, mode="bilinear", align_corners=False)
        for layer in pooled
    ]
    return torch.cat(resized, dim=1).permute(0, 2, 3, 1).contiguous()


def coreset(bank: Tensor, size: int, seed: int) -> Tensor:
    """Greedy k-centre choice (section 3.2): int64 ``[size]`` distinct rows of ``[m, D]``, as chosen.

    The first row is drawn from the seed; each next is the farthest from all chosen (the first such row).
    """
    if not 1 <= size <= len(bank):
        raise ValueError(f"a coreset of {size} out of {len(bank)} patches is impossible")
    generator = torch.Generator().manual_seed(seed)
    chosen = [int(torch.randint(len(bank), (1,), generator=generator))]
    nearest = bank.new_full((len(bank),), torch.inf)
    while len(chosen) < size:
        last = bank[chosen[-1]][None]
        nearest = torch.minimum(nearest, torch.cdist(bank, last, compute_mode=EXACT)[:, 0])
        nearest[chosen[-1]] = -1.0  # not again, even among duplicates
        chosen.append(int(nearest.argmax()))
    return torch.tensor(chosen, device=bank.device)


@dataclass(frozen=True)
class Bank:
    """``features`` float32 ``[m, D]``; the rest serves the search and is derived from them."""

    features: Tensor
    centre: Tensor
    centred: Tensor
    half_squares: Tensor


def memory_bank(features: Tensor, seed: int) -> Bank:
    """The bank of K prompts' :func:`local_features` ``[K, H, W, D]``, whole or as a coreset."""
    rows = features.reshape(-1, features.shape[-1]).float()
    if len(rows) >= FULL_BANK:
        rows = rows[coreset(rows, len(rows) // CORESET_DIVISOR, seed)]
    centre = rows.mean(dim=0)
    centred = rows - centre
    return Bank(rows, centre, centred, centred.square().sum(dim=1) / 2)


def nearest(queries: Tensor, bank: Bank) -> tuple[Tensor, Tensor]:
    """Euclidean distance to the nearest row of the bank, and which: ``[q, D] -> [q], int64 [q]``.

    A matrix product finds the row (about the bank's centre, where little cancels); the distance is then
    taken by difference.
    """
    index = (bank.half_squares - (queries - bank.centre) @ bank.centred.T).argmin(dim=1)
    return torch.linalg.vector_norm(queries - bank.features[index], dim=1), index


def score(features: Tensor, bank: Bank) -> tuple[Tensor, Tensor]:
    """Image scores float32 ``[n]`` and maps ``[n, H, W]``, >= 0 and unbounded, of ``[n, H, W, D]``.

    The map holds each patch's nearest distance; the score is its maximum, reweighted. Images are taken
    one by one, so a score does not depend on its batch.
    """
    scores, maps = [], []
    for image in features.float():
        distances, index = nearest(image.flatten(0, 1), bank)
        worst = int(distances.argmax())
        patch = image.flatten(0, 1)[worst]
        scores.append(distances[worst] * weight(patch, distances[worst], int(index[worst]), bank))
        maps.append(distances.unflatten(0, image.shape[:2]))
    return torch.stack(scores), torch.stack(maps)


def weight(patch: Tensor, distance: Tensor, index: int, bank: Bank) -> Tensor:
    """``1 - exp(s*) / sum of exp(distance to m)`` over the min(9, bank) rows m nearest to the match
    (equation 7; the match is among them): scalar in 0..1, lower where the match is a lonely one.

    ``patch`` ``[D]``, ``distance`` s* scalar, ``index`` the row of its match.
    """
    rows = bank.features
    neighbours = min(NEIGHBOURS, len(rows))
    if neighbours == 1:
        return torch.ones_like(distance)
    around = torch.cdist(rows[index][None], rows, compute_mode=EXACT)[0]
    support = rows[around.topk(neighbours, largest=False).indices]
    to_support = torch.cdist(patch[None], support, compute_mode=EXACT)[0]
    return -torch.expm1(distance - torch.logsumexp(to_support, dim=0))
