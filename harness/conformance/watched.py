"""The process that adapter code runs in during the conformance suite: the engine's own, with eyes.

    python -m gad.harness.conformance.watched COMMANDS_FD REPLIES_FD LIFELINE_FD

It is :mod:`gad.harness.executor.child` as it is, which answers a few more commands. What Python code opens or
lists is seen by an audit hook: it cannot be taken off again, and it knows which line did it.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any
from unittest import mock

from gad.harness.conformance import held
from gad.harness.executor import child, learn, loaded
from gad.harness.executor.returned import MapFile

HEAVY = ("torch", "ray", "open_clip", "timm", "sklearn", "scipy", "tensorflow", "jax", "cv2", "pandas")
IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".ppm", ".pgm")
LOOKS = {"open": "opened", "os.listdir": "listed", "os.scandir": "listed", "sqlite3.connect": "opened"}
# Libraries' own pictures, and what the adapter itself wrote. Found out here: the hook must open nothing.
ELSEWHERE = (sys.prefix, sys.base_prefix, tempfile.gettempdir())
WRITING = os.O_WRONLY | os.O_RDWR


@dataclass(frozen=True)
class Watch:
    """What a part or training may not touch, and where the adapter's own code lies."""

    planted: tuple[str, ...]
    memory: tuple[str, ...]
    package: str


_watch: Watch | None = None
_touched: dict[str, None] = {}  # what was looked at, in order; the same thing from the same line once


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    watch = _watch
    if watch is not None and event in LOOKS:
        path = _path(arguments[0] if arguments else None)
        if path and (what := _forbidden(event, arguments, path, watch)):
            _touched[f"{LOOKS[event]} {what}{_where(watch)}"] = None


def _path(given: Any) -> str:
    """An absolute path; empty for a file that is open already."""
    if given is None:
        return os.getcwd()
    return "" if isinstance(given, int) else os.path.abspath(os.fsdecode(given))


def _forbidden(event: str, arguments: tuple[Any, ...], path: str, watch: Watch) -> str:
    """What the path is and may not be looked at, or empty."""
    if _inside(path, watch.planted) or _inside(os.path.realpath(path), watch.planted):
        return f"{path}, a file or folder of the run's data or results"
    if _inside(path, watch.memory) and not _by_engine():
        return f"{path}, where all queries of the part lie"
    reading = event == "open" and not (isinstance(arguments[2], int) and arguments[2] & WRITING)
    own = (watch.package, *ELSEWHERE)
    if reading and path.lower().endswith(IMAGES) and not _inside(path, own):
        return f"the image {path}"
    return ""


def _inside(path: str, folders: tuple[str, ...]) -> bool:
    return any(path == folder or path.startswith(folder + os.sep) for folder in folders)


def _frames() -> Iterator[FrameType]:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        yield frame
        frame = frame.f_back


def _by_engine() -> bool:
    """Whether it is the engine that maps its own input, or writes maps."""
    own = (loaded.mapped.__code__, MapFile.add.__code__)
    return any(frame.f_code in own for frame in _frames())


def _where(watch: Watch) -> str:
    """The innermost line of the adapter's package, as `` (file:line)``."""
    for frame in _frames():
        if _inside(frame.f_code.co_filename, (watch.package,)):
            return f" ({frame.f_code.co_filename}:{frame.f_lineno})"
    return ""


@contextlib.contextmanager
def _watching(message: dict[str, Any], *memory: str) -> Iterator[None]:
    """``memory``: folders of arrays that hold more than the adapter may see."""
    global _watch
    _watch = Watch(tuple(message["planted"]), memory, message["package"])
    try:
        yield
    finally:
        _watch = None


def part(message: dict[str, Any]) -> dict[str, Any]:
    """Run a part as the engine does, and watch what it looks at."""
    with _watching(message, _memory(message)):
        return child.run_part(message)


def _memory(message: dict[str, Any]) -> str:
    """Where the arrays of a part lie, those of all its queries."""
    return str(Path(message.get("images") or message["class"]).parent)


def train(message: dict[str, Any]) -> dict[str, Any]:
    """Train as the engine does, and watch what is looked at. All arrays that lie there are training's own."""
    with _watching(message):
        return learn.train(message)


def seen(message: dict[str, Any]) -> dict[str, Any]:
    """What this process looked at so far beside its input."""
    return {"touched": list(_touched), "seconds": 0.0}


def card(message: dict[str, Any]) -> dict[str, Any]:
    """Import the card, and say which heavy libraries came with it."""
    loaded.load(message["info"])
    return {"heavy": [name for name in HEAVY if name in sys.modules], "seconds": 0.0}


def early(message: dict[str, Any]) -> dict[str, Any]:
    """Score before prepare, and for a trained model prepare before load; what is said to each, or None."""
    info = loaded.load(message["info"])
    options = info.options.model_validate(message["options"])
    context = child.context_in(message)
    prompts, queries = child.inputs_in(message)
    said: dict[str, Any] = {}
    with _watching(message, _memory(message)):
        adapter = loaded.load(info.adapter)(options, context)
        if message["checkpoint"]:
            said["load"] = _refusal(adapter.prepare, prompts)
            adapter = loaded.load(info.adapter)(options, context)
            adapter.load(child.load_file(message["checkpoint"]))
        said["prepare"] = _refusal(adapter.score, queries)
    return {"said": said, "seconds": 0.0}


def _refusal(call: Any, argument: Any) -> str | None:
    try:
        call(argument)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def kept(message: dict[str, Any]) -> dict[str, Any]:
    """Run a part; ``held`` is how many bytes the process holds when it is over (:mod:`.held`)."""
    held.start()
    reply = part(message)
    return {**reply, "held": held.now()}


def elsewhere(message: dict[str, Any]) -> dict[str, Any]:
    """Run a part while torch says that there is a GPU, which fails when it is touched."""
    torch = sys.modules.get("torch")
    if torch is None:
        return part(message)

    def refuse(*_: Any, **__: Any) -> None:
        raise RuntimeError("a GPU was used, and the context's device is cpu")

    with (
        mock.patch.object(torch.cuda, "is_available", return_value=True),
        mock.patch.object(torch.cuda, "device_count", return_value=1),
        mock.patch.object(torch.cuda, "_lazy_init", refuse),
    ):
        return part(message)


child.COMMANDS.update(
    part=part, train=train, seen=seen, card=card, early=early, kept=kept, elsewhere=elsewhere
)

if __name__ == "__main__":
    sys.addaudithook(_hook)
    child.serve(sys.argv[1:])
