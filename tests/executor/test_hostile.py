"""Adapters that misbehave in every way cost their own part, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable

import psutil
import pytest
from support import Bench

from gad.harness.executor.attempts import IDLE_CHILDREN

pytestmark = pytest.mark.timeout(600)

# how it misbehaves -> what its failure says, and how often it was tried
EXPECTED = {
    "exits": ("exited with code 7", 2),
    "segfaults": ("killed by SIGSEGV", 2),
    "stops": ("exited with code 0", 2),
    "interrupts": ("exited with code", 2),
    "sleeps": ("ran longer than part_seconds = 4", 1),
    "spins": ("ran longer than part_seconds = 4", 1),
    "prints": ("printed more than part_output_mb = 2", 1),
    "raises": ("no good: <script>", 1),
    "nan": ("is nan; scores must be finite", 1),
    "infinite": ("is inf; scores must be finite", 1),
    "count": ("returned shape (49,) for 50 queries", 1),
    "shape": ("returned shape (50, 1) for 50 queries", 1),
    "dtype": ("returned dtype", 1),
    "nothing": ("returned dtype object", 1),
    "writes": ("read-only", 1),
    "nan_maps": ("maps with NaN or infinite values (50 of 50, the first for query 0", 1),
    "few_maps": ("maps of shape (49, 8, 8) for 50 queries", 1),
    "flat_maps": ("maps of shape (50, 64) for 50 queries", 1),
    "some_maps": ("no maps for one batch and maps of 8x8 for another", 1),
    "huge_maps": ("kept maps are fp16, up to 65504", 1),
    "forks_and_exits": ("exited with code 3", 2),
    "halves": ("half a pair: \\udcff", 1),
    "shouts": ("loud loud", 1),
    "mutes": ("no more words", 1),
    "counts": ("expected how many parameters it has", 1),
    "babbles": ("sent something that is no reply", 2),
}


def grid(hows: list[str], *, shots: str = "[2, 4]", limits: str) -> str:
    """Each misbehaves at K = 4 only; its part at K = 2 is scored in the same task."""
    models = "".join(f"  - {{name: hostile, options: {{how: {how}, shots: 4}}}}\n" for how in hows)
    return (
        f"models:\n  - pixel-knn\n{models}datasets: [digits-multi-class]\nshots: {shots}\nseeds: [0]\n"
        f"limits: {limits}\nmaps: all\n"
    )


def test_each_costs_its_own_part(bench: Bench, submit: Callable[..., str]) -> None:
    text = grid(list(EXPECTED), limits="{part_seconds: 4, part_output_mb: 2}")
    said = submit(text, code=3)
    assert f"{len(EXPECTED) + 2} jobs done, {len(EXPECTED)} jobs failed" in said
    jobs = {(job["options"].get("how"), job["shots"]): job for job in bench.json("results", "--by", "job")}
    for how, (message, attempts) in EXPECTED.items():
        assert jobs[how, 2]["status"] == "done", how
        failed = jobs[how, 4]
        assert failed["status"] == "failed", how
        assert message in failed["error"], how
        ((recorded,),) = bench.query(
            f"SELECT f.attempts FROM failures f JOIN job_parts USING (part_id) WHERE job_id = '{failed['job_id']}'"
        )
        assert recorded == attempts, how
    assert jobs[None, 4]["status"] == "done"
    raised = bench.query(
        "SELECT traceback, output FROM failures WHERE error_type = 'ValueError' AND output <> ''"
    )
    assert "raise ValueError" in raised[0][0]
    assert raised[0][1] == "about to raise <b>\n"
    left = [
        p.pid
        for p in psutil.process_iter(["cmdline"])
        if "gad.harness.executor.child" in (p.info["cmdline"] or [])
    ]
    assert len(left) <= 3 * IDLE_CHILDREN, "children beyond the idle ones of three workers are still alive"


def test_a_hopeless_grid_is_stopped(bench: Bench, submit: Callable[..., str]) -> None:
    text = "models: [{name: hostile, options: {how: raises}}]\ndatasets: [digits-one-vs-all]\nshots: [2]\n"
    said = submit(text + "seeds: [0, 1, 2]\n", "--max-failures", "10%", code=1)
    ((failed,),) = bench.query("SELECT count(*) FROM parts WHERE status = 'failed'")
    assert 3 < failed < 30
    assert f"stopped: {failed} parts have failed" in said
    again = submit(text + "seeds: [0, 1, 2]\n", "--max-failures", "1000", code=3)
    assert f"{30 - failed} parts to score" in again


def test_memory_is_limited(bench: Bench, submit: Callable[..., str]) -> None:
    submit(grid(["leaks"], limits="{part_memory_gb: 0.5, part_seconds: 60}"), code=3)
    (failed,) = [job for job in bench.json("results", "--by", "job") if job["status"] == "failed"]
    assert "more than part_memory_gb = 0.5" in failed["error"]


def test_out_of_memory_is_tried_again_with_half_the_batch_and_marked(
    bench: Bench, submit: Callable[..., str]
) -> None:
    """A MemoryError, and a process that is stopped at its limit: scored in batches of 25, and it is said."""
    text = grid(
        ["starves", "hungers", "starves_always"],
        shots="[4]",
        limits="{part_memory_gb: 0.5, part_seconds: 60, test_images: 120}",
    )
    assert "3 jobs done, 1 jobs failed" in submit(text, code=3)
    rows = bench.query("SELECT options, status, attempts, halved_batch, part_id FROM parts")
    found = {json.loads(options).get("how"): rest for options, *rest in rows}
    assert found["starves"][:3] == ["done", 2, 25]
    assert found["hungers"][:3] == ["done", 2, 25]
    assert found["starves_always"][:3] == ["failed", 2, 0]
    assert found[None][:3] == ["done", 1, 0]
    ((error,),) = bench.query("SELECT error FROM failures")
    assert error == "MemoryError; with half the batch, too (first: MemoryError)"
    first, second = (
        bench.query(f"SELECT sample_id, score FROM scores WHERE part_id = '{found[how][3]}' ORDER BY 1")
        for how in ("starves", "hungers")
    )
    assert first == second
    assert len(first) == 120
    assert "scored with smaller batches" in bench.run("results").stdout
    marks = [job.get("n_halved") for job in bench.json("results", "--by", "job") if "n_halved" in job]
    assert marks == [1, 1]


def test_failed_parts_are_run_again_only_when_asked(bench: Bench, submit: Callable[..., str]) -> None:
    text = grid(["raises"], limits="{part_seconds: 20}")
    submit(text, code=3)
    assert "nothing to do: 3 jobs done, 1 jobs failed" in submit(text, code=3)
    assert "1 parts to score" in submit(text, "--retry-failed", code=3)
    assert bench.query("SELECT count(*) FROM parts WHERE status = 'failed'") == [(1,)]


def test_what_an_adapter_forks_neither_answers_nor_stays(bench: Bench, submit: Callable[..., str]) -> None:
    """A forked copy's late reply is never taken for the next part's; strays are killed; scores are right."""
    models = "".join(
        f"  - {{name: hostile, options: {{how: {how}}}}}\n"
        for how in ("good", "forks", "leaves", "daemons", "closes")
    )
    submit(f"models:\n{models}datasets: [digits-one-vs-all]\nshots: [2, 4]\nseeds: [0]\n")
    rows = bench.query(
        "SELECT p.category, p.shots, s.sample_id, list(s.score ORDER BY p.method_key) FROM scores s "
        "JOIN parts p USING (part_id) GROUP BY ALL"
    )
    assert len(rows) == 10 * 2 * 899
    assert all(len(scores) == 5 and len(set(scores)) == 1 for *_, scores in rows)
    strays = [p.pid for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == ["sleep", "4321"]]
    assert not strays


def test_inputs_that_an_adapter_spoiled_are_made_again(bench: Bench, submit: Callable[..., str]) -> None:
    """Whoever writes to the files behind its arrays, or removes them, fails alone: others share them."""
    hows = ("good", "scribbles", "good, seconds: 0.001", "removes", "good, seconds: 0.002")
    models = "".join(f"  - {{name: hostile, options: {{how: {how}}}}}\n" for how in hows)
    text = f"models:\n{models}datasets: [digits-multi-class]\nshots: [2, 4]\nseeds: [0]\n"
    assert "6 jobs done, 4 jobs failed" in submit(text + "limits: {test_images: 60}\n", code=3)
    assert {error.partition(",")[0] for (error,) in bench.query("SELECT error FROM failures")} == {
        "the files of its inputs"
    }
    scores = bench.query(
        "SELECT shots, sample_id, list(score) FROM scores JOIN parts USING (part_id) GROUP BY ALL"
    )
    assert len(scores) == 2 * 60
    assert all(len(found) == 3 and len(set(found)) == 1 for *_, found in scores)
