"""Models that each break one rule of the conformance suite, and one that breaks none.

A card is made for every class below: ``NanOnBlack`` is ``broken_models:NanOnBlack_INFO``.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from gad.harness.adapter import Checkpoint, FeatureAdapter, ImageAdapter, Scored, called_too_early
from gad.harness.nouns import FeatureInput, Frozen, ImageInput, ModelInfo

KEPT = []


class Sound(ImageAdapter):
    """Breaks nothing: distance of the mean colour to the nearest prompt's."""

    prompts = None

    def prepare(self, prompts):
        self.prompts = prompts.astype(np.float64).mean(axis=(1, 2))

    def score(self, queries):
        if self.prompts is None:
            raise called_too_early(self)
        apart = queries.astype(np.float64).mean(axis=(1, 2))[:, None] - self.prompts
        return self.changed(queries, np.abs(apart).mean(axis=2).min(axis=1))

    def changed(self, queries, scores):
        return scores


class Raises(Sound):
    def changed(self, queries, scores):
        raise ValueError("cannot go on")


class TooFew(Sound):
    def changed(self, queries, scores):
        return scores[1:]


class ScoresUnprepared(ImageAdapter):
    def prepare(self, prompts):
        pass

    def score(self, queries):
        return queries.astype(np.float64).std(axis=(1, 2, 3))


class VagueOrder(ScoresUnprepared):
    def prepare(self, prompts):
        self.ready = prompts.mean()

    def score(self, queries):
        return np.abs(queries.mean(axis=(1, 2, 3)) - self.ready)


class Writes(Sound):
    def changed(self, queries, scores):
        queries[:] = 0
        return scores


class WritesTheFile(Sound):
    def changed(self, queries, scores):
        whole = np.load(queries.filename, mmap_mode="r+")
        whole[-1, 0, 0, 0] ^= 1
        whole.flush()
        return scores


class NanOnBlack(Sound):
    def changed(self, queries, scores):
        return np.where(queries.max(axis=(1, 2, 3)) == 0, np.nan, scores)


class BatchMean(Sound):
    def changed(self, queries, scores):
        return scores - 0.01 * scores.mean()


class Position(Sound):
    def changed(self, queries, scores):
        return scores + 0.001 * np.arange(len(scores))


class Base(Sound):
    """Climbs from its batch to the whole array that it is a view of."""

    def changed(self, queries, scores):
        whole = queries
        while isinstance(whole.base, np.ndarray):
            whole = whole.base
        return scores - 0.01 * whole.mean()


class Inverted(Sound):
    def changed(self, queries, scores):
        return -scores


class NeedsTwo(Sound):
    def prepare(self, prompts):
        if len(prompts) < 2:
            raise ValueError("no covariance of one prompt")
        super().prepare(prompts)


class AtMostFour(Sound):
    def prepare(self, prompts):
        if len(prompts) > 4:
            raise ValueError("too many prompts")
        super().prepare(prompts)


class NoConstants(Sound):
    def changed(self, queries, scores):
        if (queries.std(axis=(1, 2, 3)) == 0).any():
            raise ZeroDivisionError("an image without contrast")
        return scores


class Unseeded(Sound):
    def changed(self, queries, scores):
        return scores + 1e-9 * np.random.default_rng().random(len(scores))


class ByProcess(Sound):
    def changed(self, queries, scores):
        return scores + 1e-9 * (os.getpid() % 1000)


class Remembers(Sound):
    """Centres what it sees on the prompts of every category it ever saw."""

    def prepare(self, prompts):
        super().prepare(prompts)
        REMEMBERED[self.context.category] = self.prompts.mean()

    def changed(self, queries, scores):
        return scores / np.mean(list(REMEMBERED.values()))


REMEMBERED = {}


class RemembersPrompts(Sound):
    """Takes a category's prompts for the same in every part, whatever the seed and K."""

    def prepare(self, prompts):
        super().prepare(prompts)
        self.prompts = OF_CATEGORY.setdefault((self.context.category, self.context.seed), self.prompts)


OF_CATEGORY = {}


class GrabsGpu(Sound):
    def changed(self, queries, scores):
        import torch

        device = "cuda" if torch.cuda.is_available() else "cpu"
        return torch.from_numpy(scores).to(device).cpu().numpy()


class Keeps(Sound):
    def changed(self, queries, scores):
        KEPT.append(queries.astype(np.float32))
        return scores


class KeepsView(Sound):
    def changed(self, queries, scores):
        KEPT.append(queries)
        return scores


class Walks(Sound):
    def changed(self, queries, scores):
        list(Path.cwd().rglob("*_mask.png"))
        return scores


class ReadsLabels(Sound):
    def changed(self, queries, scores):
        (Path(os.environ["GAD_DATA"]) / "planted/labels.csv").read_text()
        return scores


class ReadsThroughALink(Sound):
    def changed(self, queries, scores):
        with tempfile.TemporaryDirectory() as folder:
            link = Path(folder, "link")
            link.symlink_to(Path(os.environ["GAD_DATA"]).resolve())
            (link / "planted/labels.csv").read_text()
        return scores


class ReadsNatively(Sound):
    def changed(self, queries, scores):
        libc = ctypes.CDLL(None)
        libc.close(libc.open(os.fsencode(os.environ["GAD_DATA"] + "/planted/labels.csv"), 0))
        return scores


class ReadsByProgram(Sound):
    def changed(self, queries, scores):
        subprocess.run(["cat", os.environ["GAD_DATA"] + "/planted/labels.csv"], stdout=subprocess.DEVNULL)
        return scores


class ReadsElsewhere(Sound):
    def changed(self, queries, scores):
        with contextlib.suppress(OSError):
            open("/data/mvtec/bottle/test/good/000.png", "rb").close()
        return scores


class ReadsAllQueries(Sound):
    def changed(self, queries, scores):
        np.load(queries.filename)
        return scores


class Maps(Sound):
    """Breaks nothing: the map is the distance of each pixel to the prompts' mean colour."""

    def changed(self, queries, scores):
        apart = queries.astype(np.float64) - self.prompts.mean(axis=0)
        return Scored(scores, maps=self.heat(np.abs(apart).mean(axis=3)))

    def heat(self, maps):
        return maps


class InvertedMaps(Maps):
    def heat(self, maps):
        return -maps


class FlippedMaps(Maps):
    def heat(self, maps):
        return maps[:, ::-1, ::-1]


class BatchMaps(Maps):
    def heat(self, maps):
        return maps / maps.max()


class MapsOnly(Maps):
    """Scores otherwise where maps are wanted."""

    def changed(self, queries, scores):
        return super().changed(queries, scores + 0.01 * self.context.maps)


class Unsteady(FeatureAdapter):
    """Trained with a random generator that nobody seeded."""

    arrays = None
    ready = False

    def train(self, auxiliary):
        return Checkpoint({"weights": np.random.default_rng().random(3)})

    def load(self, arrays):
        self.arrays = arrays

    def prepare(self, prompts):
        if self.arrays is None:
            raise RuntimeError("call load first")
        self.ready = True

    def score(self, queries):
        if not self.ready:
            raise called_too_early(self)
        return np.zeros(len(queries))


class Studies(Sound):
    """Breaks nothing: trained on images, it weighs colours by how much they differ there."""

    weights = None

    def train(self, auxiliary):
        colours = auxiliary.images.astype(np.float64).mean(axis=(1, 2))
        self.looks()
        return Checkpoint({"weights": 1 / (colours.std(axis=0) + 1)})

    def load(self, arrays):
        self.weights = arrays["weights"]

    def prepare(self, prompts):
        if self.weights is None:
            raise RuntimeError("call load first")
        super().prepare(prompts)

    def looks(self):
        pass


class RemembersWeights(Studies):
    """Loads its process's first checkpoint alone, of whatever K it is."""

    def train(self, auxiliary):
        return Checkpoint({"weights": np.full(3, float(auxiliary.shots))})

    def load(self, arrays):
        self.weights = LOADED.setdefault("weights", np.array(arrays["weights"]))

    def changed(self, queries, scores):
        return scores * self.weights.mean()


LOADED = {}


class StudiesLabels(Studies):
    def looks(self):
        (Path(os.environ["GAD_DATA"]) / "planted/labels.csv").read_text()


class StudiesTests(Studies):
    """Goes to the images that it will be tested on."""

    def looks(self):
        for path in sorted(Path("gad-data/planted/slate/test/good").iterdir()):
            path.read_bytes()


class StudiesNatively(Studies):
    def looks(self):
        libc = ctypes.CDLL(None)
        masks = os.environ["GAD_DATA"] + "/planted/slate/ground_truth/defect/000_mask.png"
        libc.close(libc.open(os.fsencode(masks), 0))


class Options(Frozen):
    size: int = 16


class Careless(Options, extra="allow"):
    pass


class WrongDefault(Frozen):
    size: int = "large"


class Required(Frozen):
    size: int


def pixels(options):
    return ImageInput(size=options.size)


def features(options):
    return FeatureInput(backbone="tiny")


def any_options(options):
    return True


def card(adapter, **fields):
    known = {"options": Options, "inputs": pixels, **fields}
    return ModelInfo(name=adapter.lower(), title="t", summary="s", adapter=f"{__name__}:{adapter}", **known)


for _name, _thing in list(vars().items()):
    if isinstance(_thing, type) and issubclass(_thing, ImageAdapter) and _thing is not ImageAdapter:
        setattr(sys.modules[__name__], f"{_name}_INFO", card(_name))

for _name in ("Studies", "RemembersWeights", "StudiesLabels", "StudiesTests", "StudiesNatively"):
    setattr(sys.modules[__name__], f"{_name}_INFO", card(_name, trained=True))

Unsteady_INFO = card("Unsteady", inputs=features, trained=True)
Lambda_INFO = card("Sound", inputs=lambda options: ImageInput(size=16))
Careless_INFO = card("Sound", options=Careless)
WrongDefault_INFO = card("Sound", options=WrongDefault)
Required_INFO = card("Sound", options=Required)
NeedsOne_INFO = card("Sound", zero_shot=any_options)
TwoShots_INFO = card("NeedsTwo", min_shots=2)
Transductive_INFO = card("BatchMean", transductive=True)
