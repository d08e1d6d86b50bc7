"""Names that try to drive a terminal, a shell, a page or a path: kept as they are, and shown harmlessly."""

from __future__ import annotations

import io
import json
import os
import unicodedata
from pathlib import Path

import pytest
from names import CONTROL, NAMES
from PIL import Image
from typer.testing import CliRunner

from gad.datasets.prepare import prepare
from gad.harness.cli.common import printable
from gad.harness.cli.main import app
from gad.harness.errors import HarnessError
from gad.harness.nouns import Grid, Job, ModelChoice, Part
from gad.harness.store import ingest, read, runs, segments
from gad.harness.store.layout import Layout
from gad.harness.store.records import PartRecord


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One job whose model, dataset, categories, samples and errors have all these names."""
    folder = tmp_path_factory.mktemp("names") / "results"
    Layout(folder).make()
    jobs, parts = [], []
    for number, name in enumerate(NAMES):
        job = Job(
            job_id=f"job{number}",
            model=ModelChoice(name=name, options={"option": name}),
            dataset=name,
            protocol="industrial",
            shots=2,
            seed=0,
            method_key=f"k{number}",
            column_key=f"c{number}",
            parts=(Part(part_id=f"p{number}", category=name, text=name, prompts=(name,)),),
        )
        jobs.append(job)
        parts.append(_record(number, name))
    runs.write(
        folder,
        grid=Grid(name=NAMES[9], models=(), datasets=(), shots=(2,)),
        jobs=tuple(jobs),
        method_fields={job.method_key: {"model": job.model.name} for job in jobs},
        column_fields={job.column_key: {} for job in jobs},
        environment={},
        command="harness submit",
        version="0",
    )
    segments.write(folder, parts)
    ingest.ingest_all(folder)
    return folder


def _record(number: int, name: str) -> PartRecord:
    failed = number % 2 == 1
    fields = {
        "part_id": f"p{number}",
        "status": "failed" if failed else "done",
        "run_id": "r",
        "dataset": name,
        "category": name,
        "model": name,
        "options": json.dumps({"option": name}),
        "shots": 2,
        "seed": 0,
        "method_key": f"k{number}",
        "prompts": (name,),
        "sample_ids": () if failed else (name, name + "2"),
        "labels": () if failed else (0, 1),
        "defects": () if failed else ("", name),
        "scores": () if failed else (0.1, 0.9),
        "error": name if failed else "",
        "error_type": name if failed else "",
        "traceback": name,
        "output": name,
        "halved_batch": 0 if failed else 2,
    }
    return PartRecord.model_validate(fields)


def shown(*arguments: str, code: int = 0) -> str:
    ended = CliRunner().invoke(app, list(arguments))
    if isinstance(ended.exception, HarnessError):
        assert ended.exception.exit_code == code
        return printable(str(ended.exception))
    assert ended.exit_code == code, ended.output
    return ended.output


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_stored_as_it_is_and_shown_harmlessly(results: Path, name: str) -> None:
    with read.connect(results) as connection:
        (row,) = connection.execute(
            "SELECT part_id, model, category FROM parts WHERE dataset = ?", [name]
        ).fetchall()
        assert row[1:] == (name, name)
    said = shown("status", "--results", str(results), "--job", f"{name}/{name}/K2/seed0")
    assert not CONTROL.search(said)
    (log,) = json.loads(shown("status", "--results", str(results), "--job", f"job{row[0][1:]}", "--json"))
    assert (log["model"], log["options"]["option"]) == (name, name)
    assert log["command"].startswith("harness submit --only ")


@pytest.mark.parametrize(
    "command", [["results"], ["results", "--by", "job"], ["results", "--by", "category"], ["status"]]
)
def test_tables_of_all_names(results: Path, command: list[str]) -> None:
    said = shown(*command, "--results", str(results))
    assert not CONTROL.search(said)
    assert "🙂" in said
    assert "[/]" in said
    json.loads(shown(*command, "--results", str(results), "--json"))


@pytest.mark.parametrize("name", NAMES)
def test_unknown_names_are_echoed_harmlessly(tmp_path: Path, name: str) -> None:
    """As a grid, a job, a model: an error of ours without anything that drives a terminal."""
    for arguments in (
        ["plan", "--grid", name + ".yaml"],
        ["score", f"--model={name}", "--prompts", str(tmp_path), str(tmp_path)],
        ["status", "--results", str(tmp_path), f"--job={name}"],
    ):
        ended = CliRunner().invoke(app, arguments)
        assert isinstance(ended.exception, HarnessError | OSError | SystemExit), ended.exception
        assert ended.exit_code != 0
        assert not CONTROL.search(printable(str(ended.exception)))


def folder_of(root: Path, name: str, image: str | bytes) -> Path:
    """A dataset in MVTec layout in a folder of that name, with images of that name."""
    folder = root / name
    for place in ("train/good", "test/good", "test/hole"):
        home = folder / place
        home.mkdir(parents=True)
        for number in range(3):
            path = os.fsencode(home) + b"/" + (os.fsencode(image) if isinstance(image, str) else image)
            buffer = io.BytesIO()
            Image.new("L", (4, 4), 40 * number + len(place)).save(buffer, "png")
            with open(path + str(number).encode() + b".png", "wb") as handle:
                handle.write(buffer.getvalue())
    return folder


FILES = [name for name in NAMES if "/" not in name and name not in ("..", "~")]


@pytest.mark.parametrize("name", [*FILES, b"\xff\xfe not UTF-8"], ids=range(len(FILES) + 1))
def test_a_folder_and_files_of_that_name(tmp_path: Path, name: str | bytes) -> None:
    """Prepared under their NFC names, or refused in words; nothing is written outside of the data folder."""
    raw, data = tmp_path / "raw", tmp_path / "data"
    text = name if isinstance(name, str) else "plain"
    folder = folder_of(raw, text[:200], name[:200])
    before, refusal, prepared = sorted(raw.rglob("*")), "", None
    try:
        prepared = prepare(str(folder), None, data)
    except HarnessError as error:
        refusal = printable(str(error))
    if prepared is None:
        assert refusal
        assert not CONTROL.search(refusal)
    else:
        assert prepared.name == unicodedata.normalize("NFC", text[:200])
        assert sum(c.test_normal + c.test_anomalous for c in prepared.categories) == 6
    assert sorted(raw.rglob("*")) == before
    assert sorted(path.name for path in tmp_path.iterdir()) in (["data", "raw"], ["raw"])
