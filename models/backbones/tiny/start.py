"""Where the training starts: a vision tower whose tokens already describe the texture of each patch.

Parts of a token have names here. ``conv1`` measures the mean colour of a patch and its waves (``waves.py``);
the first block's MLP makes amplitudes of them. The second block's attention takes from what describes a patch
the mean over patches that are like it, and its MLP adds up what is left: how odd the patch is in its picture.
The third block's attention shows the class token the oddest patches. Before any training, the distance to the
nearest patch of a prompt finds most flaws so. ``conv1`` and the first block stay as they are; the rest is trained.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from gad.models.backbones.tiny import waves
from gad.models.backbones.tiny.evaluate import normalised

SPREAD = 0.35  # of what describes a patch, where the constant part of a token is 1
RAW, STEEP = 4.0, 150.0  # of a wave in a token, and before the MLP's bend
PHASES, ERASED = (
    3,
    0.9,
)  # looks at a wave that together hardly depend on where it lies; how much of it goes then
ALIKE, LEVEL = 0.5, 0.1  # sharpness of the mean over similar patches; size of the sum of what is left
BRANCH, TEXT_BRANCH, POSITION = 0.3, 1.0, 0.3  # strengths of random residual branches, and of positions


class Parts(NamedTuple):
    """Where in a token its parts are."""

    waves: slice  # cosines, then sines
    colour: slice
    texture: slice
    odd: slice  # colour and texture, less those of similar patches
    level: slice  # how odd a patch is
    position: slice
    mark: slice  # set in the class token
    constant: slice

    @property
    def described(self) -> slice:
        return slice(self.colour.start, self.texture.stop)


def parts(width: int) -> Parts:
    chosen = waves.chosen()
    textures = len(waves.readings(chosen))
    sizes = [2 * len(chosen), 3, textures, 3 + textures, 1, 0, 1, 2]
    sizes[5] = width - sum(sizes)
    ends = torch.tensor(sizes).cumsum(0).tolist()
    return Parts(*(slice(end - size, end) for end, size in zip(ends, sizes, strict=True)))


@torch.no_grad()
def prepare(model: Any, pictures: Tensor) -> None:
    """Set all weights of both towers' blocks and of the patches; ``pictures`` (0..1) say what is usual."""
    visual = model.visual
    random_branches(visual.transformer, BRANCH)
    random_branches(model.transformer, TEXT_BRANCH)
    inputs(visual)
    where, blocks = parts(visual.conv1.out_channels), visual.transformer.resblocks
    amplitudes(blocks[0], where)
    oddness(blocks[1], where)
    gather(blocks[2], where)
    # What is usual is taken away, so that it does not make all tokens alike.
    texture_in_odd = slice(where.odd.start + 3, where.odd.stop)
    for block, made in ((blocks[0], (where.texture, texture_in_odd)), (blocks[1], (where.level,))):
        usual = after(visual, pictures, block).mean((0, 1))
        for part in made:
            block.mlp.c_proj.bias[part] -= usual[part]
    fixed = [visual.conv1, visual.ln_pre, blocks[0]]
    for parameter in (p for module in fixed for p in module.parameters()):
        parameter.requires_grad_(False)
    visual.class_embedding.requires_grad_(False)
    visual.positional_embedding.requires_grad_(False)


def random_branches(tower: Any, strength: float) -> None:
    for block in tower.resblocks:
        for weight in (block.attn.in_proj_weight, block.mlp.c_fc.weight):
            torch.nn.init.xavier_uniform_(weight)
        for weight in (block.attn.out_proj.weight, block.mlp.c_proj.weight):
            torch.nn.init.normal_(weight, std=strength * (weight.shape[1] * len(tower.resblocks)) ** -0.5)


def after(visual: Any, pictures: Tensor, last: Any = None) -> Tensor:
    """Patch tokens ``[n, patches, width]`` of pictures 0..1 after one block, the first if not said."""
    tokens = visual._embeds(normalised(pictures))
    for block in visual.transformer.resblocks:
        tokens = block(tokens)
        if block is last or last is None:
            break
    return tokens[:, 1:]


@torch.no_grad()
def described(visual: Any, pictures: Tensor) -> Tensor:
    """What the first block, which is not trained, says of each patch: ``[n, patches, d]``, to be compared by cosine."""
    where, tokens = parts(visual.conv1.out_channels), after(visual, pictures)
    return torch.cat([tokens[..., where.described], tokens[..., where.constant]], -1).float()


def inputs(visual: Any) -> None:
    """Patches and positions. A constant part makes the norm of all tokens about the same, so that layer norms
    change little."""
    width, _, patch, _ = visual.conv1.weight.shape
    where, (of_waves, of_colours) = parts(width), waves.filters(waves.chosen(), patch)
    visual.conv1.weight.zero_()
    visual.conv1.weight[where.waves] = RAW * of_waves
    visual.conv1.weight[where.colour] = SPREAD * of_colours
    visual.conv1.weight[where.odd.start : where.odd.start + 3] = SPREAD * of_colours
    places = waves.cosines(visual.grid_size[0], where.position.stop - where.position.start)
    visual.positional_embedding.zero_()
    visual.positional_embedding[1:, where.position] = POSITION / math.sqrt(width) * places.flatten(1).T
    visual.positional_embedding[:, where.constant] = torch.tensor([1.0, -1.0]) / math.sqrt(2)
    visual.class_embedding.zero_()
    visual.class_embedding[where.mark] = 0.5


def amplitudes(block: Any, where: Parts) -> None:
    """First block: its MLP adds the amplitudes of the waves to the token and takes the waves from it."""
    mix = waves.readings(waves.chosen())
    count, norm = mix.shape[1], math.sqrt(block.attn.embed_dim)  # layer norms make tokens as long as that
    block.attn.out_proj.weight.zero_()
    block.ln_2.weight[where.waves] = STEEP / RAW / norm
    block.mlp.c_fc.weight[: PHASES * count] = 0
    block.mlp.c_proj.weight[:, : PHASES * count] = 0
    block.mlp.c_proj.weight[where.texture] = 0
    each = torch.eye(count)
    # The positive half of a wave is, averaged over where it lies, its amplitude divided by pi.
    made = mix * SPREAD * norm / STEEP * math.pi / PHASES
    erase = each * ERASED * RAW * norm / STEEP * 2 / PHASES
    for phase in range(PHASES):
        angle, rows = 2 * math.pi * phase / PHASES, slice(phase * count, (phase + 1) * count)
        both = torch.cat([math.cos(angle) * each, math.sin(angle) * each])
        block.mlp.c_fc.weight[rows, where.waves] = both.T
        block.mlp.c_proj.weight[where.waves, rows] = -both @ erase
        block.mlp.c_proj.weight[where.texture, rows] = made
        block.mlp.c_proj.weight[where.odd.start + 3 : where.odd.stop, rows] = made


def first_head(block: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Query, key, value ``[head, width]`` and output ``[width, head]`` of a block's first head, set to 0."""
    width, head = block.attn.embed_dim, block.attn.head_dim
    query, key, value = (rows[:head] for rows in block.attn.in_proj_weight.split(width))
    out = block.attn.out_proj.weight[:, :head]
    for weight in (query, key, value, out):
        weight.zero_()
    return query, key, value, out


def oddness(block: Any, where: Parts) -> None:
    """Second block: what describes a patch less the mean over patches like it, and how much that is."""
    query, key, value, out = first_head(block)
    seen = [*range(where.colour.start, where.texture.stop), *range(where.constant.start, where.constant.stop)]
    for row, channel in enumerate(seen):
        query[row, channel] = key[row, channel] = ALIKE
    count = where.odd.stop - where.odd.start
    value[:count, where.described] = torch.eye(count)
    out[where.odd, :count] = -torch.eye(count)
    block.mlp.c_fc.weight[: 2 * count] = 0
    block.mlp.c_proj.weight[:, : 2 * count] = 0
    block.mlp.c_fc.weight[: 2 * count, where.odd] = torch.cat([2 * torch.eye(count), -2 * torch.eye(count)])
    block.mlp.c_proj.weight[where.level, : 2 * count] = LEVEL


def gather(block: Any, where: Parts) -> None:
    """Third block: the class token takes what the oddest patches are like; other tokens the mean of all."""
    query, key, value, out = first_head(block)
    query[0, where.mark] = key[0, where.level] = 3.0
    taken = slice(where.colour.start, where.level.stop)
    count = taken.stop - taken.start
    value[:count, taken] = torch.eye(count)
    out[taken, :count] = 0.5 * torch.eye(count)
