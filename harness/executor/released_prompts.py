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
SHOWN = 5  # files that a message lists
FOLDER = "Give the folder that holds one <category>.pt for each category of the dataset."


def recover(
    prepared: Prepared, folder: Path, shots: int, tell: Callable[[str], None]
) -> tuple[PromptFile, list[str]]:
    """The prompt file behind ``folder``, and warnings.

    Raises DataError for a category without a file, a file that is not a list of ``shots`` such tensors, an
    image that is there twice, and a tensor that is no normal train image (naming the test image if it is one:
    a leak).
    """
    if not folder.is_dir():
        what = "is a file" if folder.is_file() else "is not there"
        raise DataError(f"the folder {folder} {what}", fix=FOLDER)
    found: dict[str, tuple[Entry, ...]] = {}
    warnings: list[str] = []
    for category in prepared.categories:
        name = category.category
        tensors = _read(folder / f"{name}.pt", shots)
        samples = manifest.read_samples(prepared, category=name)
        chosen: list[Sample] = []
        for number, near in enumerate(_nearest(prepared, samples, tensors), start=1):
            sample, others = _match(number, name, near, chosen)
            chosen.append(sample)
            warnings += [_alike(name, number, sample, other) for other in others]
        found[name] = tuple(Entry(id=s.id, digest=s.digest) for s in chosen)
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

    if not path.is_file():
        others = sorted(other.name for other in path.parent.glob("*.pt"))
        there = f"; the folder holds {', '.join(others[:SHOWN])}" if others else ""
        raise DataError(f"there is no {path}{there}", fix=FOLDER)
    try:
        listed = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch, pickle and zip fail in many ways for a wrong file
        raise DataError(f"{path} is not a list of tensors ({type(error).__name__})", fix=FOLDER) from error
    kinds = list(map(_kind, listed)) if isinstance(listed, list) else None
    if kinds is None or not set(kinds) <= KINDS:
        held = _kind(listed) if kinds is None else f"a list of {', '.join(dict.fromkeys(kinds))}"
        raise DataError(f"{path} is not a list of tensors 3x{SIDE}x{SIDE}: it holds {held}", fix=FOLDER)
    if len(listed) != shots:
        raise DataError(
            f"{path} holds {len(listed)} prompts, and K = {shots}", fix=f"Use --shots {len(listed)}."
        )
    return [(t.float().reshape(3, SIDE, SIDE).numpy() * STD + MEAN) * 255 for t in listed]


def _kind(value: object) -> str:
    """A value as messages call it: a tensor by its shape."""
    shape = getattr(value, "shape", None)
    return type(value).__name__ if shape is None else f"tensor {'x'.join(map(str, shape))}"


KINDS = {f"tensor 3x{SIDE}x{SIDE}", f"tensor 1x3x{SIDE}x{SIDE}"}


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


def _match(number: int, category: str, near: Near, before: list[Sample]) -> tuple[Sample, list[Sample]]:
    """The normal train image behind a tensor, none of those ``before``; and others that look the same."""
    same = [sample for distance, sample in near if distance <= SAME]
    ours = [s for s in same if s.split == "train" and s.label == 0]
    if new := [s for s in ours if s not in before]:
        return new[0], [s for s in same if s != new[0]]
    if ours:
        raise DataError(
            f"{category}: prompt {number} is {ours[0].id}, and so is prompt {before.index(ours[0]) + 1}",
            fix="K prompts are K images: use another set.",
        )
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


def _alike(category: str, number: int, chosen: Sample, other: Sample) -> str:
    """A warning: a prompt has a double, which is a leak where that is tested."""
    leak = ", a leak" if other.split == "test" else ""
    return (
        f"{category}: prompt {number} is {chosen.id}; the {other.split} image {other.id} looks the same{leak}"
    )
