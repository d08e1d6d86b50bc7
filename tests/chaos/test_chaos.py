"""Every fault of a run once, several of them in one folder, so that it takes a minute: `make chaos` takes more.

Faults of features in the cache are in tests/executor/test_features.py and tests/features.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from support import Bench

from chaos import clocks, damage, disks, killing, sharing
from chaos.nodes import Nodes
from chaos.stage import Stage, TooLate
from chaos.verdict import Reference, judge, reference

pytestmark = pytest.mark.timeout(900)
RANDOM = Random(5)


@pytest.fixture(scope="module")
def stage(
    tmp_path_factory: pytest.TempPathFactory, bundled: Path, strangers: Path, nodes: Any
) -> Iterator[Stage]:
    bench = Bench(tmp_path_factory.mktemp("chaos") / "bench", data=bundled, path=strangers)
    made = Stage(bench, Nodes(nodes))
    yield made
    made.restore()
    while made.mounted:
        disks.unmount(made.mounted.pop())


@pytest.fixture(scope="module")
def undisturbed(stage: Stage) -> Reference:
    stage.fresh()
    stage.finish()
    return reference(stage.bench.results)


def test_files_that_changed_or_went(stage: Stage, undisturbed: Reference) -> None:
    """Part files and the ingester's database at once; then the database and a run file; then no database."""
    for together in (
        (damage.flip_segment, damage.truncate_segment, damage.delete_segment, damage.flip_private),
        (damage.flip_database, damage.flip_run),
        (damage.delete_database,),
    ):
        stage.again()
        for fault in together:
            with contextlib.suppress(TooLate):  # there are no more files than faults
                fault(stage, RANDOM)
        stage.finish()
        assert judge(stage.bench.results, undisturbed).clean, together


def test_processes_that_die_while_the_run_goes_on(stage: Stage, undisturbed: Reference) -> None:
    """The ingester, a whole node, an adapter's process and a worker: nobody need do anything.

    In one run, if it takes long enough; else the rest of them in another.
    """
    left = [killing.ingester, killing.node, killing.child, killing.worker]
    while left:
        stage.fresh()
        stage.shared = True
        with contextlib.suppress(TooLate):
            while left:
                left[0](stage, RANDOM)
                left.pop(0)
        codes = stage.wait()
        stage.shared = False
        stage.restore()
        assert codes == [0], stage.said
        assert "Traceback" not in stage.said
        assert judge(stage.bench.results, undisturbed).clean


def test_runs_that_end_before_their_time(stage: Stage, undisturbed: Reference) -> None:
    """One run after another in one folder, each disturbed otherwise; what was finished is never lost."""
    stage.fresh()
    with contextlib.suppress(disks.NotHere):
        disks._mount(stage, stage.bench.results)
    faults = [killing.driver, killing.interrupt, killing.interrupt_twice]
    faults += [disks.full, disks.read_only] if stage.mounted else []
    for fault in [*faults, _clock_and_company]:
        before = stage.segments()
        stage.again()
        with contextlib.suppress(TooLate):
            fault(stage, RANDOM)
        codes = stage.wait()
        stage.restore()
        assert "Traceback" not in stage.said, stage.said
        assert before <= stage.segments(), f"{fault.__name__} lost a part file"
        if codes and not any(codes):
            assert judge(stage.bench.results, undisturbed).clean
            if fault is not _clock_and_company:  # it was done before the next fault had its turn
                _empty(stage.bench.results)
    assert codes == [0, 0]


def _clock_and_company(stage: Stage, random: Random) -> None:
    """The clock of one run jumps, and another run of the grid works beside it to the end."""
    clocks.jumps(stage, random)
    sharing.another(stage)


def _empty(results: Path) -> None:
    """Without the folder itself, where a disk may be mounted."""
    for path in results.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
