"""Images of somebody's own: a folder (or an archive of one), in any of four layouts.

good/*, bad/*                          two folders (:mod:`gad.datasets.goodbad`)
a CSV with the columns path and label  (:mod:`gad.datasets.listed`)
<category>/train/good, ...             MVTec layout (:mod:`gad.datasets.folder`)
dataset.yaml                           labelled classes, under a protocol (:mod:`gad.datasets.labelled`)
"""

from __future__ import annotations

import unicodedata
from pathlib import Path

from gad.datasets import catalog, folder, goodbad, labelled, listed, trees
from gad.datasets.looks import WrongFolderError, is_archive
from gad.harness import manifest
from gad.harness.built import Built
from gad.harness.errors import DataError
from gad.harness.nouns import DatasetInfo

WAYS = (
    "Put the good images into a folder good/ and the bad ones into a folder bad/ beside it; or write a CSV file "
    "with the columns path and label (good or bad) into the folder; or arrange them in MVTec layout "
    f"({folder.LAYOUT}). A folder for each of several classes needs a dataset.yaml that says which are normal."
)


def card(place: Path, name: str = "") -> DatasetInfo:
    """Card of the images in ``place``; they are called ``name``, or as the folder is.

    Raises DataError for a place that is not there, or a name that is taken or cannot be one.
    """
    if not place.is_dir() and not is_archive(place) and not listed.is_csv(place):
        raise DataError(f"{place}: {trees.found_in(place)}", fix=f"Give a folder of images. {WAYS}")
    given, name = name, unicodedata.normalize("NFC", name or place.resolve().name)
    if not name or name.startswith(".") or not name.isprintable() or set(name) & set("/\\"):
        raise DataError(
            f"{place}: {name!r} cannot name a dataset",
            fix="Give it another name with --name: it may not start with a dot or have a slash in it.",
        )
    if name in catalog.DATASETS:
        raise DataError(
            f"{place}: a dataset named {name!r} is in the catalog already",
            fix=(
                "Choose another --name" if given else "Rename the folder, or give it another name with --name"
            )
            + f", or run `harness data prepare {name}` if you mean that dataset.",
        )
    if (place / trees.DESCRIPTION).is_file():
        return labelled.info_for(place, name)
    return plain(name, str(place.resolve()))


def prepared(data: Path) -> dict[str, DatasetInfo]:
    """What is prepared in ``data`` and not of the catalog, by name. Nothing is read but the names."""
    return {name: plain(name) for name in manifest.names(data) if name not in catalog.DATASETS}


def plain(name: str, source: str = "") -> DatasetInfo:
    """The card of images that say nothing of themselves."""
    return DatasetInfo(
        name=name,
        title=name,
        protocol="industrial",
        licence="not stated",
        citation="",
        source=source,
        notes="Images of your own.",
        builder="gad.datasets.own:build",
    )


def build(raw: Path | None, made: Path, info: DatasetInfo) -> Built:
    """Samples in place, by the layout that is there. WrongFolderError, with the ways there are, when none is."""
    if raw is None:
        raise DataError(f"{info.name}: no folder given", fix="Say where it is with --raw DIR.")
    if (raw / trees.DESCRIPTION).is_file():
        raise DataError(
            f"{info.name}: {raw} has a {trees.DESCRIPTION}, which is not read out of an archive",
            fix="Unpack the archive, and give the folder.",
        )
    if raw.is_dir() and trees.locate(raw, folder.looks_like_category, depth=2):
        return folder.read(raw, info.name)
    if path := listed.find(raw):
        return listed.read(path, info.name)
    if pairs := goodbad.find(raw):
        return goodbad.read(raw, pairs, info.name)
    held = trees.found_in(raw) if raw.is_dir() else "not unpacked"
    raise WrongFolderError(f"{info.name}: cannot tell good from bad images in {raw}: {held}", fix=WAYS)
