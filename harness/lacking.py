"""What has to be had before a grid can run: datasets to prepare, weights to fetch, checkpoints; each once."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Literal

from gad.harness.errors import HarnessError, ModelError
from gad.harness.nouns import Frozen
from gad.harness.plan import Plan, Source
from gad.models.backbones import present


class Lack(Frozen):
    """``text`` says what is not there and what to do about it; ``parts`` of the plan wait for it.

    ``certain`` is whether nothing can run without it; weights in no local cache may still be fetched.
    """

    kind: Literal["dataset", "weights", "checkpoint"]
    name: str
    parts: int
    text: str
    certain: bool = True


def find(plan: Plan) -> list[Lack]:
    """Everything that the plan's jobs lack: datasets in their order, weights by name, checkpoints."""
    return [*_datasets(plan), *gone(plan), *_weights(plan), *_checkpoints(plan)]


def fetch_weights(plan: Plan) -> None:
    """Download weights that are in no cache of this machine. Raises ModelError before anything is spent.

    For one machine alone: what another node has cannot be seen from here.
    """
    for lack in _weights(plan):
        print(f"fetching: {lack.text}", file=sys.stderr)
        try:
            present.fetch(lack.name)
        except ModelError as error:
            raise ModelError(error.message, fix=f"{error.fix} Nothing was started.") from error


def _datasets(plan: Plan) -> Iterator[Lack]:
    sources = {source.name: source for source in [*plan.sources.values(), *plan.auxiliary.values()]}
    for name, source in sources.items():
        if source.missing:
            parts = sum(len(job.parts) for job in plan.jobs if name in plan.needed_by(job))
            if parts:
                yield Lack(kind="dataset", name=name, parts=parts, text=source.missing + _origin(source))


def gone(plan: Plan) -> Iterator[Lack]:
    """Datasets that were prepared, and whose images are no longer where they were; of those that have to be read."""
    for source in plan.sources.values():
        jobs = [job for job in plan.jobs if job.dataset == source.name]
        new = sum(plan.states.get(part.part_id) == "new" for job in jobs for part in job.parts)
        if new and source.prepared and not source.prepared.root_path.is_dir():
            text = (
                f"{source.name}: {source.prepared.root_path}, which its images are in, is not there. Put it back, or "
                f"prepare the dataset again: harness data prepare {source.name} --raw DIR"
            )
            yield Lack(kind="dataset", name=source.name, parts=new, text=text)


def _origin(source: Source) -> str:
    return f" It comes from {source.info.source}" if source.info and source.info.source else ""


def _weights(plan: Plan) -> Iterator[Lack]:
    lacks: dict[str, tuple[str, bool]] = {}
    parts: dict[str, int] = {}
    for job in plan.jobs:
        wanted = plan.method_fields[job.method_key]["input"]
        if wanted is None:
            name = str(plan.method_fields[job.method_key]["options"].get("backbone", job.model.name))
            lacks.setdefault(name, (job.invalid, True))
        elif wanted["kind"] == "features":
            name = wanted["backbone"]
            lacks.setdefault(name, (_absent(name), False))
        elif "weights" in plan.method_fields[job.method_key]:  # where the training of an image model starts
            name = str(plan.method_fields[job.method_key]["options"]["backbone"])
            lacks.setdefault(name, (_absent(name), False))
        else:
            continue
        waiting = (plan.states.get(part.part_id, "new") != "done" for part in job.parts)
        parts[name] = parts.get(name, 0) + sum(waiting)
    for name, (text, certain) in sorted(lacks.items()):
        if text and parts[name]:
            yield Lack(kind="weights", name=name, parts=parts[name], text=text, certain=certain)


def _checkpoints(plan: Plan) -> Iterator[Lack]:
    for reason in plan.absent:
        jobs = [job for job in plan.jobs if job.invalid == reason]
        if jobs:
            parts = sum(len(job.parts) for job in jobs)
            yield Lack(kind="checkpoint", name=jobs[0].model.checkpoint, parts=parts, text=reason)


def _absent(backbone: str) -> str:
    try:
        source = present.lacking(backbone)
    except HarnessError as error:
        return str(error)
    said = f"weights of {backbone} are not in the local cache; they come from {source}"
    return said if source else ""
