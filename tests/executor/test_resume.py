"""Nothing that was finished is lost: kills, interrupts, damage, deletion, readers."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from support import Bench, wait_for

from gad.harness.executor.stopping import SAID, as_before
from gad.harness.store import mapfiles
from gad.harness.store.ingest import DIED
from gad.harness.store.recorded import maps_kept

pytestmark = pytest.mark.timeout(600)

# Slow enough (20 parts of about a second) to be hit in the middle.
SLOW = """
models: [{name: hostile, options: {seconds: 0.05, how: mapped}}]
datasets: [digits-one-vs-all]
shots: [2]
seeds: [0, 1]
maps: {worst: 3}
"""
QUICK = """
models: [pixel-knn]
datasets: [digits-one-vs-all]
shots: [2, 4]
seeds: [0, 1]
"""


def segments(bench: Bench) -> list[Path]:
    return sorted((bench.results / "segments").glob("parts-*.parquet"))


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory, bundled: Path, cluster: str) -> Bench:
    """A finished run, which is copied before it is damaged."""
    made = Bench(tmp_path_factory.mktemp("quick") / "bench", data=bundled)
    made.run("submit", "--grid", made.grid(QUICK), "--address", cluster)
    return made


@pytest.fixture
def quick(once: Bench, bench: Bench) -> Bench:
    shutil.copytree(once.results, bench.results)
    return bench


def test_kill_9_of_the_driver_keeps_what_was_finished(
    bench: Bench, submit: Callable[..., str], cluster: str, tmp_path: Path, bundled: Path, strangers: Path
) -> None:
    process = bench.start("submit", "--grid", bench.grid(SLOW), "--address", cluster)
    wait_for(lambda: len(segments(bench)) >= 2, 60, "two segments")
    os.killpg(process.pid, signal.SIGKILL)
    assert DIED in process.communicate()[1]  # the ingester is left to say it
    kept = len(bench.json("results", "--by", "category", code=None) or [])
    for segment in segments(bench):  # no part is on record without its maps
        for (name,) in duckdb.execute("SELECT maps FROM read_parquet(?)", [str(segment)]).fetchall():
            assert mapfiles.read(bench.results, name).maps.shape == (6, 8, 8)
    said = submit(SLOW)
    assert "finished: 2 jobs done" in said
    assert "20 parts to score" not in said
    assert kept
    counts = bench.query("SELECT part_id, count(*) FROM scores GROUP BY part_id")
    assert [count for _, count in counts] == [899] * 20
    undisturbed = Bench(tmp_path / "undisturbed", data=bundled, path=strangers)
    undisturbed.run("submit", "--grid", undisturbed.grid(SLOW), "--address", cluster)
    assert undisturbed.scores() == bench.scores()
    assert maps_kept(undisturbed.results) == maps_kept(bench.results)  # named by their bytes
    assert len(maps_kept(bench.results)) == 20
    assert undisturbed.table() == bench.table()


def test_ctrl_c_finishes_what_runs_and_the_same_command_goes_on(
    bench: Bench, submit: Callable[..., str], cluster: str
) -> None:
    process = bench.start("submit", "--grid", bench.grid(SLOW), "--address", cluster)
    wait_for(lambda: len(segments(bench)) >= 1, 60, "a segment")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert f"{SAID[0]}\n" in err
    assert "stopped:" in err
    assert "the same command goes on" in err
    assert "Traceback" not in err
    assert {job["status"] for job in bench.json("results", "--by", "job")} <= {"done", "planned"}
    assert 0 < len(bench.query("SELECT 1 FROM parts")) < 20
    assert "finished: 2 jobs done" in submit(SLOW)


def test_a_termination_is_answered_as_ctrl_c_is(bench: Bench, cluster: str) -> None:
    process = bench.start("submit", "--grid", bench.grid(SLOW), "--address", cluster)
    assert process.stderr is not None
    wait_for(lambda: len(segments(bench)) >= 1, 60, "a segment")
    said: list[str] = []
    for expected in SAID[:2]:
        process.terminate()
        started = time.monotonic()
        for line in process.stderr:
            said.append(line)
            if line == f"{expected}\n":
                break
        assert time.monotonic() - started < 5
    said += process.stderr
    assert process.wait() == 1
    assert said[-1].startswith("stopped: ")
    assert 0 < len(bench.query("SELECT 1 FROM parts WHERE status = 'done'")) < 20


def test_what_a_termination_means_stays_as_it_was_before_ray_started() -> None:
    before = signal.getsignal(signal.SIGTERM)

    def as_ray_does() -> None:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(15))
        signal.raise_signal(signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt), as_before():
        as_ray_does()
    assert signal.getsignal(signal.SIGTERM) is before


def test_status_while_it_runs(bench: Bench, cluster: str) -> None:
    process = bench.start("submit", "--grid", bench.grid(SLOW), "--address", cluster)
    wait_for(lambda: len(segments(bench)) >= 1, 60, "a segment")
    status = bench.json("status")
    assert status["runs"][0]["score"]["total"] == 20
    wait_for(lambda: (bench.results / "results.duckdb").exists(), 30, "the published database")
    assert "running" in {job["status"] for job in bench.json("results", "--by", "job")}
    process.communicate(timeout=120)
    assert process.returncode == 0
    assert bench.json("status")["runs"] == []
    assert bench.json("status")["jobs"] == {"done": 2}


def test_a_killed_ingester_is_replaced(bench: Bench, cluster: str) -> None:
    import psutil

    process = bench.start("submit", "--grid", bench.grid(SLOW), "--address", cluster)
    wait_for(lambda: len(segments(bench)) >= 1, 60, "a segment")
    ingesters = [
        p for p in psutil.Process(process.pid).children() if "gad.harness.store.ingest" in p.cmdline()
    ]
    assert len(ingesters) == 1
    ingesters[0].kill()
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0
    assert DIED not in err
    assert len(bench.query("SELECT 1 FROM parts")) == 20


def test_a_deleted_database_is_rebuilt_the_same(quick: Bench) -> None:
    bench, table, scores = quick, quick.table(), quick.scores()
    (bench.results / "results.duckdb").unlink()
    missing = bench.run("results", code=1)
    assert "harness db rebuild" in missing.stderr
    bench.run("db", "rebuild")
    assert (bench.table(), bench.scores()) == (table, scores)
    shutil.rmtree(bench.results / ".ingest")
    (bench.results / "results.duckdb").write_bytes(b"not a database")
    assert "harness db rebuild" in bench.run("results", code=1).stderr
    bench.run("db", "rebuild")
    assert (bench.table(), bench.scores()) == (table, scores)


def test_a_damaged_database_is_healed_by_the_same_command(quick: Bench, submit: Callable[..., str]) -> None:
    bench, table = quick, quick.table()
    (bench.results / "results.duckdb").write_bytes(b"not a database")
    (bench.results / ".ingest" / "store.duckdb").write_bytes(b"neither is this")
    assert "nothing to do: 4 jobs done" in submit(QUICK)
    assert bench.table() == table


@pytest.mark.parametrize("damage", ["flip", "truncate", "delete"])
def test_a_damaged_segment_is_named_and_computed_again(
    quick: Bench, submit: Callable[..., str], damage: str
) -> None:
    bench, table, scores = quick, quick.table(), quick.scores()
    victim = segments(bench)[0]
    content = victim.read_bytes()
    if damage == "flip":
        middle = len(content) // 2
        victim.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    elif damage == "truncate":
        victim.write_bytes(content[: len(content) // 2])
    else:
        victim.unlink()
    said = submit(QUICK)
    assert (victim.name in said) == (damage != "delete")
    assert "finished: 4 jobs done" in said
    assert (bench.table(), bench.scores()) == (table, scores)


def test_a_reader_may_hold_the_database_open_throughout(bench: Bench, submit: Callable[..., str]) -> None:
    submit("models: [pixel-knn]\ndatasets: [digits-multi-class]\nshots: [2]\nseeds: [0]\n")
    with duckdb.connect(str(bench.results / "results.duckdb"), read_only=True) as reader:
        before = reader.execute("SELECT count(*) FROM scores").fetchall()
        submit(QUICK)
        assert reader.execute("SELECT count(*) FROM scores").fetchall() == before
    assert len(bench.scores()) == 899 * 41


def test_a_full_disk_stops_with_a_clear_error(
    bench: Bench, submit: Callable[..., str], tmp_path: Path
) -> None:
    """A results folder on a tmpfs that is nearly full is refused; one that fills up loses nothing."""
    small = tmp_path / "small"
    small.mkdir()
    if os.geteuid() or os.system(f"mount -t tmpfs -o size=8m tmpfs {small} 2>/dev/null"):
        pytest.skip("mounting a tmpfs needs root")
    try:
        bad = bench.run("submit", "--grid", bench.grid(QUICK), "--results", str(small), code=1)
        assert "MB are free" in bad.stderr
        assert "Traceback" not in bad.stderr
    finally:
        os.system(f"umount {small}")
