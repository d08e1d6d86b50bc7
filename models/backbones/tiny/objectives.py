"""What the tiny backbone is trained to do, as losses on its tokens and embeddings.

The residual between a patch and the nearest patch of a few prompts is trained as it is used: it should be
small on a whole surface and large on a flaw, small for another drawing of the same glyph and large for
another glyph. Beside that the class token has to agree with captions, and throw-away linear heads read
flaws and glyphs from the patch tokens, which is easier to learn and gets the rest going.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn

from gad.models.backbones.tiny.batches import FAMILIES, GLYPHS, Drawings, Surfaces

SHARP = 0.01  # temperature of the soft maximum over patches
SCALE = 100.0  # of cosines, in zero-shot use


class Heads(nn.Module):
    """Throw-away parameters: linear readers of patch tokens, scales and offsets of the residuals."""

    def __init__(self, width: int, layers: int, embedding: int) -> None:
        super().__init__()
        self.flaw = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 1)) for _ in range(layers)
        )
        self.glyph = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, len(GLYPHS))) for _ in range(layers)
        )
        # Of the embedding: flawed or not, the family, the glyph.
        self.whole = nn.Linear(embedding, 1)
        self.family, self.drawn = nn.Linear(embedding, len(FAMILIES)), nn.Linear(embedding, len(GLYPHS))
        self.scale = nn.Parameter(torch.tensor([4.5, 4.0]))  # logarithms: surfaces, glyphs
        self.offset = nn.Parameter(torch.tensor([0.03, 0.08]))
        self.names = nn.Parameter(torch.tensor(2.7))


def soft_max(values: Tensor) -> Tensor:
    return SHARP * torch.logsumexp(values / SHARP, dim=-1)


def balanced(logits: Tensor, wanted: Tensor) -> Tensor:
    """Binary cross-entropy in which both answers weigh the same; entries wanted as -1 do not count."""
    each = F.binary_cross_entropy_with_logits(logits, wanted.clamp(min=0), reduction="none")
    parts = [(each * (wanted == w)).sum() / (wanted == w).sum().clamp(min=1) for w in (0, 1)]
    return 0.5 * (parts[0] + parts[1])


def closest(queries: Tensor, prompts: Tensor, hidden: Tensor | None = None) -> Tensor:
    """Distance of every query patch ``[..., n, width]`` to its nearest of ``prompts [..., m, width]``; units.

    Which one is nearest is found without gradients and in bf16; only its own distance is differentiated,
    which takes a fraction of the time. ``hidden [..., n, m]`` marks prompts that must not be chosen.
    """
    with torch.no_grad():
        like = queries.bfloat16() @ prompts.bfloat16().transpose(-1, -2)
        if hidden is not None:
            like = like.masked_fill(hidden, -2.0)
        nearest = like.argmax(-1, keepdim=True)
    found = prompts.gather(-2, nearest.expand(*nearest.shape[:-1], prompts.shape[-1]))
    return 0.5 * (1 - (queries * found).sum(-1))


def surface_residual(heads: Heads, tokens: list[Tensor], batch: Surfaces) -> dict[str, Tensor]:
    """``tokens``: per layer ``[groups, 4, patches, width]``. The whole images are each other's prompt."""
    gaps = []
    for layer in tokens:
        unit = F.normalize(layer.float(), dim=-1)
        both = unit[:, :2].flatten(1, 2)
        flawed = closest(unit[:, 2:].flatten(1, 2), both).unflatten(1, (2, -1))
        whole = closest(unit[:, :2], unit[:, :2].flip(1))
        gaps.append(torch.cat([whole, flawed], 1))
    gap = torch.stack(gaps).mean(0)
    scale, offset = heads.scale[0].exp(), heads.offset[0]
    score = soft_max(gap)
    bad = (batch.flawed > 0).any(-1)[:, 2:]
    pairs = F.softplus(-scale * (score[:, 2:, None] - score[:, None, :2]))
    return {
        "patch": balanced(scale * (gap - offset), batch.flawed),
        "rank": (pairs * bad[..., None]).mean(),
    }


def glyph_residual(heads: Heads, tokens: list[Tensor]) -> dict[str, Tensor]:
    """``tokens``: per layer ``[classes, drawings, patches, width]``. Each drawing against each class."""
    classes, drawings, patches, _ = tokens[0].shape
    number = torch.arange(classes * drawings).repeat_interleave(patches)
    itself = number[:, None] == number.unflatten(0, (classes, -1))[:, None]  # [classes, queries, prompts]
    total = torch.zeros(())
    for layer in tokens:
        unit = F.normalize(layer.float(), dim=-1)
        queries = unit.flatten(0, 2).expand(classes, -1, -1)
        total = total + closest(queries, unit.flatten(1, 2), itself) / len(tokens)
    score = soft_max(total.unflatten(1, (-1, patches)))  # [classes, drawings of all classes]
    own = torch.eye(classes, dtype=torch.bool).repeat_interleave(drawings, 1)
    scale, offset = heads.scale[1].exp(), heads.offset[1]
    mine, others = score[own].reshape(classes, -1), score[~own].reshape(classes, -1)
    return {
        "glyph": balanced(scale * (score - offset), (~own).float()),
        "order": F.softplus(-scale * (others[:, None, :] - mine[..., None])).mean(),
    }


def anchor(tokens: list[Tensor], first: Tensor) -> Tensor:
    """How far distances between patches of a group are from those of ``first``, up to a factor: 0 to 1 a layer.

    ``tokens``: per layer ``[groups, 4, patches, width]``; ``first [groups, 4, patches, channels]``.
    """
    wanted = apart(first)
    total = torch.zeros(())
    for layer in tokens:
        total = total + 1 - F.cosine_similarity(apart(layer), wanted, dim=-1).mean()
    return total / len(tokens)


def apart(tokens: Tensor) -> Tensor:
    """Roots of the cosine distances between every fourth patch and all of its group: ``[groups, n]``.

    Roots, so that small distances, which decide what is nearest, count as much as large ones.
    """
    unit = F.normalize(tokens.float().flatten(1, 2), dim=-1)
    like = unit[:, ::4] @ unit.transpose(1, 2)
    return (1 - like).clamp(min=1e-3).sqrt().flatten(1)


def readers(heads: Heads, surfaces: list[Tensor], drawings: list[Tensor], s: Surfaces, d: Drawings) -> Tensor:
    """Flaws and glyphs, read from each patch token alone."""
    total = torch.zeros(())
    for flaw, glyph, of_surface, of_drawing in zip(heads.flaw, heads.glyph, surfaces, drawings, strict=True):
        total = total + 2 * balanced(flaw(of_surface.float())[..., 0], s.flawed)
        answers = glyph(of_drawing.float()).flatten(0, 2)
        wanted = d.glyphs.repeat_interleave(len(answers) // len(d.glyphs))
        total = total + 0.5 * F.cross_entropy(answers, wanted)
    return total / len(surfaces)


def embedding_readers(heads: Heads, surfaces: Tensor, drawings: Tensor, s: Surfaces, d: Drawings) -> Tensor:
    """The state, the family and the glyph, read from the embeddings (not normalised)."""
    state = heads.whole(surfaces)[..., 0]
    wanted = (s.flawed > 0).any(-1).float()
    pairs = F.softplus(-(state[:, 2:, None] - state[:, None, :2])) * wanted[:, 2:, None]
    family = F.cross_entropy(heads.family(surfaces).flatten(0, 1), s.families.repeat_interleave(4))
    drawn = F.cross_entropy(
        heads.drawn(drawings).flatten(0, 1), d.glyphs.repeat_interleave(drawings.shape[1])
    )
    return F.binary_cross_entropy_with_logits(state, wanted) + pairs.mean() + 0.2 * family + 0.2 * drawn


def surface_captions(
    heads: Heads, seen: Tensor, states: Tensor, names: Tensor, kinds: Tensor, batch: Surfaces
) -> dict[str, Tensor]:
    """``seen [groups, 4, d]``; texts ``states [groups, 2, d]`` (whole, flawed), ``names``, ``kinds``; all units."""
    both = torch.einsum("gnd,gsd->gns", seen, states)
    lean = SCALE * (both[..., 1] - both[..., 0])
    wanted = (batch.flawed > 0).any(-1).float()
    pairs = F.softplus(-(lean[:, 2:, None] - lean[:, None, :2])) * wanted[:, 2:, None]
    answers = heads.names.exp() * (seen @ names.T)
    assert len(names) == len(FAMILIES)
    flaws = heads.names.exp() * (seen[:, 2:] @ kinds.T)
    return {
        "state": F.binary_cross_entropy_with_logits(lean, wanted) + 0.5 * pairs.mean(),
        "family": F.cross_entropy(answers.flatten(0, 1), batch.families.repeat_interleave(4)),
        "kind": F.cross_entropy(flaws.flatten(0, 1), batch.kinds.flatten()),
    }


def glyph_captions(
    heads: Heads, seen: Tensor, names: Tensor, presence: Tensor, batch: Drawings
) -> dict[str, Tensor]:
    """``seen [classes, drawings, d]``, ``names [glyphs, d]``, ``presence [classes, 2, d]`` (with, without)."""
    answers = heads.names.exp() * (seen @ names.T)
    wanted = batch.glyphs.repeat_interleave(seen.shape[1])
    lean = SCALE * (seen.flatten(0, 1) @ (presence[:, 1] - presence[:, 0]).T)
    absent = 1 - torch.eye(len(presence)).repeat_interleave(seen.shape[1], 0)
    return {
        "name": F.cross_entropy(answers.flatten(0, 1), wanted),
        "presence": balanced(lean, absent),
    }
