"""Finding the train images behind prompts that the authors of InCTRL released as tensors.

``<category>.pt`` holds a list of K float tensors 3x240x240, already normalised. Which image a tensor came
from is found by preparing every normal image alike and comparing pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gad.harness import manifest
from gad.harness.errors import DataError
from gad.harness.executor.decode import pixels_of
from gad.harness.manifest import Prepared
from gad.harness.nouns import ImageInput, Sample
from gad.harness.promptfiles import DrawnSet, Entry, PromptFile

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDE = 240
MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)[:, None, None]
STD = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)[:, None, None]
# Mean difference in 8-bit steps: other decoders differ by less than one, other images by ten and more.
SAME = 1.0
BLOCK = 64  # images compared at once


def recover(
    prepared: Prepared, folder: Path, shots: int, tell: Callable[[str], None]
) -> tuple[PromptFile, list[str]]:
    """The prompt file behind ``folder``, and warnings.

    Raises DataError for a category without a file, a file that is not a list of ``shots`` such tensors, and
    a tensor that is no normal train image (naming the test image if it is one: a leak).
    """
    found: dict[str, tuple[Entry, ...]] = {}
    warnings: list[str] = []
    for category in prepared.categories:
        name = category.category
        tensors = _read(folder / f"{name}.pt", shots)
        samples = manifest.read_samples(prepared, category=name)
        matched = [
            _match(tensor, number, name, near)
            for number, (tensor, near) in enumerate(
                zip(tensors, _nearest(prepared, samples, tensors), strict=True), start=1
            )
        ]
        for number, (sample, others) in enumerate(matched, start=1):
            if others:
                same = ", ".join(other.id for other in others)
                warnings.append(f"{name}: prompt {number} is {sample.id}; {same} looks the same")
        found[name] = tuple(Entry(id=s.id, digest=s.digest) for s, _ in matched)
        tell(f"{name}: {', '.join(entry.id for entry in found[name])}")
    file = PromptFile(
        dataset=prepared.name,
        fingerprint=prepared.fingerprint,
        source=f"released tensors, K = {shots}",
        sets=(DrawnSet(seed=0, prompts=found),),
    )
    return file, warnings


def _read(path: Path, shots: int) -> list[NDArray[np.float32]]:
    """Tensors of a file as pixels 0..255, ``[3, 240, 240]`` each. Nothing in it is executed."""
    import torch

    fix = "Give the folder that holds one <category>.pt per category."
    if not path.is_file():
        raise DataError(f"there is no {path}", fix=fix)
    try:
        listed = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch, pickle and zip fail in many ways for a wrong file
        raise DataError(f"{path} is not a list of tensors ({type(error).__name__})", fix=fix) from error
    good = isinstance(listed, list) and all(
        isinstance(t, torch.Tensor) and tuple(t.shape[-3:]) == (3, SIDE, SIDE) for t in listed
    )
    if not good:
        raise DataError(f"{path} is not a list of tensors 3x{SIDE}x{SIDE}", fix=fix)
    if len(listed) != shots:
        raise DataError(
            f"{path} holds {len(listed)} prompts, and K = {shots}", fix=f"Use --shots {len(listed)}."
        )
    return [(t.float().reshape(3, SIDE, SIDE).numpy() * STD + MEAN) * 255 for t in listed]


Near = list[tuple[float, Sample]]


def _nearest(prepared: Prepared, samples: list[Sample], tensors: list[NDArray[np.float32]]) -> list[Near]:
    """For every tensor the images within SAME of it, and the nearest one, nearest first."""
    near: list[Near] = [[] for _ in tensors]
    wanted = ImageInput(size=SIDE, resize="crop")
    for start in range(0, len(samples), BLOCK):
        some = samples[start : start + BLOCK]
        pixels, errors = pixels_of(some, prepared.root_path, wanted)
        images = pixels.transpose(0, 3, 1, 2).astype(np.float32)
        for place, tensor in zip(near, tensors, strict=True):
            distances = np.abs(images - tensor).mean(axis=(1, 2, 3))
            place += [(float(d), s) for d, s in zip(distances, some, strict=True) if s.digest not in errors]
    return [sorted(place, key=lambda pair: pair[0]) for place in near]


def _match(
    tensor: NDArray[np.float32], number: int, category: str, near: Near
) -> tuple[Sample, list[Sample]]:
    """The normal train image behind a tensor, and others that look the same."""
    same = [sample for distance, sample in near if distance <= SAME]
    ours = [s for s in same if s.split == "train" and s.label == 0]
    if ours:
        return ours[0], [s for s in same if s != ours[0]]
    if same:
        raise DataError(
            f"{category}: prompt {number} is the {same[0].split} image {same[0].id}: prompts must be normal "
            "train images",
            fix="This set leaks test data into the prompts; use another.",
        )
    closest = f"the nearest, {near[0][1].id}, differs by {near[0][0]:.1f} of 255" if near else "there is none"
    raise DataError(
        f"{category}: prompt {number} is none of the {len(near)} images of this category ({closest})",
        fix="Is this the dataset that the prompts were made from?",
    )
