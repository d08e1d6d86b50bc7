"""Many small images in one file: ``[n, height, width]`` or ``[n, height, width, 3]`` of uint8."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def write(path: Path, images: NDArray[np.uint8]) -> None:
    """Write images in npy format 1.0, whose bytes depend on the content alone."""
    import numpy as np

    with open(path, "wb") as handle:
        np.lib.format.write_array(handle, np.ascontiguousarray(images), version=(1, 0), allow_pickle=False)
        handle.flush()
        os.fsync(handle.fileno())  # the dataset gets its name after this: a power cut leaves no half of it
