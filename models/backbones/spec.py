"""Naming a frozen encoder. Light: nothing is loaded here.

tiny                                   the CLIP that comes with the package
ViT-B-16-plus-240:laion400m_e32        an open_clip architecture with a pretrained tag
ViT-B-16-plus-240:/path/weights.pt     the same with weights from a file
timm:wide_resnet50_2                   a timm model with its default weights
timm:wide_resnet50_2:/path/weights.pt  the same with weights from a file
timm:vit_small_patch14_dinov2@448      the same network on images of 448 pixels (and @448:/path/weights.pt)
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from gad.harness.errors import UsageError
from gad.harness.nouns import Frozen

Family = Literal["tiny", "open_clip", "timm"]


class BackboneSpec(Frozen):
    """A named encoder: its architecture, and where its weights come from (a tag, a file, or the default).

    ``size``: the side of its images in pixels, where that is not the architecture's own (0); of timm alone.
    """

    family: Family
    name: str
    size: int = 0
    tag: str = ""
    file: str = ""

    def __str__(self) -> str:
        prefix = "timm:" if self.family == "timm" else ""
        size = f"@{self.size}" if self.size else ""
        source = self.file or self.tag
        return f"{prefix}{self.name}{size}" + (f":{source}" if source else "")


def parse(text: str) -> BackboneSpec:
    """Read a backbone's name. What follows the colon is a file when it looks like a path, else a tag.

    Raises UsageError when it cannot be a backbone. Whether it exists is found out when it is loaded.
    """
    if text == "tiny":
        return BackboneSpec(family="tiny", name="tiny")
    timm = text.startswith("timm:")
    name, _, source = text.removeprefix("timm:").partition(":")
    if not name or not (timm or source):
        raise UsageError(
            f"{text!r} is not a backbone: expected tiny, NAME:TAG, NAME:FILE, timm:NAME or timm:NAME:FILE",
            fix="An open_clip model needs a pretrained tag or a weights file, e.g. ViT-B-16-plus-240:laion400m_e32.",
        )
    name, at, size = name.partition("@")
    if at and not (timm and size.isdecimal() and 1 <= int(size) <= LARGEST):
        raise UsageError(
            f"{text!r} is not a backbone: a size in pixels (1 to {LARGEST}) follows the @ of a model of timm",
            fix="For example timm:vit_small_patch14_dinov2@448.",
        )
    is_file = "/" in source or source.startswith((".", "~")) or Path(source).suffix in WEIGHT_SUFFIXES
    where = {"file": str(Path(source).expanduser())} if is_file else {"tag": source}
    return BackboneSpec(family="timm" if timm else "open_clip", name=name, size=int(size or 0), **where)


def placed(text: str, folder: Path) -> str:
    """The same name with the path of its file made absolute, from ``folder``; what is no name is left as it is."""
    try:
        spec = parse(text)
    except UsageError:
        return text
    return str(spec.model_copy(update={"file": os.path.abspath(folder / spec.file)})) if spec.file else text


LARGEST = 4096
WEIGHT_SUFFIXES = frozenset({".pt", ".pth", ".pyth", ".bin", ".safetensors"})


def default_layers(depth: int) -> tuple[int, int, int]:
    """The blocks (1-indexed) whose patch tokens InCTRL reads: 7, 9 and 11 of 12, in proportion."""
    first, second, third = (round(depth * share / 12) for share in (7, 9, 11))
    return first, second, third
