"""InCTRL's equations over cached quantities (arXiv 2403.06495, section 3).

Nothing here knows an encoder: class tokens, patch distances and text priors come in, scores go out.
Module names are those of the released checkpoints, so that state dicts go both ways.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from gad.models.inctrl.residuals import RESIDUALS, PatchPairs, combined, inputs_of, patch_distances

COMPONENTS = "TPI"


class Adapter(nn.Module):
    """``[..., D] -> [..., D]``: Linear D -> D/4, ReLU, Linear D/4 -> D, ReLU; no biases (the image-level residual's).

    Its parameters are ``fc.0.weight`` and ``fc.2.weight``.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.fc = nn.Sequential(
            nn.Linear(dim, dim // 4, bias=False), nn.ReLU(), nn.Linear(dim // 4, dim, bias=False), nn.ReLU()
        )

    def forward(self, tokens: Tensor) -> Tensor:
        return self.fc(tokens)


class Head(nn.Module):
    """``[b, n] -> [b]`` in 0..1: Linear 128, ReLU, BatchNorm, Linear 64, ReLU, BatchNorm, Linear 1, sigmoid.

    The checkpoints' names: after ``projection1`` comes ``bn2`` (128 channels), after ``projection2``
    comes ``bn3`` (64). ``bn1`` has the input's n channels and could only stand before ``projection1``;
    the released forward pass never calls it, yet its tensors are in the checkpoints, so it exists here,
    is never called, gets no gradient, and stays as initialised.
    """

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.projection1 = nn.Linear(inputs, 128)
        self.projection2 = nn.Linear(128, 64)
        self.projection3 = nn.Linear(64, 1)
        self.bn1 = nn.BatchNorm1d(inputs)
        self.bn2 = nn.BatchNorm1d(128)
        self.bn3 = nn.BatchNorm1d(64)

    def forward(self, values: Tensor) -> Tensor:
        hidden = self.bn2(functional.relu(self.projection1(values)))
        hidden = self.bn3(functional.relu(self.projection2(hidden)))
        return torch.sigmoid(self.projection3(hidden)).squeeze(-1)


@dataclass(frozen=True)
class InCTRLScores:
    """Scores of b queries, all in 0..1 and higher for worse; None where a component is left out.

    ``score`` [b]; ``image_score`` s_i [b]; ``patch_score`` s_p [b]; ``text_score`` s_a [b]; ``map`` [b, P]
    is the holistic map (0..3) and ``holistic`` phi [b] its head's output (None with T or I alone);
    ``patch_map`` [b, P] is M.
    """

    score: Tensor
    image_score: Tensor | None = None
    patch_score: Tensor | None = None
    text_score: Tensor | None = None
    map: Tensor | None = None
    holistic: Tensor | None = None
    patch_map: Tensor | None = None


class InCTRLHeads(nn.Module):
    """All that InCTRL trains: ``adapter``, ``diff_head_ref`` (D inputs), ``diff_head`` (P inputs).

    ``components`` keeps any of T (text prior), P (patch residual), I (image residual), and a module is
    there only if it is used: the adapter and ``diff_head_ref`` with I; ``diff_head`` unless T or I stands
    alone. Without P the map is the kept scalars broadcast over P inputs and the score is phi; T alone is
    s_a (nothing to train), I alone is s_i. In eval mode a score does not depend on its batch.

    ``residual`` other than ``subtract``: ``diff_head_ref`` gets prompts and query put together instead of
    their difference, and with P there is ``patch_pairs``, which makes the patch map out of patch tokens:
    ``layers`` of ``width`` channels, needed for nothing else.
    """

    def __init__(
        self,
        patches: int,
        dim: int,
        components: str = COMPONENTS,
        residual: str = "subtract",
        *,
        layers: int = 0,
        width: int = 0,
    ) -> None:
        super().__init__()
        self.patches, self.dim, self.components = patches, dim, ordered(components)
        if residual not in RESIDUALS:
            raise ValueError(f"residual must be one of {', '.join(RESIDUALS)}, got {residual!r}")
        self.residual = residual
        self.has_map = self.components not in ("T", "I")
        if "I" in self.components:
            self.adapter = Adapter(dim)
        if self.has_map:
            self.diff_head = Head(patches)
        if "I" in self.components:
            self.diff_head_ref = Head(inputs_of(residual, dim))
        self.patch_pairs: PatchPairs | None = None
        if "P" in self.components and residual != "subtract":
            if not (layers and width):
                raise ValueError(f"residual {residual!r} needs the layers and width of the patch tokens")
            self.patch_pairs = PatchPairs(layers, width, residual)

    def patch_map(self, queries: Sequence[Tensor], prompts: Sequence[Tensor]) -> Tensor:
        """M, float32 ``[n, P]`` in 0..1, of queries that share their prompts: their patch tokens
        ``[n, P, C]`` and ``[K, P, C]``, any float type, for each layer."""
        if self.patch_pairs is None:
            return patch_distances(queries, prompts)
        found: Tensor = self.patch_pairs(queries, prompts)
        return found

    def forward(
        self,
        class_tokens: Tensor | None = None,
        prompt_tokens: Tensor | None = None,
        patch_map: Tensor | None = None,
        text_prior: Tensor | None = None,
    ) -> InCTRLScores:
        """``class_tokens`` t(x) ``[b, D]`` and ``prompt_tokens`` t(P) ``[b, K, D]`` (or ``[1, K, D]`` where
        all queries share their prompts), projected and not normalised; ``patch_map`` M ``[b, P]``, which
        are patch distances or what ``patch_pairs`` makes; ``text_prior`` s_a ``[b]``. float32. What the
        components do not use may be left out.
        """
        image_score = patch_score = text_score = residual = None
        parts: list[Tensor] = []
        if "P" in self.components:
            residual = needed(patch_map, "patch_map", "P")
            patch_score = residual.amax(dim=-1)
            parts.append(residual)
        if "I" in self.components:
            query = needed(class_tokens, "class_tokens", "I")
            prompts = needed(prompt_tokens, "prompt_tokens", "I")
            reference, adapted = self.adapter(prompts).mean(dim=1), self.adapter(query)
            image_score = self.diff_head_ref(combined(self.residual, reference.expand_as(adapted), adapted))
            parts.append(image_score[:, None])
        if "T" in self.components:
            text_score = needed(text_prior, "text_prior", "T")
            parts.append(text_score[:, None])
        if not self.has_map:
            only = image_score if image_score is not None else text_score
            assert only is not None
            return InCTRLScores(score=only, image_score=image_score, text_score=text_score)
        holistic_map = torch.stack([part.expand(-1, self.patches) for part in parts]).sum(dim=0)
        holistic = self.diff_head(holistic_map)
        score = holistic if patch_score is None else (holistic + patch_score) / 2
        return InCTRLScores(score, image_score, patch_score, text_score, holistic_map, holistic, residual)


def ordered(components: str) -> str:
    """The letters of a non-empty subset of T, P, I in that order; anything else is an error."""
    kept = "".join(letter for letter in COMPONENTS if letter in components)
    if not kept or len(kept) != len(components):
        raise ValueError(f"components must be a non-empty subset of the letters T, P, I, got {components!r}")
    return kept


def needed(value: Tensor | None, name: str, component: str) -> Tensor:
    if value is None:
        raise ValueError(f"{name} is missing: component {component} needs it")
    return value
