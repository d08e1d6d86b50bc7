"""How much disk the features take that a plan will keep, told before any is computed.

Light: sizes come from descriptions of the encoders, images from manifests, what is stored from the indices in the
cache.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gad.harness import manifest
from gad.harness.chunks import look
from gad.harness.features.known import keys_of
from gad.harness.features.shards import Stream
from gad.harness.features.store import FeatureStore
from gad.harness.nouns import FeatureInput
from gad.harness.plan import Plan
from gad.harness.plancost import distinct, named_trainings, wanted_images
from gad.harness.units import for_training, shown_in_training, source_of
from gad.models.backbones.describe import describe

INDEX_BYTES = 72  # what a row takes in its shard's index


@dataclass
class _Need:
    """Of one encoder: bytes a row of each stream, images by digest, and images only counted."""

    wanted: FeatureInput
    rows: dict[str, int] = field(default_factory=dict)
    digests: set[str] = field(default_factory=set)
    counted: int = 0


def feature_bytes(plan: Plan, cache: Path, *, stream: bool = False) -> int:
    """About how many bytes of features the new parts of a plan add to the cache.

    ``stream``: features of test images are not kept. Weights of one encoder that were used on several kinds of
    device count as one.
    """
    store, total = FeatureStore(cache / "features"), 0
    alike: dict[tuple[Any, ...], dict[str, set[str]]] = {}  # by look and encoder, images that it has not seen
    for need in _needs(plan, cache, stream):
        absent = {name: _absent(need, name, cache, store) for name in need.rows}
        total += sum((len(absent[name]) + need.counted) * (need.rows[name] + INDEX_BYTES) for name in absent)
        fields = need.wanted.model_dump(mode="json")
        alike.setdefault(look(fields), {}).setdefault(source_of(fields), set()).update(absent["class"])
    for (_, size, *_), unseen in alike.items():
        if len(unseen) > 1:  # their pixels are kept from one encoder to the next
            total += len(set[str]().union(*unseen.values())) * (3 * size * size + INDEX_BYTES)
    return total


def free_bytes(folder: Path) -> int:
    """Bytes free where a folder is, or will be."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    return shutil.disk_usage(there).free


def gigabytes(count: float) -> str:
    """Bytes for people."""
    return f"{count / 1e9:.2f} GB" if count >= 1e7 else f"{count / 1e6:.2f} MB"


def row_bytes(wanted: FeatureInput) -> dict[str, int]:
    """Bytes that one image takes in each stream that an input is made from."""
    known = describe(wanted.backbone)
    layers = wanted.layers if wanted.tokens or wanted.nearest else ()
    rows = {"class": 4 * known.embed_dim}
    for layer in layers:
        rows[wanted.stream(layer)] = 2 * known.sides[layer - 1] ** 2 * known.widths[layer - 1]
    for size in wanted.windows:
        rows[f"window-{size}"] = 2 * (known.sides[0] - size + 1) ** 2 * known.embed_dim
    return rows


def _needs(plan: Plan, cache: Path, stream: bool) -> list[_Need]:
    # Not by dataset: what several have in common (one set under two protocols) is kept once.
    needs: dict[str, _Need] = {}

    def need(wanted: FeatureInput) -> _Need:
        found = needs.setdefault(source_of(wanted.model_dump(mode="json")), _Need(wanted))
        found.rows |= row_bytes(wanted)
        return found

    for (dataset, _), asked in wanted_images(plan).items():
        if asked.inputs[0]["kind"] != "features":
            continue
        tiled = asked.inputs[0].get("resize") == "tile"
        images = distinct(plan, plan.sources[dataset], asked.categories, tests=not stream, tiled=tiled)
        for fields in asked.inputs:
            found = need(FeatureInput.model_validate(fields))
        if isinstance(images, int):
            found.counted += images
        else:
            found.digests |= images
    for name in named_trainings(plan, cache):
        training = plan.trainings[name]
        prepared = plan.auxiliary[training.auxiliary].prepared
        fields = plan.method_fields[training.method_key]["input"]
        if prepared is not None and fields is not None and fields["kind"] == "features":
            seen = for_training(FeatureInput.model_validate(fields))
            assert isinstance(seen, FeatureInput)
            found = need(seen)
            shown = shown_in_training(manifest.read_samples(prepared), training.trains_on)
            found.digests |= {sample.digest for sample in shown}
    return list(needs.values())


def _absent(need: _Need, name: str, cache: Path, store: FeatureStore) -> list[str]:
    """Images that a stream does not hold, under whichever key of the encoder."""
    left = list(need.digests)
    for key in keys_of(cache, need.wanted):
        left = store.missing(Stream(encoder=key, name=name), left)
    return left
