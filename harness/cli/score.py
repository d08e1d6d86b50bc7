"""`harness score`: one detector, a few normal photos, and the images to be judged."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gad.harness.cli.chosen import chosen_model, listed
from gad.harness.cli.common import CACHE, MOST_THREADS, AsJson, CacheDir, printable

if TYPE_CHECKING:
    from gad.harness.executor.single import Answer, Single


SOME_OBJECT = "object"


def score(
    images: Annotated[list[Path], typer.Argument(help="Images to judge, or folders of them.")],
    model: Annotated[str, typer.Option(help="A detector (`harness models list`).")],
    prompts: Annotated[
        list[Path] | None,
        typer.Option(help="Normal images, or a folder of them; may be given several times."),
    ] = None,
    class_name: Annotated[str, typer.Option(help="What text prompts call the object.")] = SOME_OBJECT,
    shots: Annotated[
        int | None,
        typer.Option(min=0, help="K: use the first K of the prompts, in name order (0: text alone)."),
    ] = None,
    backbone: Annotated[str, typer.Option(help="NAME:TAG, NAME:FILE, timm:NAME[:FILE] or tiny.")] = "",
    checkpoint: Annotated[
        Path | None, typer.Option(help="Trained weights, for models that need any.")
    ] = None,
    option: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE of the model's options; may be given several times.")
    ] = None,
    maps: Annotated[Path | None, typer.Option(help="Folder for heat maps over the images (PNG).")] = None,
    cache: CacheDir = CACHE,
    threads: Annotated[int, typer.Option(min=1, max=MOST_THREADS, help="Threads.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Score images with one detector that is shown K normal ones. Higher is more anomalous."""
    from gad.harness.executor import single as scoring

    asked = _single(model, option or [], backbone, class_name, checkpoint, cache, threads)
    shown = _first(listed(prompts or [], "--prompts"), shots, asked)
    asked = asked.model_copy(update={"prompts": tuple(shown), "maps": maps is not None})
    if class_name == SOME_OBJECT and getattr(asked.wanted, "text", False):
        print(f"texts say {SOME_OBJECT!r}; --class-name says what the images show", file=sys.stderr)
    if checkpoint is not None:
        asked = asked.model_copy(update={"arrays": _weights(asked, checkpoint)})
    unreadable = 0
    for answer in _with_maps(scoring.score(asked, listed(images, "images")), asked, maps):
        if answer.error:
            unreadable += 1
            print(f"skipped: {printable(answer.error)}", file=sys.stderr)
        elif as_json:
            line = {"image": str(answer.path), "score": answer.score, **answer.parts}
            print(json.dumps(line, ensure_ascii=False), flush=True)
        else:
            print(f"{answer.score:.6g}\t{printable(str(answer.path))}", flush=True)
    if unreadable:
        raise typer.Exit(3)


def _single(
    model: str,
    option: list[str],
    backbone: str,
    text: str,
    checkpoint: Path | None,
    cache: Path,
    threads: int,
) -> Single:
    """The detector; a checkpoint of ours says its options itself, the authors' carries its encoder."""
    from gad.harness import registry
    from gad.harness.errors import UsageError
    from gad.harness.executor.single import Single
    from gad.harness.executor.trainings import CHECKPOINT, header

    info, said = registry.load().find(model).info, {}
    if info.trained and checkpoint is None:
        raise UsageError(
            f"{model} is trained on an auxiliary set and needs its checkpoint",
            fix=f"Run `harness train --model {model} --auxiliary DATASET {'' if info.one_training else '--shots K '}"
            "--out DIR`, "
            "then --checkpoint DIR/checkpoint.safetensors.",
        )
    if checkpoint is not None:
        if not info.trained:
            raise UsageError(f"{model} is not trained", fix="Leave --checkpoint away.")
        if not checkpoint.is_file():
            inside = checkpoint / CHECKPOINT
            raise UsageError(
                f"{checkpoint} is a folder, not a checkpoint"
                if checkpoint.is_dir()
                else f"there is no checkpoint {checkpoint}",
                fix=f"Name the file in it: {inside}" if inside.is_file() else "Check the path.",
            )
        if checkpoint.suffix == ".safetensors":
            said = header(checkpoint)
            if said["model"] != model:
                raise UsageError(
                    f"{checkpoint} is a checkpoint of {said['model']}, not of {model}",
                    fix=f"Use --model {said['model']}.",
                )
        elif not backbone:
            backbone = f"{info.default_backbone.partition(':')[0]}:{checkpoint}"
    found, options, wanted = chosen_model(model, option, backbone, said.get("options"))
    return Single(
        info=found.info,
        options=options,
        wanted=wanted,
        prompts=(),
        text=text,
        cache=cache,
        threads=threads,
    )


def _first(prompts: list[Path], shots: int | None, asked: Single) -> list[Path]:
    """The first K prompts; UsageError when there are too few."""
    from gad.harness.errors import UsageError

    wanted = len(prompts) if shots is None else shots
    least = asked.info.least_shots(asked.options)
    if wanted < least:
        raise UsageError(
            f"{asked.info.name} needs at least {least} normal image(s); K = {wanted}",
            fix="Name some with --prompts.",
        )
    if wanted > len(prompts):
        raise UsageError(
            f"--prompts has {len(prompts)} image(s), and K = {wanted}",
            fix="Give more normal images, or a smaller K.",
        )
    if not wanted:
        print("K = 0: zero-shot, by texts alone", file=sys.stderr)
    elif wanted < len(prompts):
        names = ", ".join(printable(path.name) for path in prompts[:wanted])
        print(f"prompts: the first {wanted} of {len(prompts)}: {names}", file=sys.stderr)
    return prompts[:wanted]


def _weights(asked: Single, checkpoint: Path) -> dict[str, Any]:
    """A checkpoint's arrays; one for another K is worth a warning."""
    from gad.harness.executor.given import read

    arrays, shots = read(checkpoint, asked.info, asked.options, asked.wanted, asked.threads)
    if shots not in (None, len(asked.prompts)):
        print(
            f"warning: {checkpoint} was trained for K = {shots}; K is {len(asked.prompts)}", file=sys.stderr
        )
    return arrays


def _with_maps(answers: Iterator[Answer], asked: Single, folder: Path | None) -> Iterator[Answer]:
    """The same answers; maps are written when all are in, on one scale, so that pictures can be compared."""
    if folder is None:
        yield from answers
        return
    from gad.harness.errors import UsageError

    kept = []
    for answer in answers:
        yield answer
        if answer.map is not None:
            kept.append((answer.path, answer.map))
        elif not answer.error:
            raise UsageError(f"{asked.info.name} gives no maps", fix="Leave --maps away.")
    _write_maps(kept, asked, folder)


def _write_maps(kept: list[tuple[Path, Any]], asked: Single, folder: Path) -> None:
    from PIL import Image

    from gad.harness.executor.single import seen
    from gad.harness.overlay import overlay

    folder.mkdir(parents=True, exist_ok=True)
    low = min((float(heat.min()) for _, heat in kept), default=0.0)
    high = max((float(heat.max()) for _, heat in kept), default=1.0)
    used: set[str] = set()
    for path, heat in kept:
        name = next(n for n in _names(path.stem) if n not in used)
        used.add(name)
        overlay(Image.fromarray(seen(path, asked)), heat, low, high).save(folder / name)


def _names(stem: str) -> Iterator[str]:
    """``stem.png``, then ``stem-2.png`` and so on, for images of one name from several folders."""
    yield f"{stem}.png"
    number = 1
    while True:
        number += 1
        yield f"{stem}-{number}.png"
