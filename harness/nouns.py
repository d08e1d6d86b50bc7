"""The words of the project as frozen types. They hold data and check it; they do nothing."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Protocol = Literal["industrial", "medical", "one-vs-all", "multi-class"]
Status = Literal["planned", "running", "done", "failed", "skipped"]
Split = Literal["train", "test"]
Precision = Literal["fp32", "bf16", "fp16"]
Resize = Literal["crop", "squash", "pad"]


class Frozen(BaseModel):
    """Immutable, and strict about names: an unknown field is an error, never ignored."""

    # defer_build: validators are made when first used, which keeps imports (and so `--help`) quick.
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, defer_build=True)


class Sample(Frozen):
    """One image of a dataset as one category sees it.

    ``id`` is the image's NFC POSIX path inside the raw tree, plus ``#`` and the position where one file
    holds several images. ``path`` is the same file as the file system spells it, relative to the
    dataset's root. ``crop`` is (left, top, right, bottom) in pixels; ``index`` picks one image of an
    array file. ``digest`` is the sha256 of the image's stored bytes. ``mask`` is a path like ``path``, of a
    mask of the whole file, cropped like it; of several, one a line, what any of them marks is marked.
    """

    id: str
    path: str
    label: Literal[0, 1]
    split: Split
    category: str
    digest: str
    defect: str = ""
    crop: tuple[int, int, int, int] | None = None
    index: int | None = None
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


ENCODER_VERSION = 1  # raise it when gad.models.backbones would give other features; in keys and in the store
PIXELS_VERSION = 1  # raise it when gad.harness.images would give other pixels; part of every method key


class ImageInput(Frozen):
    """Images as an adapter wants them: uint8 RGB ``[n, size, size, 3]``.

    ``squash`` resizes both sides to ``size``; ``crop`` resizes the short side and cuts the centre; ``pad``
    resizes the long side and puts the image in the middle of a black square.
    Bicubic with Pillow's antialiasing, then conversion to RGB.

    Some encoders resize to more than they see (``short``, 0: to ``size``) and then cut the centre, or
    interpolate bilinearly, or convert first (``rgb_first``: it shows in palettes and transparency alone).
    These three are written out only where they are not the default, so that keys without them stand.
    """

    kind: Literal["images"] = "images"
    size: int = Field(ge=1, le=4096)
    resize: Resize = "squash"
    short: int = Field(default=0, ge=0, le=8192, exclude_if=lambda value: value == 0)
    interpolation: Literal["bicubic", "bilinear"] = Field(
        default="bicubic", exclude_if=lambda value: value == "bicubic"
    )
    rgb_first: bool = Field(default=False, exclude_if=lambda value: value is False)

    @model_validator(mode="after")
    def _crop_fits(self) -> ImageInput:
        if self.short and self.short < self.size:
            raise ValueError(f"resized to {self.short}, an image has no {self.size} pixels to cut out")
        return self


class FeatureInput(Frozen):
    """Features of a frozen encoder as an adapter wants them; class tokens always come.

    ``layers`` are blocks (1-indexed, or counted from the end: -1 is the last; empty: InCTRL's, at 7/12, 9/12
    and 11/12 of the depth), or the stages of a CNN (empty: ``stages`` if there are any, or else 2
    and 3).
    ``tokens``: the patch tokens of those blocks. ``nearest``: each query patch's distance to the nearest
    prompt patch, for those blocks, computed once for all detectors. ``text``: the normal and anomalous
    text embeddings of the category. ``windows``: window sizes s, for the class output of the encoder on
    every s x s window of patches alone (WinCLIP); with ``nearest``, their distances instead.
    ``window_priors``: the text priors of those windows, for maps: they are computed only where maps will be
    looked at, and need ``text`` and ``windows``. ``normed``: the
    tokens of all its layers after the encoder's final norm, which CNNs have not. ``text_tower``: training
    goes through the encoder's text tower. ``size``, ``weights`` and ``preprocessing`` (where it is not CLIP's)
    are filled in, and layers made positive, when the backbone is looked up. ``resize`` is the grid's: ``crop``
    is the encoder's own way, which for CLIP is to crop. ``precision`` of the images' pass through the encoder is
    the grid's. What was not always asked for is written out only where it is not the default, so that keys
    without it stand.
    """

    kind: Literal["features"] = "features"
    backbone: str
    layers: tuple[int, ...] = ()
    stages: tuple[int, ...] = Field(default=(), exclude_if=lambda value: value == ())
    tokens: bool = False
    nearest: bool = False
    text: bool = False
    windows: tuple[int, ...] = ()
    normed: bool = Field(default=False, exclude_if=lambda value: value is False)
    text_tower: bool = Field(default=False, exclude_if=lambda value: value is False)
    window_priors: bool = Field(default=False, exclude_if=lambda value: value is False)
    size: int = 0
    weights: str = ""
    preprocessing: str = Field(default="", exclude_if=lambda value: value == "")
    precision: Precision = Field(default="fp32", exclude_if=lambda value: value == "fp32")
    resize: Resize = Field(default="crop", exclude_if=lambda value: value == "crop")

    def stream(self, layer: int) -> str:
        """The name that the feature store has for the patch tokens of a layer."""
        return f"{'normed' if self.normed else 'layer'}-{layer:02d}"

    @model_validator(mode="after")
    def _priors_can_be_had(self) -> FeatureInput:
        if self.window_priors and not (self.text and self.windows):
            raise ValueError("window_priors are text priors of windows: ask for text and for windows, too")
        return self


Input = ImageInput | FeatureInput


class Trial(Frozen):
    """How long a model's training takes can be told from two short ones.

    ``options``: what to change in given options for each of the two, the shorter first. ``steps``: how many steps
    of equal cost a training has, of (an instance of the options, K, how many categories the auxiliary set has, how
    many of its images the training is shown). ``images``: what a trial is shown, of each label in a category.
    """

    options: tuple[dict[str, Any], dict[str, Any]]
    steps: Callable[[Any, int, int, int], int]
    images: int = Field(default=24, ge=2)


class ModelInfo(Frozen):
    """A detector's card and needs. Light: importing it must import nothing heavy.

    ``options`` is a pydantic model with ``extra="forbid"`` (subclass :class:`Frozen`): its defaults are
    the method's. ``inputs`` tells what images or features it wants for given options. ``adapter`` is
    ``module:Class`` and is imported only in the process that scores. A model that looks through an
    encoder has an option ``backbone``; where a grid leaves it empty it is the grid's, or else
    ``default_backbone``.

    ``min_shots`` is the least K. Where it is 0 for some options alone (a text prior by itself), ``zero_shot``
    tells for given options whether they need no prompts.

    A ``transductive`` model looks at the whole test split before it scores any of it: it is given all queries
    in one batch, and is ranked apart from those that see one query at a time.

    A trained model may name an ``importer``, ``module:function``, which reads checkpoints made elsewhere
    (:class:`gad.harness.adapter.Given`), and an ``exporter``, which writes a checkpoint of ours as others read
    it: ``(checkpoint, backbone, out)``. An option ``checkpoint`` of a trained model is always such a file:
    a path in which ``{auxiliary}``, ``{shots}`` and ``{training_seed}`` are filled in. With it nothing is
    trained. With a ``trial``, `harness plan --calibrate` can tell how long its trainings take. ``check_with``: options
    of a training that is short enough for the conformance suite, which asks for several and not how good they are.

    ``trains_on``: what of the auxiliary set a training is shown, all images or the ``normals`` of the train splits
    alone. ``one_training``: it does not depend on K, so that one serves every K.

    ``shares`` names modules outside its package that its scores depend on, beside those that make features:
    their code is part of the method, like the model's own; of the installed packages that ``distributions`` names
    the version is. ``shots_count`` says what K counts: the prompts
    that a detector is shown, or images of the auxiliary set (then it looks at no prompt).
    """

    name: str
    title: str
    summary: str
    adapter: str
    options: type[BaseModel]
    inputs: Callable[[Any], Input]
    paper: str = ""
    licence: str = ""
    domain: str = "image"
    min_shots: int = 1
    zero_shot: Callable[[Any], bool] | None = None
    trained: bool = False
    trial: Trial | None = None
    check_with: dict[str, Any] = Field(default_factory=dict)
    transductive: bool = False
    importer: str = ""
    exporter: str = ""
    trains_on: Literal["all", "normals"] = "all"
    one_training: bool = False
    shares: tuple[str, ...] = ()
    distributions: tuple[str, ...] = ()
    shots_count: Literal["prompts", "auxiliary"] = "prompts"
    default_backbone: str = ""
    batch_size: int = Field(default=64, ge=1)

    def least_shots(self, options: Any) -> int:
        """The least K with these options (an instance of ``options``, or its fields)."""
        if self.zero_shot is None:
            return self.min_shots
        made = options if isinstance(options, self.options) else self.options.model_validate(options)
        return 0 if self.zero_shot(made) else self.min_shots


class Family(Frozen):
    """Models of another library, each called ``PREFIX:NAME``. Registered in the entry-point group
    ``gad.families``; attributes of the module that it is in are its models' cards, by NAME.

    ``names()`` is empty where the library is not installed; ``info(NAME)`` gives a card, or raises a HarnessError that
    says what to do. ``extra`` is the command that installs the library.
    """

    prefix: str
    summary: str
    names: Callable[[], tuple[str, ...]]
    info: Callable[[str], ModelInfo]
    extra: str = ""


class ModelChoice(Frozen):
    """A model with every option spelled out (defaults filled in), as a grid asks for it."""

    name: str
    options: dict[str, Any]

    def on(self, backbone: str) -> ModelChoice:
        """This choice with an empty option ``backbone`` filled in; others are left as they are."""
        if self.options.get("backbone") != "":
            return self
        return self.model_copy(update={"options": {**self.options, "backbone": backbone}})

    @property
    def checkpoint(self) -> str:
        """Where its trained weights are given (a template), or empty."""
        return str(self.options.get("checkpoint") or "")


class Limits(Frozen):
    """What a part may cost, and how much of a test split is scored.

    ``part_seconds``: running time of one part. ``part_memory_gb``: resident memory of its process tree.
    ``training_seconds``: running time of one training, where it is not that of a part; its other limits are a part's.
    ``part_output_mb``: what it may print. ``test_images``: at most so many test images a category,
    drawn by hash with the label ratio kept (part of the column key); ``None`` is the whole split.
    """

    part_seconds: float = Field(default=3600, gt=0)
    part_memory_gb: float = Field(default=8, gt=0)
    part_output_mb: float = Field(default=64, gt=0)
    training_seconds: float | None = Field(default=None, gt=0)
    test_images: int | None = Field(default=None, ge=2)

    @property
    def of_training(self) -> Limits:
        """The limits of a training."""
        return self.model_copy(update={"part_seconds": self.training_seconds or self.part_seconds})


class Worst(Frozen):
    """Keep a part's most telling maps: of ``worst`` normal images with the highest scores, and of as many
    anomalous ones with the lowest."""

    worst: int = Field(ge=1, le=1_000_000)


ALL_MAPS = 2**31 - 1


def most_maps(wanted: Literal["none", "all"] | Worst) -> int:
    """How many maps of each label to keep, so that less is part of more: 0 is none, ``ALL_MAPS`` all."""
    return wanted.worst if isinstance(wanted, Worst) else {"none": 0, "all": ALL_MAPS}[wanted]


def spelled_shots(shots: int) -> str:
    """K as every table and page writes it: a detector that is shown nothing says so.

    >>> spelled_shots(0), spelled_shots(4)
    ('0 (zero-shot)', '4')
    """
    return str(shots or "0 (zero-shot)")


class Grid(Frozen):
    """What to run: every combination of the axes is a job.

    ``prompts`` names a prompt file for some datasets (:mod:`gad.harness.promptfiles`): there its sets take
    the place of what ``seeds`` would draw. ``maps``: which anomaly maps are kept, of models that give any;
    it changes no score, and so no key. ``pixel_metrics``: whether metrics of maps against masks are computed,
    where there are both; likewise in no key.
    """

    name: str
    models: tuple[ModelChoice, ...]
    datasets: tuple[str, ...]
    shots: tuple[int, ...]
    seeds: tuple[int, ...] = ()
    training_seeds: tuple[int, ...] = (10,)
    prompts: dict[str, str] = Field(default_factory=dict)
    auxiliary: dict[str, str] = Field(default_factory=dict)
    backbone: str = ""
    precision: Precision = "fp32"
    resize: Resize = "crop"
    maps: Literal["none", "all"] | Worst = "none"
    pixel_metrics: bool = False
    limits: Limits = Limits()


class Part(Frozen):
    """A job's share of one category. ``prompts`` are sample ids, in order; ``training`` an id, or empty."""

    part_id: str
    category: str
    text: str
    prompts: tuple[str, ...]
    training: str = ""


class Training(Frozen):
    """One training of a method on an auxiliary set, shared by every job that wants it.

    ``shots`` is 0 where it serves every K. ``trains_on`` is the card's. With a ``checkpoint`` (a file) it was done
    elsewhere and is only read.
    """

    training_id: str
    model: ModelChoice
    method_key: str
    auxiliary: str
    shots: int
    training_seed: int
    trains_on: Literal["all", "normals"] = "all"
    checkpoint: str = ""


class Job(Frozen):
    """One (model with options, dataset, K, seed). ``invalid`` says why it cannot run, or is empty."""

    job_id: str
    model: ModelChoice
    dataset: str
    protocol: Protocol
    shots: int
    seed: int
    training_seed: int | None = None
    method_key: str
    column_key: str
    parts: tuple[Part, ...] = ()
    invalid: str = ""

    @property
    def name(self) -> str:
        name = f"{self.model.name}/{self.dataset}/K{self.shots}/seed{self.seed}"
        return name if self.training_seed is None else f"{name}/training{self.training_seed}"


class Scores(Frozen):
    """Image scores of one part, higher is more anomalous, any finite range."""

    part_id: str
    sample_ids: tuple[str, ...]
    labels: tuple[int, ...]
    values: tuple[float, ...]

    @model_validator(mode="after")
    def _complete_and_finite(self) -> Scores:
        if not len(self.sample_ids) == len(self.labels) == len(self.values):
            raise ValueError(
                f"{len(self.sample_ids)} samples, {len(self.labels)} labels, {len(self.values)} scores"
            )
        for sample, value in zip(self.sample_ids, self.values, strict=True):
            if not math.isfinite(value):
                raise ValueError(f"score of {sample} is {value}")
        return self


class Result(Frozen):
    """Metrics of one part or job, fractions in 0..1; None where a class is missing."""

    auroc: float | None
    auprc: float | None
    f1_max: float | None = None
    fpr95: float | None = None
    n_normal: int
    n_anomalous: int


class PixelResult(Frozen):
    """Pixel metrics of one category, fractions in 0..1; None where they are not defined."""

    pixel_auroc: float | None = None
    pixel_auprc: float | None = None
    pixel_aupro: float | None = None
