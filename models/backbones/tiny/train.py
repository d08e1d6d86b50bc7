"""Trains the tiny backbone on generated images and captions.

    python -m gad.models.backbones.tiny.train --out DIR [--steps N] [--seed N]

Every random number follows from ``--seed``. One thread: two are hardly faster on a model of this size, and
much slower where other programs run. The weights are written (whole or not at all) every two minutes.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from gad.harness import atomic
from gad.models.backbones.tiny import captions, objectives
from gad.models.backbones.tiny.batches import FAMILIES, GLYPHS, Drawings, Generator, Surfaces
from gad.models.backbones.tiny.evaluate import build, look, on_validation
from gad.models.backbones.tiny.start import described, prepare

STEPS = 2000
GROUPS = 4  # surfaces in a batch, four images of each
STORED = 2000  # groups of surface pictures
USUAL = 60  # groups of them that say what is usual
RATE, MUON, DECAY = 1.2e-3, 3e-3, 0.02  # learning rates and weight decay
SEEN_RATE, SEEN_MUON = 1e-3, 2e-3  # learning rates of the vision tower's blocks, which start with a meaning
# Steps up to the full rates, down to 0 at the end, until all losses count fully.
WARM, COOL, RAMP = 30, 700, 100
SAVE_EVERY = 120.0  # seconds
WEIGHTS = {
    "anchor": 60.0, "patch": 1.0, "rank": 1.0, "glyph": 3.0, "order": 3.0, "readers": 1.0, "embedding": 0.5,
    "state": 1.0, "family": 0.3, "kind": 0.3, "name": 0.5, "presence": 0.2,
}  # fmt: skip
RESIDUALS = ("patch", "rank", "glyph", "order")


def read(model: Any, texts: list[str]) -> Tensor:
    """Unit embeddings of captions, cut after the longest (``encode_text`` takes only full rows)."""
    from open_clip import tokenize
    from open_clip.transformer import text_global_pool

    tokens = tokenize(texts)
    longest = int((tokens > 0).sum(1).max())
    tokens = tokens[:, :longest]
    x = model.token_embedding(tokens) + model.positional_embedding[:longest]
    x = model.ln_final(model.transformer(x, attn_mask=model.attn_mask[:longest, :longest]))
    pooled = text_global_pool(x, tokens, model.text_pool_type)
    return F.normalize(pooled @ model.text_projection, dim=-1)


def losses(
    model: Any, heads: objectives.Heads, rng: np.random.Generator, s: Surfaces, d: Drawings
) -> dict[str, Tensor]:
    """All losses of one batch by name."""
    images = torch.cat([s.images.flatten(0, 1), d.images.flatten(0, 1)])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        tokens, seen = look(model, images)
        first = described(model.visual, s.images.flatten(0, 1))
    count = s.images.shape[0] * 4
    on_surfaces = [t[:count].unflatten(0, s.images.shape[:2]) for t in tokens]
    on_drawings = [t[count:].unflatten(0, d.images.shape[:2]) for t in tokens]
    surfaces, drawings = seen.float().split([count, len(images) - count])
    surfaces, drawings = surfaces.unflatten(0, (-1, 4)), drawings.unflatten(0, d.images.shape[:2])
    objects = [captions.object_name(rng, FAMILIES[int(f)]) for f in s.families]
    texts = [captions.state(rng, name, flawed) for name in objects for flawed in (False, True)]
    texts += captions.families(rng) + captions.flaws(rng, objects[0]) + captions.glyph_captions(rng)
    texts += [text for g in d.glyphs for text in captions.presence(rng, GLYPHS[int(g)])]
    sizes = [2 * len(objects), len(FAMILIES), len(captions.MARKS), len(GLYPHS), 2 * len(d.glyphs)]
    states, families, kinds, names, presence = read(model, texts).split(sizes)
    states, presence = states.unflatten(0, (-1, 2)), presence.unflatten(0, (-1, 2))
    of_surfaces, of_drawings = F.normalize(surfaces, dim=-1), F.normalize(drawings, dim=-1)
    return {
        "anchor": objectives.anchor(on_surfaces, first.unflatten(0, s.images.shape[:2])),
        **objectives.surface_residual(heads, on_surfaces, s),
        **objectives.glyph_residual(heads, on_drawings),
        "readers": objectives.readers(heads, on_surfaces, on_drawings, s, d),
        "embedding": objectives.embedding_readers(heads, surfaces, drawings, s, d),
        **objectives.surface_captions(heads, of_surfaces, states, families, kinds, s),
        **objectives.glyph_captions(heads, of_drawings, names, presence, d),
    }


def weight(name: str, step: int) -> float:
    """Weight of a loss: the residuals count little until the readers have given the tokens a meaning."""
    return WEIGHTS[name] * (min(1.0, 0.3 + 0.7 * step / RAMP) if name in RESIDUALS else 1.0)


def save(model: Any, folder: Path) -> None:
    """fp16 weights; ``logit_scale`` is what zero-shot use takes."""
    from safetensors.torch import save as encoded

    state = {name: value.detach().half().contiguous() for name, value in model.state_dict().items()}
    folder.mkdir(parents=True, exist_ok=True)
    atomic.write_bytes(folder / "tiny.safetensors", encoded(state))


def begin(model: Any, pictures: Tensor) -> tuple[objectives.Heads, list[Tensor]]:
    """Prepare the model and make the heads; returns them and what is trained of both. Pictures 0..1."""
    prepare(model, pictures)
    heads = objectives.Heads(model.visual.conv1.out_channels, 3, model.visual.output_dim)
    with torch.no_grad():
        model.logit_scale.fill_(math.log(objectives.SCALE))
    model.logit_scale.requires_grad_(False)
    return heads, [p for p in [*model.parameters(), *heads.parameters()] if p.requires_grad]


def optimisers(model: Any, heads: objectives.Heads) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of both towers' blocks, which learn in fewer steps so; AdamW for the rest."""
    seeing, reading = model.visual.transformer.parameters(), model.transformer.parameters()
    blocks = [[p for p in tower if p.requires_grad] for tower in (seeing, reading)]
    matrices = [[p for p in tower if p.ndim == 2] for tower in blocks]
    vectors = [p for p in blocks[0] if p.ndim == 1]
    fast = [heads.scale, heads.offset]  # of the residuals: they have far to go
    apart = {id(p) for p in [*matrices[0], *matrices[1], *vectors, *fast]}
    rest = [p for p in [*model.parameters(), *heads.parameters()] if p.requires_grad and id(p) not in apart]
    groups = [
        {"params": [p for p in rest if p.ndim > 1], "weight_decay": DECAY, "peak": RATE},
        {"params": [p for p in rest if p.ndim <= 1], "weight_decay": 0.0, "peak": RATE},
        {"params": vectors, "weight_decay": 0.0, "peak": SEEN_RATE},
        {"params": fast, "weight_decay": 0.0, "peak": 10 * RATE},
    ]
    muon = [{"params": matrices[0], "peak": SEEN_MUON}, {"params": matrices[1], "peak": MUON}]
    return [
        torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.98), fused=True),
        torch.optim.Muon(muon, lr=MUON, weight_decay=0.0, adjust_lr_fn="match_rms_adamw"),
    ]


def train(out: Path, steps: int, seed: int, stored: int) -> dict[str, float]:
    """Train, write ``tiny.safetensors`` into ``out`` and return the validation figures."""
    began = time.monotonic()
    torch.manual_seed(seed)
    model = build()
    generator = Generator(seed, stored, model.visual.image_size[0], model.visual.patch_size[0])
    print(f"pictures drawn after {time.monotonic() - began:.0f} s", flush=True)
    heads, parameters = begin(model, generator.stored.images[:USUAL].flatten(0, 1) / 255)
    both = optimisers(model, heads)
    rng = np.random.default_rng(seed + 1)
    saved, running = time.monotonic(), dict[str, float]()
    for step in range(steps):
        rate = min(1.0, (step + 1) / WARM, (steps - step) / COOL)
        for group in (group for each in both for group in each.param_groups):
            group["lr"] = rate * group["peak"]
        with sdpa_kernel(SDPBackend.MATH):  # the flash kernel's backward pass is slow on CPUs
            parts = losses(model, heads, rng, generator.surfaces(GROUPS), generator.drawings())
            total = torch.stack([weight(name, step) * value for name, value in parts.items()]).sum()
            for each in both:
                each.zero_grad(set_to_none=True)
            total.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        for each in both:
            each.step()
        running = {n: 0.95 * running.get(n, part.item()) + 0.05 * part.item() for n, part in parts.items()}
        if (step + 1) % 50 == 0:
            shown = " ".join(f"{name} {value:.3f}" for name, value in running.items())
            spent = f"{time.monotonic() - began:.0f} s, {time.process_time():.0f} s of CPU"
            print(f"step {step + 1} after {spent}: {shown}", flush=True)
        if time.monotonic() - saved > SAVE_EVERY or step + 1 == steps:
            save(model, out)
            saved = time.monotonic()
    spent = f"{(time.monotonic() - began) / 60:.1f} minutes, {time.process_time() / 60:.1f} of CPU"
    print(f"trained {steps} steps in {spent}", flush=True)
    figures = on_validation(model.eval())
    for name, value in figures.items():
        print(f"{name:36} {value:.3f}")
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--stored", type=int, default=STORED, help="groups of surface pictures to draw first")
    options = parser.parse_args()
    torch.set_num_threads(1)
    train(options.out, options.steps, options.seed, options.stored)


if __name__ == "__main__":
    main()
