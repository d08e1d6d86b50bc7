"""Cutting images into encode units: who wants what of which image, each met once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gad.harness.ids import digest
from gad.harness.manifest import Prepared
from gad.harness.nouns import FeatureInput, ImageInput, Sample
from gad.harness.units import EncodeUnit, source_of

CHUNK_IMAGES = 256


class Chunks:
    """Cuts images into encode units. An image that meets a source is in one chunk, whoever wants it.

    What every method wants of a source is collected first, so that one pass gives all of it.
    """

    def __init__(self) -> None:
        self.units: dict[str, EncodeUnit] = {}
        self.inputs: dict[str, list[dict[str, Any]]] = {}
        self.images: dict[tuple[str, str], str] = {}  # (source, image digest) -> chunk
        self.texts: dict[tuple[str, str], str] = {}  # (source, class text) -> chunk
        self.slices: dict[tuple[str, tuple[str, ...]], str] = {}  # (source, image digests) -> chunk

    def want(self, wanted: dict[str, Any]) -> None:
        self.inputs.setdefault(source_of(wanted), []).append(wanted)

    def union(self, source: str) -> ImageInput | FeatureInput:
        """One input that serves everybody who wants this source."""
        return _union(self.inputs[source])

    def place(self, source: str, prepared: Prepared, samples: Iterable[Sample], texts: Iterable[str]) -> None:
        """Put the samples and texts that no chunk has yet into new ones, in the order given."""
        wanted = self.union(source)
        distinct = {s.digest: s for s in samples if (source, s.digest) not in self.images}
        names = [text for text in dict.fromkeys(texts) if (source, text) not in self.texts]
        if not (isinstance(wanted, FeatureInput) and wanted.text):
            names = []
        ordered = list(distinct.values())
        for start in range(0, max(len(ordered), len(names[:1])), CHUNK_IMAGES):
            chunk = tuple(ordered[start : start + CHUNK_IMAGES])
            own = tuple(names) if start == 0 else ()
            key = digest([prepared.name, wanted.model_dump(), [s.digest for s in chunk], own])[:20]
            root = str(prepared.root_path)
            self.units[key] = EncodeUnit(
                unit_id=key,
                dataset=prepared.name,
                root=root,
                input=wanted,
                samples=chunk,
                names=own,
                shared=self._is_shared(wanted),
            )
            self.images.update({(source, sample.digest): key for sample in chunk})
            self.texts.update({(source, text): key for text in own})

    def _is_shared(self, wanted: ImageInput | FeatureInput) -> bool:
        """Whether another encoder of the work looks at images of the same size, made the same way."""
        alike = [look(inputs[0]) for inputs in self.inputs.values()]
        return isinstance(wanted, FeatureInput) and alike.count(look(wanted.model_dump())) > 1

    def slice(self, source: str, prepared: Prepared, samples: tuple[Sample, ...]) -> str:
        """The chunk of exactly these images, not to be kept; one for all categories that test the same."""
        key = (source, tuple(sample.digest for sample in samples))
        if key not in self.slices:
            wanted, distinct = self.union(source), {s.digest: s for s in samples}
            name = digest([prepared.name, wanted.model_dump(), *key, "not kept"])[:20]
            self.slices[key] = name
            self.units[name] = EncodeUnit(
                unit_id=name,
                dataset=prepared.name,
                root=str(prepared.root_path),
                input=wanted,
                samples=tuple(distinct.values()),
                keep=False,
            )
        return self.slices[key]

    def of(self, source: str, samples: Iterable[Sample], texts: Iterable[str]) -> tuple[str, ...]:
        """The chunks that hold some samples and texts."""
        found = dict.fromkeys(self.texts[source, text] for text in texts if (source, text) in self.texts)
        found.update(dict.fromkeys(self.images[source, sample.digest] for sample in samples))
        return tuple(found)


def look(wanted: dict[str, Any]) -> tuple[Any, ...]:
    """What of an input says how its pixels are made; encoders of one look may still differ in details."""
    return tuple(wanted.get(name) for name in ("kind", "size", "preprocessing", "resize"))


def _union(inputs: list[dict[str, Any]]) -> ImageInput | FeatureInput:
    """One input that serves several of the same source: image inputs are equal, features are united."""
    if inputs[0]["kind"] == "images":
        return ImageInput.model_validate(inputs[0])
    wanted = [FeatureInput.model_validate(fields) for fields in inputs]
    return wanted[0].model_copy(
        update={
            "layers": tuple(
                sorted({n for each in wanted if each.tokens or each.nearest for n in each.layers})
            ),
            "tokens": any(each.tokens for each in wanted),
            "nearest": any(each.nearest for each in wanted),
            "text": any(each.text for each in wanted),
            "windows": tuple(sorted({size for each in wanted for size in each.windows})),
            "window_priors": False,  # nothing of an encoder
        }
    )
