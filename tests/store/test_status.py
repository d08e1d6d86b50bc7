"""What status, job logs and estimates say, from records whose arithmetic is done by hand."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gad.harness import estimate
from gad.harness.cli.main import app
from gad.harness.errors import UsageError
from gad.harness.nouns import Grid, Job, ModelChoice, Part
from gad.harness.planned import Plan
from gad.harness.store import ingest, joblog, live, runs, segments, stages
from gad.harness.store.layout import Layout
from gad.harness.store.records import PartRecord, TaskRecord

FEATURES = {"model": "m", "input": {"kind": "features", "backbone": "tiny"}}
COMMAND = "harness submit --grid 'my grid.yaml' --only model=m --limit 3 --results r --retry-failed"


def job(seed: int, method: str = "k") -> Job:
    parts = tuple(Part(part_id=f"{c}{seed}", category=c, text=c, prompts=("p",)) for c in ("a", "b"))
    return Job(
        job_id=f"job{seed}",
        model=ModelChoice(name="m", options={"size": 8}),
        dataset="d",
        protocol="industrial",
        shots=2,
        seed=seed,
        method_key=method,
        column_key="col",
        parts=parts,
    )


def record(name: str, seed: int, **fields: Any) -> PartRecord:
    done = fields.get("status", "done") == "done"
    known = {
        "part_id": f"{name}{seed}",
        "status": "done",
        "run_id": "r",
        "dataset": "d",
        "category": name,
        "model": "m",
        "options": "{}",
        "shots": 2,
        "seed": seed,
        "method_key": "k",
        "prompts": ("p",),
        "sample_ids": ("x", "y") if done else (),
        "labels": (0, 1) if done else (),
        "defects": ("", "hole") if done else (),
        "scores": (0.1, 0.9) if done else (),
        "seconds": 3.0,
    }
    return PartRecord.model_validate({**known, **fields})


def task(name: str, stage: str, model: str, seconds: float, images: int) -> TaskRecord:
    fields = {"run_id": "r", "dataset": "d", "category": "", "node": "n", "node_ip": "1", "pid": 2}
    spent = {"started": 100.0, "ended": 100.0 + seconds, "driver_pid": 1}
    return TaskRecord.model_validate(
        {"task_id": name, "stage": stage, "model": model, "images": images, **fields, **spent}
    )


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Two jobs: one done, one with a failed part; an encoder that saw 5 images, a training on 7."""
    folder = tmp_path / "results"
    Layout(folder).make()
    jobs = (job(0), job(1))
    runs.write(
        folder,
        grid=Grid(name="g", models=(jobs[0].model,), datasets=("d",), shots=(2,), seeds=(0, 1)),
        jobs=jobs,
        method_fields={"k": FEATURES},
        column_fields={"col": {}},
        environment={},
        command=COMMAND,
        version="0",
    )
    failed = {
        "status": "failed",
        "error_type": "ValueError",
        "error": "<b>\x1b[2Jno",
        "traceback": "at line 1",
    }
    segments.write(folder, [record("a", 0), record("b", 0, halved_batch=4), record("a", 1, **failed)])
    segments.write(
        folder,
        [
            task("e1", "encode", "tiny", 2.0, 3),
            task("e2", "encode", "tiny", 2.0, 2),
            task("d1", "encode", "", 1.0, 40),
            task("t1", "train", "m", 20.0, 7),
            task("s1", "score", "m", 9.0, 4),
        ],
    )
    ingest.ingest_all(folder)
    return folder


def test_throughput_by_stage(results: Path) -> None:
    found = {(row["stage"], row["backbone"]): row for row in stages.throughput(results)}
    assert found["encode", "tiny"]["images_per_worker_second"] == 5 / 4
    assert found["decode", ""]["images_per_worker_second"] == 40
    assert (found["train", ""]["tasks"], found["train", ""]["images"]) == (1, 7)
    assert found["score", ""]["worker_seconds"] == pytest.approx(9)


def test_what_sharing_saved(results: Path) -> None:
    """Two finished parts of 2 prompts and 2 tests each and a training on 7: 15 passes; 5 were made."""
    assert stages.shared(results) == [{"backbone": "tiny", "wanted": 15, "made": 5, "saved": 10}]


def test_the_log_of_a_job(results: Path) -> None:
    (log,) = joblog.of(results, "m/d/K2/seed1")
    assert joblog.of(results, "job1") == [log]
    assert (log["status"], log["n_failed"], log["options"]) == ("failed", 1, {"size": 8})
    assert [(p["category"], p["status"], p["error"]) for p in log["parts"]] == [
        ("a", "failed", "<b>\x1b[2Jno"),
        ("b", "planned", None),
    ]
    again = ["harness", "submit", "--grid", "my grid.yaml", "--results", "r", "--only"]
    assert shlex.split(log["command"]) == [*again, "model=m,dataset=d,shots=2,seed=1", "--retry-failed"]
    with pytest.raises(UsageError, match="Did you mean 'm/d/K2/seed1'"):
        joblog.of(results, "m/d/K2/seed11")


def run(*arguments: str) -> str:
    ended = CliRunner().invoke(app, list(arguments))
    assert ended.exit_code == 0, ended.output
    return ended.output


def test_status_shows_it_all(results: Path) -> None:
    said = run("status", "--results", str(results))
    assert "tiny: 5 image passes instead of 15: 10 avoided by shared features" in said
    assert "failed: m/d/a/K2/seed1" in said
    assert "\x1b" not in said
    assert "scored with smaller batches" in said
    found = json.loads(run("status", "--results", str(results), "--json"))
    assert found["jobs"] == {"done": 1, "failed": 1}
    assert found["shared"][0]["saved"] == 10
    assert [(part["name"], part["halved_batch"]) for part in found["halved"]] == [("m/d/K2/seed0", 4)]
    said = run("status", "--results", str(results), "--job", "job1")
    assert "at line 1" in said
    assert "\x1b" not in said
    assert (
        json.loads(run("status", "--results", str(results), "--job", "job1", "--json"))[0]["job_id"] == "job1"
    )


def test_watching_ends_with_the_last_run(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fields = {
        "encode": {"done": 1, "total": 2},
        "train": {"done": 0, "total": 4},
        "score": {"done": 3, "failed": 1, "total": 9},
        "images_per_second": 12.5,
        "seconds_left": 300.0,
    }
    live.write(results, "run", fields)
    monkeypatch.setattr("time.sleep", lambda _: live.write(results, "run", {**fields, "ended": 1.0}))
    said = run("status", "--results", str(results), "--watch")
    trained, scored = "0 of 4 trained", "3 done, 1 failed of 9 parts"
    assert (
        said.count(f"run run: 1 of 2 images encoded, {trained}, {scored}, 12 images/s, about 5 min left") == 1
    )
    live.write(results, "run", fields)
    lines = run("status", "--results", str(results), "--watch", "--json").splitlines()
    assert [len(json.loads(line)["runs"]) for line in lines] == [1, 0]


def test_status_of_nothing(tmp_path: Path) -> None:
    assert json.loads(run("status", "--results", str(tmp_path), "--json"))["stages"] == []


def plan_of(*jobs: Job) -> Plan:
    grid = Grid(name="g", models=(), datasets=("d",), shots=(2,))
    return Plan(
        grid=grid,
        jobs=jobs,
        asked=jobs,
        states={part.part_id: "new" for each in jobs for part in each.parts},
        sources={},
        prompt_sets={},
        method_fields={each.method_key: {"model": "m", "input": None} for each in jobs},
        column_fields={},
    )


def test_rates_from_the_records(results: Path) -> None:
    """Scoring took 6 s of the two finished parts, its task 9 s: half as much again; 4 images."""
    rates = estimate.recorded(results)
    assert rates.encode == {"tiny": pytest.approx(0.8), "": pytest.approx(1 / 40)}
    assert rates.train == {"m": pytest.approx(20)}
    assert rates.method == {"k": pytest.approx(9 / 4)}
    assert rates.model == {"m": pytest.approx(9 / 4)}


def test_an_estimate_is_rates_times_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_of(job(0), job(1, "other"))
    monkeypatch.setattr(estimate, "scored_images", lambda plan: [(plan.jobs[0], 100), (plan.jobs[1], 10)])
    monkeypatch.setattr(estimate, "images_by_backbone", lambda plan, cache: {"tiny": 30, "": 400, "big": 5})
    monkeypatch.setattr(estimate, "trainings_by_model", lambda plan, cache: {"m": 2})
    rates = estimate.Rates(
        origin="measured",
        encode={"tiny": 0.5, "": 0.01},
        method={"k": 0.1},
        model={"m": 0.2},
        train={"m": 50},
    )
    found = estimate.estimate(plan, rates, tmp_path, workers=4)
    assert (found.encode_seconds, found.train_seconds, found.score_seconds) == (19, 100, 12)
    assert found.hours == pytest.approx((19 + 100 + 12) / 4 / 3600)
    assert found.unknown == ("encoding with big",)
