"""Which keys in the feature store belong to an encoder, for those who do not load it.

    CACHE/encoders/<source>/<key>     empty files, written when an encoder is first used

A key is made from the weights themselves, which are only known once they are loaded.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gad.harness.ids import digest
from gad.harness.nouns import ENCODER_VERSION, PIXELS_VERSION, FeatureInput
from gad.harness.units import source_of


def remember(cache: Path, wanted: FeatureInput, key: str) -> None:
    """Note that an encoder's features are kept under ``key``. Lost without harm: only estimates ask for it."""
    place = _folder(cache, wanted) / key
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()


def keys_of(cache: Path, wanted: FeatureInput) -> list[str]:
    """Keys under which features of this encoder may be: none, or one for each kind of device it was used on."""
    return sorted(path.name for path in _folder(cache, wanted).glob("*"))


def _folder(cache: Path, wanted: FeatureInput) -> Path:
    fields: dict[str, Any] = wanted.model_dump(mode="json")
    return cache / "encoders" / digest([source_of(fields), ENCODER_VERSION, PIXELS_VERSION])[:20]
