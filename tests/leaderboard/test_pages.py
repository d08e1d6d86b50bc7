"""Every page under Streamlit's own test runner, on a results folder with something for each of them."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from leaderboard.conftest import HOSTILE
from streamlit.testing.v1 import AppTest

from gad.harness.store import jobdiff, read
from gad.leaderboard.pages import app

PAGES = [name for name in app.PAGES if name != "leaderboard"]


@pytest.fixture
def show(site, monkeypatch):
    """Runs a page on the site, with query parameters."""

    def run(name: str, data: Path | None = None, **query: str | list[str]) -> AppTest:
        folders = ["--results", str(site.folder.path), "--data", str(data or site.data)]
        monkeypatch.setattr(sys, "argv", ["app.py", *folders])
        page = AppTest.from_file(str(Path(app.__file__)), default_timeout=30)
        page.switch_page(f"{name}.py")
        for key, value in query.items():
            page.query_params[key] = value
        page.run()
        assert not page.exception
        return page

    return run


def text(page: AppTest) -> str:
    return "\n".join(element.proto.body for element in page.get("html"))


def job(site, **wanted: object) -> dict[str, object]:
    """The first recorded job with these values."""
    rows = read.results(site.folder.path, "job")
    return next(row for row in rows if all(row[name] == value for name, value in wanted.items()))


@pytest.mark.parametrize("name", PAGES)
def test_every_page_shows_something_and_no_markup_of_others(show, name: str) -> None:
    page = show(name)
    found = text(page)
    assert "gad-table" in found
    assert "<img src=x" not in found
    assert "gad gad-note" not in found


@pytest.mark.parametrize("name", PAGES)
def test_nonsense_in_the_address_is_told(show, name: str) -> None:
    asked = ("k", "metric", "dataset", "method", "methods", "job", "axis", "reference", "seed", "category")
    found = text(show(name, **dict.fromkeys(asked, HOSTILE)))
    assert "<img src=x" not in found
    if name != "runs":  # which has no choices
        assert "which is not here" in found


def test_images_are_the_prepared_ones_with_their_outline(show, site) -> None:
    knn = job(site, model="knn", dataset="parts")["method_key"]
    found = text(show("dataset", dataset="parts", method=str(knn), category="bolt", images="missed"))
    assert found.count("data:image/webp;base64,") == 2 + len(
        [s for s in site.folder._samples("parts", "bolt", "test") if s.label]
    )
    assert "Prompts" in found
    assert (
        "each from its own least (clear) to its own most (yellow); all maps kept here go from 1 to 5" in found
    )
    assert "; map up to 5" in found
    assert "Licence: not stated" in found
    plain = text(
        show("dataset", dataset="parts", method=str(knn), category="bolt", images="missed", heat="off")
    )
    assert "(yellow)" not in plain
    assert found.partition("Prompts")[2] != plain.partition("Prompts")[2]


def test_images_that_changed_since_are_not_shown(show, site, tmp_path) -> None:
    data = tmp_path / "data"
    shutil.copytree(site.data, data)
    summary = data / "parts" / "dataset.json"
    summary.write_text(summary.read_text().replace(site.folder.prepared["parts"].fingerprint, "0" * 64))
    found = text(show("dataset", data=data, dataset="parts"))
    assert "data:image" not in found
    assert "have changed since these results" in found


def test_a_damaged_manifest_takes_the_pictures_and_not_the_numbers(show, site, tmp_path) -> None:
    data = tmp_path / "data"
    shutil.copytree(site.data, data)
    (data / "parts" / "manifest.parquet").write_bytes(b"damaged")
    found = text(show("dataset", data=data, dataset="parts"))
    assert "data:image" not in found
    assert 'class="none">' in found
    assert "cannot be shown" not in found
    assert "Worst false alarms" in found


@pytest.mark.parametrize("name", ["digits-one-vs-all", HOSTILE])
def test_a_dataset_that_is_not_prepared_has_no_images(show, name: str) -> None:
    assert "data:image" not in text(show("dataset", dataset=name))


def test_a_job_says_how_to_run_it_again_and_what_differs(show, site) -> None:
    first = job(site, model="inctrl", shots=2, seed=0, training_seed=8, dataset="parts")
    second = {**first, **job(site, model="inctrl", shots=4, seed=0, training_seed=8, dataset="parts")}
    page = show("job", job=str(first["job_id"]), other=str(second["job_id"]))
    again = "harness submit --grid &#x27;my grid.yaml&#x27; --only model=inctrl,dataset=parts,shots=2,seed=0"
    assert f">{again} --results gad-results-again</pre>" in text(page)
    assert "jobs on the same prompts that differ in options or training seed" in text(page)
    lines = jobdiff.difference(site.folder.path, str(first["job_id"]), str(second["job_id"]))
    assert ("shots", "2", "4") in lines
    found = text(page)
    assert all(f">{name}</th>" in found for name, *_ in lines)


def test_curves_of_two_methods_say_which_is_which(show, site) -> None:
    first, second = (job(site, model=name, dataset="parts")["method_key"] for name in ("knn", "inctrl"))
    asked = {"dataset": "parts", "method": str(first)}
    assert "</i>knn</span>" not in text(show("dataset", **asked))
    assert "</i>knn</span>" in text(show("dataset", **asked, other=str(second)))


def test_a_job_is_chosen_by_what_it_is(show, site) -> None:
    """An id in the address opens it; another K is another job, and the address follows. An unknown id is said."""
    first = job(site, model="inctrl", shots=4, seed=1, training_seed=9, dataset="parts")
    second = job(site, shots=2, seed=1, training_seed=9, dataset="parts", method_key=first["method_key"])
    page = show("job", job=str(first["job_id"]))
    assert page.segmented_control(key="k").value == 4
    assert "differs" not in text(page)
    page.segmented_control(key="k").set_value(2).run()
    assert page.query_params["job"] == second["job_id"]
    page.segmented_control(key="other_method").set_value(first["method_key"]).run()
    assert "That is the same job" in text(page)
    page.segmented_control(key="other_k").set_value(4).run()
    assert page.query_params["other"] == first["job_id"]
    assert f"harness diff {second['job_id']} {first['job_id']}" in text(page)
    assert "<code>job = nonsense</code>, which is not here" in text(show("job", job="nonsense"))


def test_failures_are_told_with_their_traceback(show) -> None:
    for name in ("runs", "job"):
        asked = {} if name == "runs" else {"job": str(FAILED.get("job_id", ""))}
        found = text(show(name, **asked))
        assert "Traceback: it broke &lt;img" in found
        assert "said it broke" in found


FAILED: dict[str, object] = {}


@pytest.fixture(autouse=True)
def failed(site) -> None:
    FAILED.update(job(site, model=HOSTILE, status="failed"))


def test_bands_over_training_seeds_are_apart(show) -> None:
    prompts, training = (show("shots", over=over, k="2") for over in ("prompts", "training"))
    assert text(prompts) != text(training)
    assert "one standard deviation over training seeds" in text(training)


def test_ablations_name_the_full_model_and_any_option(show) -> None:
    page = show("ablations", k="2")
    assert page.segmented_control(key="axis").options == ["components and residual", "inctrl: components"]
    assert "Δ: difference to T + P + I" in text(page)
    other = show("ablations", axis="inctrl: components", k="2")
    assert "components = &quot;P&quot;" in text(other)


def test_compare_makes_no_p_value_of_three_seeds(show) -> None:
    found = text(show("compare", k="2"))
    assert "too few for a test" in found
    assert "Seeds are not more data" in found
    assert "Bootstrap of AUROC" in found
