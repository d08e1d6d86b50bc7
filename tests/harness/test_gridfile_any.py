"""Any text and any data: a grid, or an error that says something."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml
from gridtexts import GOOD, KNOWN, read, text
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gad.harness.errors import GridError
from gad.harness.gridfile import parse
from gad.harness.nouns import Grid

QUICK = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
words = st.sampled_from(
    [
        *GOOD,
        "name",
        "limits",
        "auxiliary",
        "options",
        "size",
        "pixel-knn",
        "textures",
        "mvtec",
        "default",
        "./x",
    ]
)
leaves = st.one_of(
    words,
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.dates(),
    st.binary(max_size=3),
)
nested = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(words | st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)
SCRAPS = r""": - | [ ] { } , ' " \ > &a *a !t !!int !< ? "\x "\U % << # --- ... 0 -1 1e3 ~ @ = .nan
2001-01-01 99999999999 %YAML %TAG"""
BLANKS = [" ", "  ", "\n", "\t", "\x00", "\ud800", "\x85"]
scraps = st.lists(st.sampled_from([*GOOD, *SCRAPS.split(), *BLANKS, ": ", "- "]), max_size=25).map("".join)


def grid_or_error(source: str) -> Grid | None:
    try:
        return parse(source, KNOWN, file="grid.yaml", folder=Path("/nowhere"))
    except GridError as error:
        found = error.problems
    assert found
    assert all(problem.isprintable() for problem in found)
    return None


@QUICK
@given(st.text() | scraps)
def test_any_text(source: str) -> None:
    grid_or_error(source)
    grid_or_error(text() + source)


@QUICK
@given(nested, st.booleans())
def test_any_data(data: Any, wrap: bool) -> None:
    whole = {"models": data, "datasets": data, "shots": data, "limits": data} if wrap else data
    grid_or_error(yaml.safe_dump(whole, allow_unicode=True))


@QUICK
@given(
    st.sampled_from(
        [*GOOD, "name", "training_seeds", "auxiliary", "backbone", "precision", "resize", "maps", "limits"]
    ),
    nested,
)
def test_any_value_of_a_key(key: str, data: Any) -> None:
    whole = {k: yaml.safe_load(v) for k, v in GOOD.items()} | {key: data}
    grid_or_error(yaml.safe_dump(whole))


def several(elements: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(elements, min_size=1, max_size=4, unique_by=lambda e: json.dumps(e, sort_keys=True))


good_options = st.fixed_dictionaries(
    {
        "size": st.integers(1, 64),
        "mode": st.sampled_from(["mean", "max"]),
        "rate": st.floats(1e-300, 1e300),
        "layers": st.lists(st.integers(-100, 100)),
        "centre": st.just(False),
        # PyYAML writes these line breaks raw (allow_unicode), and reads them back as others.
        "note": st.none()
        | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x85\u2028\u2029")),
    }
)
good_models = st.fixed_dictionaries(
    {"name": st.sampled_from(["pixel-knn", "pixel-gaussian"]), "options": good_options}
)
good_grids = st.fixed_dictionaries(
    {
        "name": st.from_regex(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,30}", fullmatch=True),
        "models": several(good_models),
        "datasets": several(st.sampled_from(["textures", "digits-one-vs-all", "/usr", "/etc"])),
        "shots": several(st.integers(1, 2**31 - 1)),
        "seeds": several(st.integers(0, 2**31 - 1)),
        "training_seeds": several(st.integers(0, 2**31 - 1)),
        "prompts": st.just({}),
        "auxiliary": st.just({}) | st.just({"default": "mvtec", "/usr": "/etc"}),
        "backbone": st.text(st.characters(categories=["L", "N", "P"])),
        "precision": st.sampled_from(["fp32", "bf16", "fp16"]),
        "resize": st.sampled_from(["crop", "squash", "pad", "tile"]),
        "maps": st.sampled_from(["none", "all"]) | st.fixed_dictionaries({"worst": st.integers(1, 10**6)}),
        "pixel_metrics": st.booleans(),
        "limits": st.fixed_dictionaries(
            {
                "part_seconds": st.floats(1e-9, 1e9),
                "part_memory_gb": st.floats(1e-9, 1e9),
                "part_output_mb": st.floats(1e-9, 1e9),
                "training_seconds": st.none() | st.floats(1e-9, 1e9),
                "test_images": st.none() | st.integers(2, 10**9),
            }
        ),
    }
)


@QUICK
@given(good_grids, st.booleans())
def test_a_right_grid_comes_back(data: dict[str, Any], as_json: bool) -> None:
    grid = read(json.dumps(data) if as_json else yaml.safe_dump(data))
    assert grid.model_dump(mode="json") == data
    again = read(yaml.safe_dump(grid.model_dump(mode="json"), allow_unicode=True))
    assert again == grid
