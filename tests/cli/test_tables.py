"""`results --format`, `export` and `diff`: the leaderboard's tables without a browser."""

from __future__ import annotations

import csv
import io

import pytest
from leaderboard.conftest import Folder
from typer.testing import CliRunner

from gad.harness.cli.main import app
from gad.harness.errors import UsageError
from gad.harness.store import read

RUN = CliRunner()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    found = Folder(tmp_path_factory.mktemp("tables") / "results")
    for model in ("a", "b"):
        found.record(*found.plan(model, "screws", shots=(2, 4)), quality=1.0 + (model == "a"))
    return found


def call(folder: Folder, *arguments: str) -> str:
    ended = RUN.invoke(app, [*arguments, "--results", str(folder.path)], catch_exceptions=False)
    assert ended.exit_code == 0, ended.output
    return ended.stdout


def test_csv_is_the_store_to_the_last_digit(folder) -> None:
    header, *rows = csv.reader(io.StringIO(call(folder, "results", "--format", "csv", "--shots", "4")))
    found = {row[0]: dict(zip(header, row, strict=True)) for row in rows}
    stored = {row["model"]: row for row in read.results(folder.path) if row["shots"] == 4}
    assert found.keys() == stored.keys()
    for model, row in stored.items():
        assert found[model]["screws"] == repr(row["auroc_mean"])
        assert found[model]["screws std"] == repr(row["auroc_std"])


@pytest.mark.parametrize(("format_", "mark"), [("md", "**"), ("latex", "\\textbf"), ("table", "±")])
def test_other_formats_have_a_table_for_each_k(folder, format_: str, mark: str) -> None:
    found = call(folder, "results", "--format", format_, "--metric", "auprc")
    assert found.count("AUPRC at K =") == 2
    assert mark in found


def test_what_is_not_there_is_told(folder) -> None:
    for wrong in (["--shots", "3"], ["--metric", "aurok"]):
        ended = RUN.invoke(app, ["results", "--format", "md", "--results", str(folder.path), *wrong])
        assert isinstance(ended.exception, UsageError)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--format", "md", "--json"], "--format goes with neither"),
        (["--format", "md", "--layout", "pixel"], "--format goes with neither"),
        (["--layout", "costs", "--by", "job"], "--by goes with neither"),
        (["--metric", "auprc"], "go with --format alone"),
        (["--json", "--shots", "2"], "go with --format alone"),
    ],
)
def test_options_that_would_be_ignored_are_refused(folder, options: list[str], said: str) -> None:
    ended = RUN.invoke(app, ["results", "--results", str(folder.path), *options])
    assert isinstance(ended.exception, UsageError)
    assert said in ended.exception.message


def test_export_writes_every_table(folder, tmp_path) -> None:
    call(folder, "export", "--out", str(tmp_path / "tables"), "--format", "csv")
    names = {path.name for path in (tmp_path / "tables").iterdir()}
    assert {"leaderboard-auroc-k2.csv", "leaderboard-fpr95-k4.csv", "shots-auprc.csv"} <= names
    assert {"tests-auroc-k2.csv", "compare-f1_max-k4-by-dataset.csv".replace("_", "-")} <= names
    printed = call(folder, "results", "--format", "csv", "--shots", "2")
    assert (tmp_path / "tables" / "leaderboard-auroc-k2.csv").read_text() == printed


def test_comparisons_are_exported_with_their_intervals(folder, tmp_path) -> None:
    call(folder, "export", "--out", str(tmp_path))
    means = {row["model"]: row["auroc_mean"] for row in read.results(folder.path) if row["shots"] == 2}
    header, row = csv.reader(io.StringIO((tmp_path / "compare-auroc-k2-by-dataset.csv").read_text()))
    found = dict(zip(header, row, strict=True))
    assert float(found["a"]) == pytest.approx(means["a"])
    assert float(found["b − reference"]) == pytest.approx(means["b"] - means["a"])
    header, *rows = csv.reader(io.StringIO((tmp_path / "bootstrap-screws-k2.csv").read_text()))
    for row in rows:
        drawn = dict(zip(header, row, strict=True))
        low, high = map(float, drawn["95 % interval"].split(" to "))
        assert float(drawn["AUROC"]) == pytest.approx(means[drawn["method"]])
        assert low < float(drawn["AUROC"]) < high


def test_diff_names_what_differs_and_nothing_else(folder) -> None:
    found = call(folder, "diff", "a/screws/K2/seed0", "a/screws/K4/seed0", "--json")
    assert '"shots"' in found
    assert '"method_key"' not in found
    ended = RUN.invoke(app, ["diff", "a/screws/K2/seed9", "x", "--results", str(folder.path)])
    assert isinstance(ended.exception, UsageError)
    assert "Did you mean" in str(ended.exception)
