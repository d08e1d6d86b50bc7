"""Grids run for real: on a cluster of simulated nodes, from the command line."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import Bench

from gad.harness import manifest

pytestmark = pytest.mark.timeout(600)

ONE_VS_ALL = """
models: [pixel-knn, pixel-gaussian]
datasets: [digits-one-vs-all]
shots: {shots}
seeds: [0, 1]
"""
SMALL = """
models: [pixel-knn]
datasets: [digits-multi-class]
shots: {shots}
seeds: {seeds}
"""

Submit = Callable[..., str]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, bundled: Path, cluster: str) -> Bench:
    """One finished grid that the tests below look at from every side."""
    made = Bench(tmp_path_factory.mktemp("finished"), data=bundled)
    made.run("submit", "--grid", made.grid(ONE_VS_ALL.format(shots=[2, 4])), "--address", cluster)
    return made


@pytest.mark.usefixtures("third")
def test_work_is_spread_over_every_node(bench: Bench, submit: Submit) -> None:
    """Scoring tasks run on all three nodes, at the same time, and none in the driver."""
    # Each batch of 50 takes at least 20 ms, so that tasks last long enough to overlap.
    submit(
        "models: [{name: hostile, options: {seconds: 0.02}}]\n"
        "datasets: [digits-one-vs-all]\nshots: [2, 4]\nseeds: [0, 1]\n"
    )
    tasks = bench.query("SELECT node, pid, driver_pid, started, ended FROM tasks WHERE stage = 'score'")
    assert len(tasks) == 20
    assert len({node for node, *_ in tasks}) == 3
    assert not [pid for _, pid, driver, *_ in tasks if pid == driver]
    spans = {node: [(t[3], t[4]) for t in tasks if t[0] == node] for node, *_ in tasks}
    for a, b in itertools.combinations(spans.values(), 2):
        assert any(x[0] < y[1] and y[0] < x[1] for x in a for y in b), "no overlap in time"


def test_scores_do_not_depend_on_workers_and_later_shots_change_nothing(
    tmp_path: Path, bundled: Path, finished: Bench, cluster: str
) -> None:
    """Bit for bit: one worker of a private Ray, and a cluster of two; and K = 8 added to a finished grid."""
    local = Bench(tmp_path / "local", data=bundled)
    local.run("submit", "--grid", local.grid(ONE_VS_ALL.format(shots=[2, 4])), "--workers", "1")
    found = local.scores()
    assert len(found) == 10 * 2 * 2 * 2 * 899
    assert found == finished.scores()
    local.run("submit", "--grid", local.grid(ONE_VS_ALL.format(shots=[2, 4, 8])), "--address", cluster)
    more = local.scores()
    assert len(more) == len(found) * 3 // 2
    assert {key: more[key] for key in found} == found


def test_prompts_are_shared_nested_and_never_tested(finished: Bench) -> None:
    rows = finished.query(
        "SELECT p.model, p.category, p.shots, p.seed, list(q.sample_id ORDER BY q.position) "
        "FROM prompts q JOIN parts p USING (part_id) GROUP BY ALL"
    )
    drawn = {(category, shots, seed, model): tuple(ids) for model, category, shots, seed, ids in rows}
    assert len(drawn) == 10 * 2 * 2 * 2
    for (category, shots, seed, _), prompts in drawn.items():
        assert len(prompts) == shots
        assert drawn[category, shots, seed, "pixel-knn"] == drawn[category, shots, seed, "pixel-gaussian"]
        assert drawn[category, 4, seed, "pixel-knn"][:shots] == prompts
    tested = {sample for (sample,) in finished.query("SELECT DISTINCT sample_id FROM scores")}
    assert not tested & set(itertools.chain.from_iterable(drawn.values()))


def test_metrics_are_those_of_the_stored_scores(finished: Bench) -> None:
    """AUROC by counting pairs, average precision by its definition: slow, and independent of the code."""
    row = next(r for r in finished.json("results", "--by", "category") if r["category"] == "3")
    pairs = finished.query(f"SELECT label, score FROM scores WHERE part_id = '{row['part_id']}'")
    normal = [s for label, s in pairs if label == 0]
    anomalous = [s for label, s in pairs if label == 1]
    assert (row["n_normal"], row["n_anomalous"]) == (len(normal), len(anomalous))
    wins = sum((a > n) + 0.5 * (a == n) for a in anomalous for n in normal)
    assert row["auroc"] == pytest.approx(wins / len(normal) / len(anomalous), abs=1e-12)
    precision, previous = 0.0, 0.0
    for threshold in sorted({s for _, s in pairs}, reverse=True):
        hits = sum(s >= threshold for s in anomalous)
        recall = hits / len(anomalous)
        precision += (recall - previous) * hits / sum(s >= threshold for _, s in pairs)
        previous = recall
    assert row["auprc"] == pytest.approx(precision, abs=1e-12)


def test_each_image_is_decoded_once(finished: Bench, bundled: Path) -> None:
    (decoded,) = finished.query("SELECT sum(images) FROM tasks WHERE stage = 'encode'")
    prepared = manifest.load(bundled, "digits-one-vs-all")
    tests = {s.digest for s in manifest.read_samples(prepared, split="test")}
    used = {sample for (sample,) in finished.query("SELECT DISTINCT sample_id FROM prompts")}
    prompts = {s.digest for s in manifest.read_samples(prepared, split="train") if s.id in used}
    assert decoded == (len(tests | prompts),)


def test_the_same_command_again_does_nothing(finished: Bench) -> None:
    """Without Ray (nobody listens at that address) and in under 5 seconds; and the plan knows."""
    path = str(finished.folder / "grid.yaml")
    started = time.monotonic()
    said = finished.run("submit", "--grid", path, "--address", "127.0.0.1:1").stderr
    assert time.monotonic() - started < 5
    assert "nothing to do: 8 jobs done" in said
    plan = finished.json("plan", "--grid", path)
    assert {k: plan[k] for k in ("jobs", "parts", "done", "new", "invalid", "encode_images", "train")} == {
        "jobs": 8,
        "parts": 80,
        "done": 80,
        "new": 0,
        "invalid": 0,
        "encode_images": 0,
        "train": 0,
    }


def test_results_at_every_level(finished: Bench) -> None:
    """Category -> mean over categories -> mean and sample standard deviation over seeds."""
    cell = {"model": "pixel-knn", "shots": 4}

    def at(level: str) -> list[dict[str, Any]]:
        rows = finished.json("results", "--by", level)
        return [row for row in rows if {k: row[k] for k in cell} == cell]

    (dataset,), jobs, categories = at("dataset"), at("job"), at("category")
    assert [(job["status"], job["seed"]) for job in jobs] == [("done", 0), ("done", 1)]
    for job in jobs:
        own = [row["auroc"] for row in categories if row["job_id"] == job["job_id"]]
        assert len(own) == 10
        assert job["auroc"] == pytest.approx(sum(own) / 10)
    first, second = (job["auroc"] for job in jobs)
    assert dataset["auroc_mean"] == pytest.approx((first + second) / 2)
    assert dataset["auroc_std"] == pytest.approx(abs(first - second) / 2**0.5)
    assert (dataset["n_seeds"], dataset["complete"]) == (2, True)
    assert {"model", "options", "method_key", "column_key", "auprc_mean", "auprc_std"} <= dataset.keys()
    assert {"job_id", "seconds", "error", "auprc"} <= jobs[0].keys()
    assert {"category", "n_normal", "n_anomalous", "auroc", "auprc", "job_id"} <= categories[0].keys()


def test_skipped_jobs_and_limited_tests(bench: Bench, submit: Submit) -> None:
    """Too few normals for K skips that job and names the category; a test limit is another column."""
    submit(SMALL.format(shots=[2, 4000], seeds=[0]), code=3)
    few, many = bench.json("results", "--by", "job")
    assert (few["status"], many["status"]) == ("done", "skipped")
    assert "category even of digits-multi-class has" in many["error"]
    assert bench.json("plan", "--grid", str(bench.folder / "grid.yaml"))["invalid_jobs"] == 1
    submit(SMALL.format(shots=[2], seeds=[0]) + "limits: {test_images: 100}\n")
    rows = [row for row in bench.json("results") if row["shots"] == 2]
    whole, limited = sorted(rows, key=lambda row: row["test_images"] or 0)
    assert whole["column_key"] != limited["column_key"]
    assert whole["method_key"] == limited["method_key"]
    assert limited["test_images"] == 100
    counts = bench.query("SELECT count(*) FROM scores GROUP BY part_id")
    assert sorted(count for (count,) in counts) == [100, 899]


def test_only_and_limit_choose_jobs(bench: Bench) -> None:
    path = bench.grid(ONE_VS_ALL.format(shots=[2, 4]))
    assert bench.json("plan", "--grid", path, "--only", "model=pixel-knn,shots=4")["jobs"] == 2
    assert bench.json("plan", "--grid", path, "--limit", "3")["jobs"] == 3
    bad = bench.run("plan", "--grid", path, "--only", "modle=pixel-knn", code=2)
    assert "Did you mean 'model'?" in bad.stderr


@pytest.mark.alone
def test_a_wrong_grid_is_told_at_once(bench: Bench) -> None:
    started = time.monotonic()
    bad = bench.run(
        "submit",
        "--grid",
        bench.grid("models: [pixel-kn]\ndatasets: [digits-multi-clas]\nshots: [-1]\nseeds: [0]\n"),
        code=2,
    )
    assert time.monotonic() - started < 2
    assert bad.stderr.count("grid.yaml:") == 3
    assert "Traceback" not in bad.stderr
    assert "'pixel-knn'" in bad.stderr
    assert "'digits-multi-class'" in bad.stderr
    assert "-1" in bad.stderr
    assert not (bench.results / "runs").exists()


def test_missing_data_is_refused_before_anything_starts(bench: Bench) -> None:
    path = bench.grid("models: [pixel-knn]\ndatasets: [headct]\nshots: [2]\nseeds: [0]\n")
    bad = bench.run("submit", "--grid", path, code=1)
    assert "dataset 'headct' is not prepared" in bad.stderr
    assert "harness data prepare headct --raw DIR" in bad.stderr
    plan = bench.json("plan", "--grid", path)
    assert (plan["invalid"], plan["new"]) == (1, 0)
    assert "not prepared" in plan["reasons"][0]["reason"]


def test_no_cluster_at_the_address(bench: Bench) -> None:
    bad = bench.run(
        "submit", "--grid", bench.grid(SMALL.format(shots=[2], seeds=[0])), "--address", "127.0.0.1:1", code=1
    )
    assert "no Ray cluster at '127.0.0.1:1'" in bad.stderr
    assert "Traceback" not in bad.stderr


def test_a_narrowed_run_does_not_complete_a_cell(bench: Bench, submit: Submit) -> None:
    """`--only` runs some of the grid; what the grid asked for beside it is still missing."""
    submit(SMALL.format(shots=[2], seeds=[0, 1]), "--only", "seed=0")
    (cell,) = bench.json("results")
    assert (cell["n_seeds"], cell["n_planned"], cell["complete"]) == (1, 2, False)


def test_two_folders_of_one_name_are_refused(bench: Bench, tmp_path: Path) -> None:
    for place in ("a", "b"):
        for split in ("train/good", "test/good"):
            folder = tmp_path / place / "same" / split
            folder.mkdir(parents=True)
            (folder / "0.png").write_bytes(place.encode())
    text = (
        f"models: [pixel-knn]\ndatasets: ['{tmp_path}/a/same', '{tmp_path}/b/same']\nshots: [1]\nseeds: [0]\n"
    )
    bad = bench.run("submit", "--grid", bench.grid(text), code=2)
    assert "both called 'same'" in bad.stderr
