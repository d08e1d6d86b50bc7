"""What detectors on the stages of a CNN have in common: WideResNet-50-2 unless told otherwise."""

from __future__ import annotations

from gad.harness.nouns import Frozen

BACKBONE = "timm:wide_resnet50_2.tv_in1k"
LICENCE = "needs the weights of its backbone (timm's wide_resnet50_2.tv_in1k: BSD-3-Clause)"


class CnnOptions(Frozen):
    """``backbone``: a CNN or ViT of timm, or a CLIP; the paper's is WideResNet-50-2 (with torchvision's first
    weights, as in the public re-implementations). ``layers``: stages of a CNN (empty: the paper's), or blocks of a
    ViT (empty: those at 7/12, 9/12 and 11/12 of the depth)."""

    backbone: str = ""
    layers: tuple[int, ...] = ()
