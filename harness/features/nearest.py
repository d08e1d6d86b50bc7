"""How far each query patch is from its nearest prompt patch, and which one that is.

The patch residual of InCTRL (arXiv 2403.06495, section 3) is, for patch i of query x,

    M_x[i] = mean over layers l of  min over prompt patches j of  0.5 * (1 - cos(F_l(x)[i], F_l(P)[j]))

This module gives the minimum for one layer; the mean over layers is the detector's. Prompts come one at
a time and the minimum is kept running, so one pass over eight nested prompts serves K = 1 to 8.
"""

from __future__ import annotations

import numpy as np
import torch

from gad.harness.errors import DataError

TOGETHER = 16  # query images whose products are looked through at once


class RunningNearest:
    """Nearest prompt patch of every query patch, over the prompts added so far.

    ``queries`` [n, P, D] and each prompt [P2, D] are fp16 or fp32 patch tokens, as stored; they need
    not have unit length. All arithmetic is fp32 on those values. A vector of zeros has cosine 0 with
    everything. CUDA callers keep TF32 off (PyTorch's default), or lose three digits.

    One query image meets one prompt image at a time: a product [P, D] x [D, P2] of buffers that never
    change shape or place. So the bits of an image's distances depend on that image, the prompts in
    their order, the device and the number of threads, and on nothing else: not on the other queries,
    their number or order, nor on how many prompts come later.

        running = RunningNearest(queries)
        for prompt in prompts:  # K = 1, 2, ...
            running.add(prompt)
            if running.prompts in wanted:
                use(running.distance, running.index)
    """

    def __init__(
        self, queries: torch.Tensor | np.ndarray, *, device: torch.device | str | None = None
    ) -> None:
        self.queries = _tensor(queries, device, "queries", "[n, P, D]", 3)
        count, patches, width = self.queries.shape
        device = self.queries.device
        self.prompts = 0
        self._prompt_patches = 0
        self._query = torch.empty((patches, width), dtype=torch.float32, device=device)
        self._products = torch.empty((0, 0), dtype=torch.float32, device=device)
        self._held = torch.empty((0, 0, 0), dtype=torch.float32, device=device)
        self._inverse = torch.empty((count, patches), dtype=torch.float32, device=device)  # 1 / length
        for image in range(count):
            self._query.copy_(self.queries[image])
            self._inverse[image] = _inverse_length(self._query)
        for image in (~torch.isfinite(self._inverse)).any(dim=1).nonzero()[:1, 0].tolist():
            raise DataError(f"Query image {image} holds NaN, infinite or overflowing patch tokens")
        self._largest = torch.full((count, patches), -torch.inf, dtype=torch.float32, device=device)
        self._index = torch.zeros((count, patches), dtype=torch.int32, device=device)

    def add(self, prompt: torch.Tensor | np.ndarray) -> None:
        """Take one more prompt image [P2, D] into account; P2 is the same for all prompts."""
        given = _tensor(prompt, self.queries.device, "prompt", "[P2, D]", 2)
        patches, width = given.shape
        expected = (self._prompt_patches or patches, self.queries.shape[2])
        if (patches, width) != expected or not patches:
            raise DataError(f"Prompt {self.prompts + 1} has shape {[patches, width]}, expected {[*expected]}")
        values = given.to(torch.float32)
        inverse = _inverse_length(values)
        if not bool(torch.isfinite(inverse).all()):
            raise DataError(f"Prompt {self.prompts + 1} holds NaN, infinite or overflowing patch tokens")
        across = (values * inverse[:, None]).t().contiguous()
        if not self.prompts:
            self._prompt_patches = patches
            of_one = (len(self._query), patches)
            self._products = torch.empty(of_one, dtype=torch.float32, device=self.queries.device)
            self._held = torch.empty((TOGETHER, *of_one), dtype=torch.float32, device=self.queries.device)
        for start in range(0, len(self.queries), TOGETHER):
            self._compare(slice(start, start + TOGETHER), across)
        self.prompts += 1

    def _compare(self, images: slice, across: torch.Tensor) -> None:
        """Products image by image; what only picks among them, and so rounds nothing, for some together."""
        queries = self.queries[images]
        held = self._held[: len(queries)]
        for query, products in zip(queries, held, strict=True):
            self._query.copy_(query)
            torch.mm(self._query, across, out=self._products)
            products.copy_(self._products)
        # The query's length changes no order, so only the largest product is divided by it, in the end.
        # Of equal products max takes the first, and `>` keeps the earlier prompt.
        best, patch = held.max(dim=2)
        nearer = best > self._largest[images]
        found = (patch + self.prompts * across.shape[1]).to(torch.int32)
        self._largest[images] = torch.where(nearer, best, self._largest[images])
        self._index[images] = torch.where(nearer, found, self._index[images])

    @property
    def distance(self) -> torch.Tensor:
        """fp32 [n, P] in 0..1: ``min over j of 0.5 * (1 - cos(query[i], prompts[j]))``. A copy.

        0 is the same direction, 0.5 a right angle, 1 the opposite. Rounding that would leave 0..1 by
        1e-7 is cut off.
        """
        self._some()
        return (0.5 * (1 - self._largest * self._inverse)).clamp_(0, 1)

    @property
    def index(self) -> torch.Tensor:
        """int32 [n, P]: prompt number (from 0) * P2 + patch of the nearest prompt patch. A copy.

        Ties go to the earlier, so a query patch of zeros has index 0.
        """
        self._some()
        return self._index.clone()

    def _some(self) -> None:
        if not self.prompts:
            raise DataError("No prompt was added, so no prompt patch is nearest")


def _tensor(
    values: torch.Tensor | np.ndarray, device: torch.device | str | None, what: str, form: str, axes: int
) -> torch.Tensor:
    if isinstance(values, np.ndarray):
        values = torch.from_numpy(values if values.flags.writeable else values.copy())
    if values.dtype not in (torch.float16, torch.float32) or values.ndim != axes:
        raise DataError(
            f"Nearest patches: {what} are {values.dtype} {list(values.shape)}, expected fp16 or fp32 {form}"
        )
    return values.detach().to(device if device is not None else values.device)


def _inverse_length(vectors: torch.Tensor) -> torch.Tensor:
    """1 / length of each row of fp32 [P, D], 0 for rows of zeros, NaN where the length is not finite."""
    length = torch.linalg.vector_norm(vectors, dim=1)
    inverse = torch.where(length > 0, 1 / length, torch.zeros_like(length))
    return torch.where(torch.isfinite(length), inverse, torch.full_like(length, torch.nan))
