"""Finished trainings: a checkpoint and its story, kept in the cache and found by id.

CACHE/trainings/<id>/checkpoint.safetensors
CACHE/trainings/<id>/training.json    losses, seconds, what was trained on, sha256 of the checkpoint
CACHE/trainings/damaged/<id>/         the last one of that id that failed its check, kept for inspection
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

from gad.harness import atomic
from gad.harness.errors import ModelError
from gad.harness.units import TrainUnit

CHECKPOINT, STORY = "checkpoint.safetensors", "training.json"
DAMAGED = "damaged"


def folder(cache: Path, training_id: str) -> Path:
    return cache / "trainings" / training_id


def find(cache: Path, training_id: str) -> Path | None:
    """The checkpoint of a finished training; None when there is none, or it is damaged (then set aside)."""
    home = folder(cache, training_id)
    try:
        story = json.loads((home / STORY).read_text())
        content = (home / CHECKPOINT).read_bytes()
    except (OSError, ValueError):
        story, content = {}, b""
    if story and hashlib.sha256(content).hexdigest() == story.get("sha256"):
        return home / CHECKPOINT
    if home.exists():
        _set_aside(home)
    return None


def _set_aside(home: Path) -> None:
    """Another process may be doing the same: then there is nothing left to move."""
    aside = home.parent / DAMAGED / home.name
    aside.parent.mkdir(exist_ok=True)
    shutil.rmtree(aside, ignore_errors=True)
    with contextlib.suppress(FileNotFoundError):
        os.replace(home, aside)


def header_for(unit: TrainUnit, encoder: str) -> dict[str, Any]:
    """What a checkpoint is to say of itself; ``encoder`` is the feature store's key."""
    return {
        "model": unit.model,
        "options": json.loads(unit.options),
        "auxiliary": unit.dataset,
        "shots": unit.shots,
        "training_seed": unit.training_seed,
        "encoder": encoder,
    }


def header(checkpoint: Path) -> dict[str, Any]:
    """What a checkpoint says of itself: model, options, auxiliary set, shots, training seed, encoder's key.

    Raises ModelError for a file that is not a checkpoint written here.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(checkpoint, framework="numpy") as opened:
            found: dict[str, Any] = json.loads((opened.metadata() or {}).get("gad", "{}"))
    except (OSError, SafetensorError, ValueError) as error:
        raise ModelError(
            f"{checkpoint} is not a checkpoint: {error}", fix="Name one that `harness train` wrote."
        ) from error
    if not found:
        raise ModelError(
            f"{checkpoint} does not say what it was trained for", fix="Name one that `harness train` wrote."
        )
    return found


def keep(cache: Path, training_id: str, checkpoint: Path, story: dict[str, Any]) -> Path:
    """Keep a checkpoint durably. Two that finish at once hold the same bits: the first one stays."""
    home = folder(cache, training_id)
    atomic.make_folder(home.parent)
    staging = atomic.temporary_name(home)
    staging.mkdir()
    try:
        shutil.copyfile(checkpoint, staging / CHECKPOINT)
        atomic.fsync_file(staging / CHECKPOINT)
        digest = hashlib.sha256((staging / CHECKPOINT).read_bytes()).hexdigest()
        atomic.write_bytes(staging / STORY, json.dumps({**story, "sha256": digest}, indent=1).encode())
        atomic.rename_durably(staging, home)
    except OSError:
        if not (home / CHECKPOINT).is_file():
            raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return home / CHECKPOINT
