"""Pixel-level metrics of one category, pooled over all of its test images (design: protocol, section 4).

Maps are stretched to the size that the detector saw, bilinear, and not smoothed; masks come resized to the same
size with nearest neighbour (:func:`gad.harness.images.mask_pixels`). Nothing is binned or sampled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from gad.harness.nouns import PixelResult

if TYPE_CHECKING:
    from numpy.typing import NDArray

PRO_LIMIT = 0.3  # AUPRO looks at false positive rates up to here
EIGHT = np.ones((3, 3), dtype=int)  # diagonal neighbours are of one region


def summary(maps: NDArray[np.float32], masks: NDArray[np.bool_]) -> PixelResult:
    """Pixel AUROC, average precision and AUPRO of maps ``[n, h, w]`` and masks ``[n, S, S]``.

    All None where no pixel, or every pixel, is marked. Takes about 70 bytes a pixel while it runs, and a
    second for a million pixels.
    """
    import sklearn
    from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

    marked = masks.ravel()
    if not marked.any() or marked.all():
        return PixelResult()
    heat = stretched(maps, masks.shape[1:]).ravel()
    # What was checked when it came in is not checked again, which would take most of the time.
    with sklearn.config_context(assume_finite=True, skip_parameter_validation=True):
        auroc = float(roc_auc_score(marked, heat))
        auprc = float(average_precision_score(marked, heat))
        # With these weights, sklearn's "true positive rate" is the mean overlap of the regions.
        false_positive, overlap, _ = roc_curve(
            marked, heat, sample_weight=region_weights(masks).ravel(), drop_intermediate=True
        )
    area = limited_area(false_positive, overlap)
    return PixelResult(pixel_auroc=auroc, pixel_auprc=auprc, pixel_aupro=area)


def stretched(maps: NDArray[np.float32], size: tuple[int, ...]) -> NDArray[np.float32]:
    """Maps ``[n, h, w]`` as float32 ``[n, *size]``, bilinear about pixel centres."""
    high, wide = size
    resized = [Image.fromarray(one).resize((wide, high), Image.Resampling.BILINEAR) for one in maps]
    return np.stack([np.asarray(one) for one in resized])


def region_weights(masks: NDArray[np.bool_]) -> NDArray[np.float64]:
    """One over the size of its region for every marked pixel, 1 for the others, ``[n, S, S]``.

    Regions are the 8-connected ones of each mask.
    """
    from scipy.ndimage import label

    weights = np.ones(masks.shape)
    for mask, own in zip(masks, weights, strict=True):
        regions, _ = label(mask, structure=EIGHT)
        sizes = np.bincount(regions.ravel())
        own[mask] = 1.0 / sizes[regions[mask]]
    return weights


def limited_area(false_positive: NDArray[np.float64], overlap: NDArray[np.float64]) -> float:
    """Area under a curve from 0 up to ``PRO_LIMIT``, divided by it; the curve is cut by linear interpolation."""
    from sklearn.metrics import auc

    inside = false_positive < PRO_LIMIT
    cut = float(np.interp(PRO_LIMIT, false_positive, overlap))
    x = np.append(false_positive[inside], PRO_LIMIT)
    y = np.append(overlap[inside], cut)
    return float(auc(x, y)) / PRO_LIMIT
