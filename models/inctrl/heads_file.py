"""Trained heads in a file of their own, as `harness train` leaves it: safetensors under the authors' names.

The encoder is left out; a header names it, and what the heads were trained with and on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import ConfigDict

from gad.harness import atomic
from gad.harness.errors import ModelError
from gad.harness.nouns import Frozen
from gad.models.inctrl.info import Options

if TYPE_CHECKING:
    from torch import Tensor

HEADER, SIZES = "gad", "sizes"  # the metadata's key; the tensor that says what the heads were built for

Sizes = tuple[int, int, int, int]  # patches, width of the class token, layers and width of the patch tokens


class Header(Frozen):
    """``encoder`` is the feature store's key: weights, preprocessing, code. Scores with another mean nothing.

    ``backbone_digest``: sha256 of the encoder's tensors, where it is known. Entries of later versions that
    are not known here are passed over.
    """

    model_config = ConfigDict(extra="ignore")

    model: Literal["inctrl"] = "inctrl"
    options: Options
    auxiliary: str
    shots: int
    training_seed: int
    encoder: str
    backbone_digest: str = ""


def save(path: Path, state: Mapping[str, Tensor], sizes: Sizes, header: Header) -> None:
    """Write heads durably. Raises ModelError when they are not what the header says."""
    import torch
    from safetensors.torch import save_file

    _require_fit(state, header, sizes, "the heads are not those of their header")
    tensors = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    temporary = atomic.temporary_name(path)
    try:
        save_file({**tensors, SIZES: torch.tensor(sizes)}, temporary, {HEADER: header.model_dump_json()})
        atomic.fsync_file(temporary)
        atomic.rename_durably(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def read(path: Path) -> tuple[Header, dict[str, Tensor], Sizes]:
    """Header, heads and sizes. Raises ModelError when the file is something else, or a key does not fit."""
    from safetensors import SafetensorError, safe_open
    from safetensors.torch import load_file

    try:
        with safe_open(path, framework="pt") as opened:
            header = Header.model_validate(json.loads((opened.metadata() or {})[HEADER]))
        state = load_file(path)
        patches, dim, layers, width = state.pop(SIZES).tolist()
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ModelError(
            f"{path} holds no InCTRL heads: {reason}", fix="`harness train` writes them."
        ) from error
    sizes = (patches, dim, layers, width)
    _require_fit(state, header, sizes, f"{path} does not hold the heads that its header promises")
    return header, state, sizes


def _require_fit(state: Mapping[str, Tensor], header: Header, sizes: Sizes, what: str) -> None:
    import torch

    from gad.models.inctrl.fitting import require_fit, shapes_of
    from gad.models.inctrl.network import InCTRLHeads

    patches, dim, layers, width = sizes
    with torch.device("meta"):
        heads = InCTRLHeads(
            patches,
            dim,
            header.options.components,
            header.options.residual,
            layers=layers,
            width=width,
        )
    require_fit(state, shapes_of(heads.state_dict()), what)
