"""The ablation's layout against tables worked out by hand."""

from __future__ import annotations

import doctest
import json
from typing import Any

import pandas as pd
import pytest

from gad.harness.cli.ablation import show
from gad.leaderboard import ablation, optionaxis

PROTOCOLS = {"elpv": "industrial", "visa": "industrial", "headct": "medical", "cifar": "one-vs-all"}


def line(components: str, dataset: str, mean: float | None, **other: Any) -> dict[str, Any]:
    """A line of ``dataset_results``; ``code`` and ``data`` make other keys."""
    code, data, residual = other.pop("code", "1"), other.pop("data", "1"), other.pop("residual", "subtract")
    options = {"components": components, "residual": residual, "backbone": other.pop("backbone", "tiny")}
    return {
        "model": "inctrl",
        "options": json.dumps(options, sort_keys=True),
        "method_key": f"{options}{code}",
        "dataset": dataset,
        "column_key": f"{dataset}{data}",
        "protocol": PROTOCOLS[dataset],
        "test_images": None,
        "shots": 2,
        "last_run": "1",
        "n_seeds": 3,
        "n_planned": 3,
        "n_failed": 0,
        "complete": True,
        "auroc_mean": mean,
        "auroc_std": 0.01,
        **other,
    }


def table(results: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    rows = ablation.variants(results)
    found = ablation.cells(results, rows[rows["family"] == rows["family"][0]], 2, "auroc")
    return found, ablation.averages(found, "auroc")


def test_doctests() -> None:
    result = doctest.testmod(ablation)
    assert result.attempted > 0
    assert result.failed == 0


def test_the_paper_s_order_of_variants() -> None:
    subsets = ["TPI", "PI", "I", "TP", "T", "TI", "P"]
    results = pd.DataFrame(
        [line(components, "elpv", 0.5) for components in subsets]
        + [line("TPI", "elpv", 0.5, residual=kind) for kind in ("average", "concat")]
    )
    assert ablation.variants(results)["variant"].tolist() == [
        *("T", "P", "I", "T + P", "T + I", "P + I", "T + P + I"),
        *("T + P + I, concat", "T + P + I, average"),
    ]


def test_only_one_family_is_one_table() -> None:
    """Two backbones are two ablations; older code, other models and rows without components are none."""
    results = pd.DataFrame(
        [
            line("T", "elpv", 0.1, backbone="big"),
            line("T", "elpv", 0.2),
            line("P", "elpv", 0.3),
            line("P", "elpv", 0.9, code="0", last_run="0"),
            {**line("T", "elpv", 0.9), "model": "winclip"},
            {**line("T", "elpv", 0.9), "options": "{}", "method_key": "z"},
        ]
    )
    rows = ablation.variants(results)
    assert rows["variant"].tolist() == ["T", "P", "T"]
    assert rows["family"].tolist() == ['{"backbone": "tiny"}', '{"backbone": "tiny"}', '{"backbone": "big"}']
    assert table(results)[0]["mean"].tolist() == [0.2, 0.3]


def test_two_auxiliary_sets_are_two_families_on_every_axis() -> None:
    """Trained on other data, the same variants would stand twice in one table."""
    results = pd.DataFrame(
        [
            line(part, "elpv", 0.5, code=source, setting=json.dumps({"resize": "crop", "trained on": source}))
            for source in ("heads", "brains")
            for part in ("P", "TPI")
        ]
    )
    for rows in (ablation.variants(results), optionaxis.variants(results, "inctrl: components")):
        assert len(rows) == 4
        assert sorted({json.loads(family)["trained on"] for family in rows["family"]}) == ["brains", "heads"]
        assert not rows.duplicated(["family", "variant"]).any()
        assert "resize" not in rows["family"][0]  # the same in all of them: nothing to tell apart


def test_domains_are_averaged_over_their_datasets() -> None:
    results = pd.DataFrame(
        [
            line("P", "headct", 0.9),
            line("P", "elpv", 0.5),
            line("P", "visa", 0.75),
            line("P", "cifar", 0.25),
            line("TP", "elpv", 0.75),
            line("TP", "visa", 0.75),
            line("TP", "headct", 0.5),
        ]
    )
    found, averages = table(results)
    assert found["variant"].tolist() == ["P"] * 4 + ["T + P"] * 3
    domains = "industrial industrial medical semantic industrial industrial medical"
    assert found["domain"].tolist() == domains.split()
    assert found["rank"].tolist() == [2, 1, 1, 1, 1, 1, 2]
    lines = [(a.variant, a.domain, a.mean, a.n, a.of, a.rank) for a in averages.itertuples()]
    assert lines == [
        ("P", "industrial", 0.625, 2, 2, 2),
        ("P", "medical", 0.9, 1, 1, 1),
        ("P", "semantic", 0.25, 1, 1, 1),
        ("T + P", "industrial", 0.75, 2, 2, 1),
        ("T + P", "medical", 0.5, 1, 1, 2),
    ]


@pytest.mark.parametrize(
    "missing", [[], [line("TP", "visa", 0.99, complete=False)], [line("TP", "visa", None)]]
)
def test_a_domain_with_a_dataset_missing_is_not_ranked(missing: list[dict[str, Any]]) -> None:
    results = pd.DataFrame(
        [line("P", "elpv", 0.5), line("P", "visa", 0.6), line("TP", "elpv", 0.7), *missing]
    )
    averages = table(results)[1].set_index("variant")
    assert averages.loc["T + P", ["mean", "n", "of", "complete"]].tolist() == [0.7, 1, 2, False]
    assert pd.isna(averages.loc["T + P", "rank"])
    assert averages.loc["P", ["n", "complete", "rank"]].tolist() == [2, True, 1]


def test_a_dataset_counts_once_with_its_newest_data() -> None:
    results = pd.DataFrame(
        [line("P", "elpv", 0.5, data="old", last_run="0"), line("P", "elpv", 0.7, data="new")]
    )
    found, averages = table(results)
    assert found["mean"].tolist() == [0.7]
    assert averages[["mean", "n", "of"]].to_numpy().tolist() == [[0.7, 1, 1]]


def test_no_variants() -> None:
    results = pd.DataFrame([{**line("T", "elpv", 0.9), "model": "winclip"}])
    assert ablation.variants(results).empty
    assert ablation.variants(results.iloc[:0]).empty


def test_the_command_prints_what_is_stored(folder: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Two variants on two domains; one dataset of one variant has a failed seed."""
    for components, quality in (("P", 0.0), ("TPI", 9.0)):
        options = {"components": components, "residual": "subtract", "backbone": "tiny"}
        for dataset, protocol in (("headct", "medical"), ("elpv", "industrial")):
            jobs = folder.plan("inctrl", dataset, options=options, protocol=protocol)
            folder.record(*jobs[1:], quality=quality)
            fails = (components, dataset) == ("P", "elpv")
            folder.record(jobs[0], quality=quality, error="broken" if fails else "")
    folder.record(*folder.plan("inctrl", "elpv", options={**options, "backbone": "other"}))
    show(folder.path, as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith(("AUROC at K = 2", "AUPRC at K = 2")) for line in lines) == 2
    heads = next(line for line in lines if "variant" in line)
    assert heads.index("elpv (industrial)") < heads.index("headct (medical)") < heads.index("avg medical")
    assert next(line for line in lines if "T + P + I" in line).count("1.000") == 4
    assert next(line for line in lines if line.strip().startswith("P ")).count("(2 of 3)") == 1
    assert next(line for line in lines if line.strip().startswith("P ")).count("- (0 of 1)") == 1

    show(folder.path, as_json=True)
    auroc, _ = json.loads(capsys.readouterr().out)
    assert (auroc["shots"], auroc["metric"], auroc["options"]) == (2, "auroc", {"backbone": "tiny"})
    assert [cell["variant"] for cell in auroc["cells"]] == ["P", "P", "T + P + I", "T + P + I"]
    averages = [(a["variant"], a["domain"], a["n"], a["of"], a["rank"]) for a in auroc["averages"]]
    assert averages == [
        ("P", "industrial", 0, 1, None),
        ("P", "medical", 1, 1, 2),
        ("T + P + I", "industrial", 1, 1, 1),
        ("T + P + I", "medical", 1, 1, 1),
    ]


def test_the_command_without_an_ablation(folder: Any, capsys: pytest.CaptureFixture[str]) -> None:
    folder.record(*folder.plan("pixel-knn", "elpv"))
    show(folder.path, as_json=False)
    said = capsys.readouterr()
    assert said.out == ""
    assert "no two variants of inctrl" in said.err
