"""Units of work: what is decoded or encoded together, what is trained, and what is scored together.

None of it depends on how many workers there are. An image is decoded once per image input and encoded once
per encoder, in chunks cut from the manifest. A scoring unit of image methods is a (category, method,
seed) with all its K; one of feature methods is a (category, encoder, seed) with all its methods and K,
because they share what is derived from the features.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import Field

from gad.harness import tiles
from gad.harness.ids import canonical, digest
from gad.harness.nouns import FeatureInput, Frozen, ImageInput, Sample
from gad.harness.tiles import Tiles

ENCODERS_PER_GPU = 4  # while one decodes its images, others encode theirs
SLICE = 128  # query images after which batches start anew: a split scored in slices has the same batches

Input = Annotated[ImageInput | FeatureInput, Field(discriminator="kind")]


class EncodeUnit(Frozen):
    """Up to CHUNK_IMAGES distinct images of one dataset, to be decoded or encoded for one input.

    For features ``input`` is the union of what the methods of its encoder want, and ``names`` are the
    categories whose text prompts are to be embedded along. Features that are not to be ``kept`` go to the
    scoring tasks and nowhere else. ``shared``: another encoder may see these images in the same way, so that
    what is decoded is worth keeping.
    """

    unit_id: str
    dataset: str
    root: str
    input: Input
    samples: tuple[Sample, ...]
    names: tuple[str, ...] = ()
    keep: bool = True
    shared: bool = False


class TrainUnit(Frozen):
    """One training: the samples of the auxiliary set that it is shown (:func:`shown_in_training`).

    ``texts`` are (category, class text). ``input`` asks for images, or for patch tokens and texts of an encoder.
    With a ``checkpoint`` there is nothing to train on: the file is read.
    """

    unit_id: str
    dataset: str
    model: str
    options: str
    method_key: str
    shots: int
    training_seed: int
    input: Input
    samples: tuple[Sample, ...]
    texts: tuple[tuple[str, str], ...]
    chunks: tuple[str, ...]
    checkpoint: str = ""


class PlannedPart(Frozen):
    """One part with its method and prompts, ready to be scored. ``options`` is canonical JSON."""

    part_id: str
    model: str
    options: str
    method_key: str
    input: Input
    shots: int
    prompts: tuple[Sample, ...]
    training: str = ""
    training_seed: int | None = None


class ScoreUnit(Frozen):
    """New parts of one category and seed that are scored together, method by method, smallest K first.

    ``prompts`` are those of its largest K; ``tests`` is the test split in manifest order; ``chunks``
    are the encode units that hold their images. Where features are streamed, ``tests`` is one of so many
    ``slices`` of the split, and every other unit of the same parts has another one. ``masked``: every
    anomalous image of the whole split has a mask. ``root``: where masks lie (chunks may be another dataset's).
    ``tiles``: of those prompts and tests that are shown in several.
    """

    unit_id: str
    dataset: str
    category: str
    text: str
    seed: int
    input: Input
    parts: tuple[PlannedPart, ...]
    prompts: tuple[Sample, ...]
    tests: tuple[Sample, ...]
    chunks: tuple[str, ...]
    slice: int = 0
    slices: int = 1
    masked: bool = False
    root: str = ""
    tiles: Tiles = Field(default_factory=dict)

    def shown(self, samples: Iterable[Sample]) -> tuple[Sample, ...]:
        """Samples as the encoder meets them: the long ones in tiles."""
        return tiles.shown(samples, self.tiles)


class Work(Frozen):
    encode: dict[str, EncodeUnit]
    score: tuple[ScoreUnit, ...]
    train: dict[str, TrainUnit]

    @property
    def images(self) -> int:
        return sum(len(unit.samples) for unit in self.encode.values())

    @property
    def parts(self) -> int:
        return sum(len(unit.parts) for unit in self.score if unit.slice == 0)


def shown_in_training(samples: Iterable[Sample], trains_on: str) -> tuple[Sample, ...]:
    """All samples, train and test splits together, or the ``normals`` of the train splits alone."""
    if trains_on == "all":
        return tuple(samples)
    return tuple(sample for sample in samples if sample.split == "train" and sample.label == 0)


def for_training(scoring: ImageInput | FeatureInput) -> ImageInput | FeatureInput:
    """What training sees: the same images, or the patch tokens of the layers whose distances scoring sees."""
    if isinstance(scoring, ImageInput):
        return scoring
    return scoring.model_copy(update={"tokens": scoring.tokens or scoring.nearest, "nearest": False})


def source_of(wanted: dict[str, Any]) -> str:
    """What an image has to meet once for an input: the input itself, or for features the encoder."""
    if wanted["kind"] == "features":
        names = ("kind", "backbone", "weights", "size", "precision", "resize", "normed")
        wanted = {name: wanted[name] for name in names if name in wanted}
    return canonical(wanted).decode()


def source_name(wanted: dict[str, Any]) -> str:
    """A short name of :func:`source_of`, for records."""
    return digest(source_of(wanted))[:20]
