"""scikit-learn's handwritten digits under MNIST's two protocols. Bundled: needs no raw files.

All 1,797 images live in one array file, ``digits.npy``; a sample picks one by ``index``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from gad.datasets import arrays
from gad.harness.built import Built
from gad.harness.nouns import Category, DatasetInfo, Sample, Split

ARRAY = "digits.npy"
EVEN = "even"

# Train and test images of each digit 0..9 in the split below; the tests compare them with scikit-learn.
_TRAIN = (89, 91, 89, 91, 90, 91, 90, 90, 87, 90)
_TEST = (89, 91, 88, 92, 91, 91, 91, 89, 87, 90)

_LICENCE = "CC BY 4.0 (UCI Machine Learning Repository)"
_CITATION = (
    "E. Alpaydin, C. Kaynak. Optical Recognition of Handwritten Digits. UCI Machine Learning Repository, "
    "1998. https://doi.org/10.24432/C50P49. As distributed with scikit-learn (load_digits)."
)
_SOURCE = "https://scikit-learn.org/stable/modules/generated/sklearn.datasets.load_digits.html"
_NOTES = "8x8 grey images; half of them is test: train_test_split(test_size=0.5, stratify=y, random_state=0)."

INFOS = (
    DatasetInfo(
        name="digits-one-vs-all",
        title="Handwritten digits, one against all",
        protocol="one-vs-all",
        licence=_LICENCE,
        citation=_CITATION,
        source=_SOURCE,
        notes=_NOTES,
        bundled=True,
        expected=tuple(
            Category(
                category=str(digit),
                text=f"digit {digit}",
                train_normal=_TRAIN[digit],
                test_normal=_TEST[digit],
                test_anomalous=sum(_TEST) - _TEST[digit],
            )
            for digit in range(10)
        ),
        builder="gad.datasets.digits:build_one_vs_all",
    ),
    DatasetInfo(
        name="digits-multi-class",
        title="Handwritten digits, even against odd",
        protocol="multi-class",
        licence=_LICENCE,
        citation=_CITATION,
        source=_SOURCE,
        notes=_NOTES,
        bundled=True,
        expected=(
            Category(
                category=EVEN,
                text="even digit",
                train_normal=sum(_TRAIN[0::2]),
                test_normal=sum(_TEST[0::2]),
                test_anomalous=sum(_TEST[1::2]),
            ),
        ),
        builder="gad.datasets.digits:build_multi_class",
    ),
)


def build_one_vs_all(raw: Path | None, made: Path, info: DatasetInfo) -> Built:
    """Ten categories: the category's digit is normal, the other nine are anomalous."""
    return _build(made, {str(digit): (digit,) for digit in range(10)}, info)


def build_multi_class(raw: Path | None, made: Path, info: DatasetInfo) -> Built:
    """One category: even digits are normal, odd ones anomalous."""
    return _build(made, {EVEN: (0, 2, 4, 6, 8)}, info)


def _build(made: Path, normal: dict[str, tuple[int, ...]], info: DatasetInfo) -> Built:
    """Write the array and list, per category, its normal train images and every test image."""
    import numpy as np
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    from gad.harness.images import array_digest

    values, digits = load_digits(return_X_y=True)
    images = np.rint(values * 255 / 16).astype(np.uint8).reshape(-1, 8, 8)
    arrays.write(made / ARRAY, images)
    train, test = train_test_split(np.arange(len(digits)), test_size=0.5, stratify=digits, random_state=0)
    digests = [array_digest(image) for image in images]

    def sample(index: int, split: Split, category: str) -> Sample:
        digit = int(digits[index])
        label: Literal[0, 1] = 0 if digit in normal[category] else 1
        return Sample(
            id=f"{ARRAY}#{index:04d}",
            path=ARRAY,
            index=index,
            label=label,
            split=split,
            category=category,
            digest=digests[index],
            defect=f"digit {digit}" if label else "",
        )

    samples: list[Sample] = []
    for category, own in normal.items():
        samples += [sample(int(i), "train", category) for i in train if digits[i] in own]
        samples += [sample(int(i), "test", category) for i in test]
    return Built(samples=tuple(samples), root=None, texts={c.category: c.text for c in info.expected})
