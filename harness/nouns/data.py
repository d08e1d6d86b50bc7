"""Images and datasets, and which of a dataset's images are prompts."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gad.harness.nouns.frozen import Frozen

Protocol = Literal["industrial", "medical", "one-vs-all", "multi-class"]
Split = Literal["train", "test"]
Box = tuple[int, int, int, int]  # left, top, right, bottom in pixels


class Sample(Frozen):
    """One image of a dataset as one category sees it.

    ``id`` is the image's NFC POSIX path inside the raw tree, plus ``#`` and the position where one file
    holds several images. ``path`` is the same file as the file system spells it, relative to the
    dataset's root. ``crop`` is (left, top, right, bottom) in pixels; ``index`` picks one image of an
    array file. ``tile`` is cut out of what is then there (:mod:`gad.harness.tiles`; never in a manifest).
    ``digest`` is the sha256 of the image's stored bytes. ``mask`` is a path like ``path``, of a
    mask of the whole file, cropped like it; of several, one a line, what any of them marks is marked.
    """

    id: str
    path: str
    label: Literal[0, 1]
    split: Split
    category: str
    digest: str
    defect: str = ""
    crop: Box | None = None
    index: int | None = None
    tile: Box | None = Field(default=None, exclude_if=lambda value: value is None)
    mask: str = ""
    mask_digest: str = ""


class Category(Frozen):
    """What a detector is shown at a time, with its counts. ``text`` fills the text prompts.

    ``test_digest`` is :func:`gad.harness.ids.samples_digest` of its test samples in manifest order.
    """

    category: str
    text: str
    train_normal: int
    test_normal: int
    test_anomalous: int
    test_digest: str = ""


class DatasetInfo(Frozen):
    """What is known of a dataset before any file is seen: its card.

    ``expected`` lists categories with the counts of the official set (empty when it depends on the
    folder); those of its fields that are only known roughly are named in ``about``. ``fingerprint`` is that
    of the complete official set, where somebody could compute it. ``authors_split`` says how the split
    relates to that of InCTRL's authors. ``builder`` is ``module:function``; see
    :mod:`gad.datasets.catalog`. A bundled dataset needs no raw files.
    """

    name: str
    title: str
    protocol: Protocol
    licence: str
    citation: str
    source: str = ""
    notes: str = ""
    bundled: bool = False
    auxiliary_only: bool = False
    expected: tuple[Category, ...] = ()
    about: tuple[str, ...] = ()
    fingerprint: str = ""
    authors_split: str = ""
    builder: str


class PromptSet(Frozen):
    """The first ``len(samples)`` normal train images of a category in the order of one seed."""

    dataset: str
    category: str
    seed: int
    samples: tuple[Sample, ...]

    def first(self, shots: int) -> tuple[Sample, ...]:
        return self.samples[:shots]
