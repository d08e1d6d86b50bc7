"""Kept anomaly maps: one file a part, named by the hash of its bytes and never changed.

    RESULTS/maps/<hash>.safetensors     ``maps``: fp16 [n, h, w]; header ``gad``: part, ids of its n images,
                                        how these were seen (resized, cropped), to draw maps over them

A part's record names its file, which is written first: a record without its maps does not exist. A file
without a record is what a killed run left; the same part writes it again under the same name.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gad.harness import atomic
from gad.harness.errors import StoreError
from gad.harness.nouns import ImageInput
from gad.harness.store.layout import Layout

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

HASH_LENGTH = 32


@dataclass(frozen=True)
class Maps:
    """``maps``: fp16 ``[n, h, w]``, higher is more anomalous, of the samples ``ids``, in manifest order.

    Each covers its image as it was ``seen``; None where that was not written down.
    """

    ids: tuple[str, ...]
    maps: NDArray[np.float16]
    seen: ImageInput | None = None


def pack(part_id: str, kept: Maps) -> tuple[str, bytes]:
    """Name and content of the file of a part's maps."""
    import numpy as np
    from safetensors.numpy import save

    seen = kept.seen.model_dump(mode="json") if kept.seen else None
    header = json.dumps({"part": part_id, "ids": kept.ids, "seen": seen}, ensure_ascii=False)
    content = save({"maps": np.ascontiguousarray(kept.maps)}, metadata={"gad": header})
    return _name(content), content


def write(results: Path, name: str, content: bytes) -> None:
    """Write a packed file durably, unless it is there."""
    path = place(results, name)
    if not path.exists():
        atomic.make_folder(path.parent)
        atomic.write_bytes(path, content)


def place(results: Path, name: str) -> Path:
    return Layout(results).maps / f"{name}.safetensors"


def read(results: Path, name: str) -> Maps:
    """The maps of a file, after its checksum held. Raises StoreError when it is gone or damaged."""
    from safetensors.numpy import load

    path = place(results, name)
    fix = "`harness db rebuild` sets damaged files aside; `harness submit` then makes these maps again."
    try:
        content = path.read_bytes()
    except OSError as error:
        raise StoreError(f"maps {path} cannot be read: {error.strerror or error}", fix=fix) from error
    if _name(content) != name:
        raise StoreError(f"maps {path} are damaged: their checksum does not match", fix=fix)
    # A safetensors file starts with the length of its JSON header.
    length = int.from_bytes(content[:8], "little")
    header = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["gad"])
    seen = ImageInput.model_validate(header["seen"]) if header.get("seen") else None
    return Maps(ids=tuple(header["ids"]), maps=load(content)["maps"], seen=seen)


def is_whole(path: Path) -> bool:
    """Whether a file's bytes match its name. Raises OSError when it cannot be read."""
    return _name(path.read_bytes()) == path.stem


def set_damaged_aside(results: Path) -> list[Path]:
    """Move every damaged file to ``damaged/`` and return where they went."""
    layout, moved = Layout(results), []
    for path in sorted(layout.maps.glob("*.safetensors")):
        if not path.name.startswith(atomic.TEMPORARY) and not is_whole(path):
            atomic.make_folder(layout.damaged)
            atomic.rename_durably(path, layout.damaged / path.name)
            moved.append(layout.damaged / path.name)
    return moved


def _name(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:HASH_LENGTH]
