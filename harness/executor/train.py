"""Running one training in a supervised process. Runs in a worker; knows nothing of Ray."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gad.harness.errors import ModelError
from gad.harness.executor import trainings
from gad.harness.executor.memory import in_memory
from gad.harness.executor.order import Order
from gad.harness.executor.shown import Shown
from gad.harness.executor.supervise import Child, ChildEnded
from gad.harness.nouns import Limits
from gad.harness.units import TrainUnit


def train(unit: TrainUnit, order: Order, shown: Shown) -> str:
    """Train, keep the checkpoint in the cache, and return "" or what went wrong."""
    info = order.methods[unit.method_key].info
    with in_memory() as folder:
        try:
            story = train_into(folder, unit, info, order.limits.of_training, order.threads, shown)
        except ModelError as error:
            return with_notes(error)
        trainings.keep(Path(order.cache), unit.unit_id, folder / trainings.CHECKPOINT, story)
    return ""


def with_notes(error: Exception) -> str:
    """What an error says, and where in an adapter's code it was raised."""
    return "\n".join([str(error), *getattr(error, "__notes__", ())])


def train_into(
    folder: Path,
    unit: TrainUnit,
    info: str,
    limits: Limits,
    threads: int,
    shown: Shown,
    child: Child | None = None,
) -> dict[str, Any]:
    """Train in a process of its own (``child``, if one is given); the checkpoint and those after each epoch go into
    ``folder``.

    Returns the training's story: what was trained on what, the loss of every step, seconds. Raises
    ModelError with what went wrong; where in the adapter's code is a note to it.
    """
    unreadable = [shown.errors[sample.digest] for sample in unit.samples if sample.digest in shown.errors]
    if unreadable:
        raise ModelError(f"auxiliary set {unit.dataset}: {unreadable[0]}")
    if not unit.samples:
        raise ModelError(
            f"the auxiliary set {unit.dataset} has no normal train image to train {unit.model} on"
        )
    header = {**trainings.header_for(unit, shown.encoder), **shown.about(unit)}
    message = {
        "do": "train",
        "header": header,
        **shown.write(folder, unit),
        "shots": unit.shots,
        "seed": unit.training_seed,
        "info": info,
        "options": header["options"],
        "out": str(folder),
    }
    running = child or Child(threads)
    try:
        reply = running.ask(message, limits)
    except ChildEnded as ended:
        how = str(ended)
        if ended.kind == "timeout":
            how = (
                f"training ran longer than {limits.part_seconds:g} s (training_seconds, or else part_seconds)"
            )
        raise ModelError(f"{how}; last output: {running.last_output[-500:]}") from ended
    finally:
        if child is None:
            running.close()
    if "error" in reply:
        kind = "" if reply["error_type"] == ModelError.__name__ else f"{reply['error_type']}: "
        failed = ModelError(f"{kind}{reply['error']}")
        failed.add_note(reply["traceback"][-2000:])
        raise failed
    return {**header, "losses": reply["losses"], "seconds": reply["seconds"]}
