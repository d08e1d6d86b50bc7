"""Every check catches a model that breaks its rule, and lets the one through that breaks none."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gad.harness.conformance import (
    checks_card,
    checks_inputs,
    checks_maps,
    checks_process,
    checks_scores,
    suite,
)
from gad.harness.conformance.failures import Blocked, CheckFailed
from gad.harness.conformance.processes import Watched
from gad.harness.conformance.subject import Subject
from gad.harness.executor.loaded import load
from gad.harness.registry import Model

HERE = str(Path(__file__).parent)

FAULTS = [
    ("broken_card:INFO", "check_card", "imports scipy"),
    ("Lambda", "check_pickle", "cannot be pickled"),
    ("Careless", "check_options", "accepts the unknown option 'sizex'"),
    ("WrongDefault", "check_options", "do not survive being stored"),
    ("Required", "check_options", "its options are not valid"),
    ("Raises", "check_runs", r"cannot go on \(.*broken_models.py:\d+\)"),
    ("TooFew", "check_runs", r"returned shape \(17,\) for 18 queries"),
    ("ScoresUnprepared", "check_call_order", "score before prepare is no error"),
    ("VagueOrder", "check_call_order", "does not name prepare"),
    ("Writes", "check_inputs_unchanged", "writes into its inputs"),
    ("WritesTheFile", "check_inputs_unchanged", "are not what they were"),
    ("NanOnBlack", "check_finite_scores", "the score of odd/test/good/black.png is nan"),
    ("BatchMean", "check_batch_size", "batches of 1 give other scores"),
    ("Position", "check_query_order", "in another order"),
    ("Base", "check_other_queries", "among other images"),
    ("Inverted", "check_direction", "higher must be more anomalous"),
    ("InvertedMaps", "check_maps", "higher must be more anomalous"),
    ("FlippedMaps", "check_maps", "with rows from the top"),
    ("BatchMaps", "check_maps", "batches of 1 give other maps"),
    ("MapsOnly", "check_maps", "where maps are kept, scores are others"),
    ("NeedsOne", "check_shots", "K = 0: ValueError: zero-size array"),
    ("NeedsTwo", "check_shots", "K = 1: ValueError: no covariance"),
    ("AtMostFour", "check_shots", "K = 8: ValueError: too many prompts"),
    ("NoConstants", "check_odd_images", "black.png: ZeroDivisionError: an image without contrast"),
    ("Unseeded", "check_determinism", "scored again has other scores"),
    ("ByProcess", "check_determinism", "in another process has other scores"),
    ("Remembers", "check_categories_apart", "canvas has other scores after other parts"),
    ("RemembersPrompts", "check_categories_apart", "canvas has other scores after other parts"),
    ("RemembersWeights", "check_categories_apart", "canvas has other scores after other parts"),
    ("GrabsGpu", "check_device", "a GPU was used, and the context's device is cpu"),
    ("Keeps", "check_memory", "every part leaves"),
    ("KeepsView", "check_memory", "every part leaves"),
    ("Walks", "check_nothing_else_is_read", r"listed .*gad-(data|results).* \(.*broken_models.py:\d+\)"),
    ("ReadsLabels", "check_nothing_else_is_read", r"opened .*labels.csv.* \(.*broken_models.py:\d+\)"),
    ("ReadsThroughALink", "check_nothing_else_is_read", r"opened .*labels.csv.* \(.*broken_models.py:\d+\)"),
    ("ReadsNatively", "check_nothing_else_is_read", "opened .*labels.csv, a planted file"),
    ("ReadsByProgram", "check_nothing_else_is_read", "opened .*labels.csv, a planted file"),
    ("ReadsElsewhere", "check_nothing_else_is_read", "opened the image /data/mvtec/bottle"),
    ("ReadsAllQueries", "check_nothing_else_is_read", "images.npy, where all queries of the part lie"),
    ("StudiesLabels", "check_nothing_else_is_read", r"opened .*labels.csv.* \(.*broken_models.py:\d+\)"),
    ("StudiesTests", "check_nothing_else_is_read", r"listed .*slate/test/good.* \(.*broken_models.py:\d+\)"),
    ("StudiesNatively", "check_nothing_else_is_read", "opened .*000_mask.png, a planted file"),
    ("Unsteady", "check_training", "gives another checkpoint"),
]
SKIPPED = {
    "Sound": {"check_maps", "check_training"},
    "Maps": {"check_training"},
    "TwoShots": {"check_maps", "check_training"},
    "Studies": {"check_maps"},
    "Transductive": {"check_maps", "check_training", "check_batch_size", "check_other_queries"},
}
CHECKS = {check.__name__: check for check in suite.CHECKS}


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(HERE)
    yield
    for name in ("broken_models", "broken_card"):
        sys.modules.pop(name, None)


def subject(name: str) -> Subject:
    reference = name if ":" in name else f"broken_models:{name}_INFO"
    return Subject(Model(load(reference), reference, "tests"), home=HERE)


@pytest.mark.parametrize(("name", "check", "said"), FAULTS, ids=[f"{n}-{c}" for n, c, _ in FAULTS])
def test_a_fault_is_caught(here: None, name: str, check: str, said: str) -> None:
    with subject(name) as broken, pytest.raises(CheckFailed, match=said) as raised:
        CHECKS[check](broken)
    assert not isinstance(raised.value, Blocked)


def test_every_check_has_a_fault() -> None:
    assert {check for _, check, _ in FAULTS} == set(CHECKS)


@pytest.mark.parametrize("name", SKIPPED)
def test_a_sound_model_passes(here: None, name: str) -> None:
    with subject(name) as sound:
        outcomes = list(suite.run(sound))
    skipped = {outcome.check for outcome in outcomes if outcome.status == "skipped"}
    assert [outcome for outcome in outcomes if outcome.status not in ("passed", "skipped")] == []
    assert skipped == SKIPPED[name]


def somebody_looks(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a model works, all files below a folder are read."""
    work = Watched.ask

    def ask(self: Watched, *given: Any) -> dict[str, Any]:
        for path in filter(Path.is_file, folder.rglob("*")):
            path.read_bytes()
        return work(self, *given)

    monkeypatch.setattr(Watched, "ask", ask)


def test_what_others_open_is_not_held_against_a_model(here: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with subject("Sound") as sound:
        somebody_looks(sound.folder, monkeypatch)
        sound.first_scores()
        assert sound.looked
        CHECKS["check_nothing_else_is_read"](sound)


def test_where_others_open_everything_it_cannot_be_told(
    here: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    somebody_looks(tmp_path, monkeypatch)
    with (
        subject("Sound") as sound,
        pytest.raises(Blocked, match="another program of this machine opens the files below"),
    ):
        CHECKS["check_nothing_else_is_read"](sound)


def test_a_model_that_does_not_run_is_not_said_to_fail_everything(here: None) -> None:
    with subject("Raises") as broken:
        outcomes = {outcome.check: outcome.status for outcome in suite.run(broken)}
    assert [check for check, status in outcomes.items() if status == "failed"] == ["check_runs"]
    assert outcomes["check_options"] == "passed"
    assert outcomes["check_direction"] == "blocked"


def test_checks_are_where_they_say() -> None:
    modules = (checks_card, checks_inputs, checks_maps, checks_process, checks_scores)
    found = {name for module in modules for name in vars(module) if name.startswith("check_")}
    assert found == set(CHECKS)
    assert all(check.__doc__ for check in CHECKS.values())
