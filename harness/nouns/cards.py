"""What is known of a detector before any of its code runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from pydantic import BaseModel, Field

from gad.harness.nouns.frozen import Frozen
from gad.harness.nouns.inputs import Input


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
