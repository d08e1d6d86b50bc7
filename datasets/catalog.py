"""All datasets known by name. Light: cards only; builders are imported when something is prepared.

A builder is ``build(raw: Path | None, made: Path, info: DatasetInfo) -> Built``. It lists the samples of
the raw tree ``raw`` (``None`` for bundled data), writes files it has to make into the empty folder
``made``, and raises DataError with a fix when the tree is not what it expects.
"""

from __future__ import annotations

from gad.datasets import aitex, brainmri, cifar10, digits, elpv, headct, mnist, mvtec, sdd, textures, visa
from gad.harness.errors import DataError, did_you_mean
from gad.harness.nouns import DatasetInfo

DATASETS: dict[str, DatasetInfo] = {
    info.name: info
    for info in (
        *digits.INFOS,
        *textures.INFOS,
        mvtec.INFO,
        visa.INFO,
        aitex.INFO,
        elpv.INFO,
        sdd.INFO,
        brainmri.INFO,
        headct.INFO,
        *mnist.INFOS,
        *cifar10.INFOS,
    )
}


def find(name: str) -> DatasetInfo:
    """Card of a dataset by name. Raises DataError with a suggestion for an unknown one."""
    if name not in DATASETS:
        raise unknown(name)
    return DATASETS[name]


def unknown(name: str) -> DataError:
    """The error for a name that is no dataset's."""
    return DataError(
        f"unknown dataset {name!r}.{did_you_mean(name, list(DATASETS))}",
        fix="`harness data list` shows every dataset. Images of your own are named by the path of their folder, "
        "or prepared under a name: `harness data prepare folder --raw DIR --name parts`.",
    )
