"""The process that adapter code runs in. Its parent is :mod:`gad.harness.executor.supervise`.

    python -m gad.harness.executor.child COMMANDS_FD REPLIES_FD LIFELINE_FD

One JSON object a line each way. It knows nothing of the run: it gets an array of images (read-only),
which rows are prompts, and which model to build; it returns scores or an error. Maps go into a file that the
message names (``maps``: empty where nobody wants them).
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import json
import os
import random
import resource
import signal
import sys
import threading
import time
import traceback
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from safetensors.numpy import load_file

from gad.harness.adapter import Context, Features
from gad.harness.errors import ModelError
from gad.harness.executor.learn import bring, train
from gad.harness.executor.loaded import load, mapped
from gad.harness.executor.passes import out_of_memory
from gad.harness.executor.returned import MapFile, checked
from gad.harness.nouns import ModelInfo
from gad.harness.units import SLICE

MOST_SAID = 20_000  # characters of an error that are sent: an adapter may put a whole array into its words
SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of Linux


def main(commands: BinaryIO, replies: BinaryIO) -> None:
    """Answer commands until the parent closes the pipe."""
    own = os.getpid()
    _send(replies, {"ready": True, "number": 0})
    for line in commands:
        message = json.loads(line)
        try:
            reply = COMMANDS[message.get("do", "score")](message)
        except Exception as error:
            reply = {
                "error_type": type(error).__name__,
                "error": str(error)[:MOST_SAID] or type(error).__name__,
                "traceback": traceback.format_exc()[-MOST_SAID:],
                "kind": "memory" if out_of_memory(error) else "",
            }
        if os.getpid() != own:
            os._exit(0)  # a copy that the adapter forked and let run on: it has nothing to say here
        reply["number"] = message["number"]
        reply["peak_memory_mb"] = peak_memory_mb()
        with contextlib.suppress(Exception):  # the adapter may have closed them, or put anything there
            sys.stdout.flush()
            sys.stderr.flush()
        _send(replies, reply)


def peak_memory_mb() -> float:
    """Of this program alone. On Linux getrusage counts what the process held that started it, as it was then."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _send(replies: BinaryIO, message: dict[str, Any]) -> None:
    replies.write(json.dumps(message).encode() + b"\n")
    replies.flush()


def run_part(message: dict[str, Any]) -> dict[str, Any]:
    """Prepare an adapter with its prompts and score every query in canonical batches."""
    info = load(message["info"])
    adapter_class = load(info.adapter)
    options = info.options.model_validate(message["options"])
    context = context_in(message)
    prompts, queries = inputs_in(message)
    random.seed(context.seed)
    np.random.seed(context.seed % 2**32)
    started = time.perf_counter()
    adapter = adapter_class(options, context)
    if message.get("checkpoint"):
        adapter.load(load_file(message["checkpoint"]))
    adapter.prepare(prompts)
    scores: list[float] = []
    maps = MapFile(message["maps"], len(queries))
    for first, last in batches_for(info, len(queries), message["batch_size"]):
        batch = queries.rows(first, last) if isinstance(queries, Features) else queries[first:last]
        scored = checked(adapter.score(batch), last - first)
        scores += scored.scores.tolist()
        maps.add(first, scored.maps)
    return {
        "scores": scores,
        "maps": maps.written,
        "parameters": parameters_of(adapter),
        "seconds": time.perf_counter() - started,
    }


def parameters_of(adapter: Any) -> int:
    """How many parameters an adapter says that it has; 0 if it says nothing. ModelError for what is no count."""
    said = getattr(adapter, "parameters", 0)
    number = int(said) if isinstance(said, (int, float, np.number)) and 0 <= said < 2**63 else -1
    if number < 0:
        raise ModelError(
            f"its attribute `parameters` is {str(said)[:100]!r}, expected how many parameters it has",
            fix="Set it to a number, or leave it away.",
        )
    return number


def context_in(message: dict[str, Any]) -> Context:
    """What the adapter learns of the run beside its input."""
    return Context(
        category=message["category"],
        text=message["text"],
        seed=message["seed"],
        maps=bool(message["maps"]),
    )


def batches_for(info: ModelInfo, count: int, size: int) -> list[tuple[int, int]]:
    """Where a model's batches start and end: a transductive one sees all queries at once."""
    return [(0, count)] if info.transductive else batches(count, size)


def batches(count: int, size: int) -> list[tuple[int, int]]:
    """Where the canonical batches of queries start and end; they start anew after every SLICE queries."""
    return [
        (first, min(first + size, start + SLICE, count))
        for start in range(0, count, SLICE)
        for first in range(start, min(start + SLICE, count), size)
    ]


def inputs_in(message: dict[str, Any]) -> tuple[Any, Any]:
    """What the adapter is shown of a part: prompts, and all queries."""
    return features_in(message) if message["kind"] == "features" else _images(message)


def _images(message: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Prompts and queries: the array holds the prompts first, row ``first_query`` is the first query."""
    images = mapped(message["images"])
    return images[: message["prompts"]], images[message["first_query"] :]


def features_in(message: dict[str, Any]) -> tuple[Features, Features]:
    """The same for features; what is derived of them is there for queries alone."""
    everything = Features(
        class_tokens=mapped(message["class"]),
        tokens={int(layer): mapped(path) for layer, path in message["tokens"].items()},
        text=mapped(message["texts"]) if message["texts"] else None,
        windows={int(size): mapped(path) for size, path in message["windows"].items()},
        size=message["size"],
    )
    nearest, of_windows, priors = (
        {int(key): mapped(path) for key, path in message[name].items()}
        for name in ("nearest", "nearest_windows", "window_priors")
    )
    queries = everything.rows(message["first_query"], len(everything))
    queries = replace(queries, nearest=nearest, nearest_windows=of_windows, window_priors=priors)
    return everything.rows(0, message["prompts"]), queries


COMMANDS = {"score": run_part, "train": train, "bring": bring}


def _die_with_parent(lifeline: int) -> None:
    """Wait for the parent's end of the pipe to close, however it died, then take everything along."""
    os.read(lifeline, 1)
    from gad.harness.executor.supervise import descendants

    for process in descendants(os.getpid()):  # some may have left the group
        with contextlib.suppress(Exception):
            process.kill()
    os.killpg(os.getpgid(0), signal.SIGKILL)


def _adopt_orphans() -> None:
    """Stay the ancestor of what the adapter starts, also of daemons, so that the parent finds them (Linux only)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)


def serve(descriptors: list[str]) -> None:
    """Answer commands on the pipes that the parent opened, until it closes them or dies."""
    commands_fd, replies_fd, lifeline_fd = map(int, descriptors)
    faulthandler.enable()
    _adopt_orphans()
    threading.Thread(target=_die_with_parent, args=(lifeline_fd,), daemon=True).start()
    with open(commands_fd, "rb") as commands_pipe, open(replies_fd, "wb") as replies_pipe:
        main(commands_pipe, replies_pipe)


if __name__ == "__main__":
    serve(sys.argv[1:])
