"""Identity: golden values (an id may never change by accident), and what each id depends on."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gad.harness import ids, manifest
from gad.harness.nouns import Sample

GOLDEN = Path(__file__).parents[1] / "golden" / "ids.json"

PART = {
    "method": "m",
    "dataset": "d",
    "category": "c",
    "text": "t",
    "seed": 0,
    "training": "",
    "prompts": [("a.png", "00"), ("b.png", "11")],
    "queries": "ff",
}
JOB = {"method": "m", "column": "k", "dataset": "d", "shots": 2, "seed": 0, "training_seed": None}
COLUMN = {
    "fingerprint": "f",
    "texts": {"c": "t"},
    "prompt_rule": "r",
    "metrics_version": 1,
    "test_images": None,
}


def test_golden_ids() -> None:
    """Ids of version 1. If this fails, raise ID_VERSION and add new golden values; keep these."""
    golden = json.loads(GOLDEN.read_text())[str(ids.ID_VERSION)]
    assert ids.part_id(**PART) == golden["part"]
    assert ids.job_id(**JOB) == golden["job"]
    assert ids.column_key(**COLUMN) == golden["column"]
    assert ids.method_key({"model": "pixel-knn", "options": {"size": 32}}) == golden["method"]


def test_a_mask_that_changes_makes_other_queries() -> None:
    """Pixel metrics come from masks; where there are none, the digest is that of the four fields alone."""
    plain = Sample(id="a.png", path="a.png", label=1, split="test", category="c", digest="00", defect="cut")
    first, other = (plain.model_copy(update={"mask": "a.bmp", "mask_digest": mask}) for mask in ("1", "2"))
    digests = [manifest.test_digest([sample]) for sample in (plain, first, other)]
    assert len(set(digests)) == 3
    assert digests[0] == hashlib.sha256(b'["a.png","00",1,"cut"]\n').hexdigest()


def test_an_id_is_a_sha256_of_canonical_json() -> None:
    """By hand: sorted keys, no spaces, the kind and the version, cut to 20 hex digits."""
    text = '{"column":"k","dataset":"d","kind":"job","method":"m","seed":0,"shots":2,"training_seed":null,"version":1}'
    assert ids.job_id(**JOB) == hashlib.sha256(text.encode()).hexdigest()[:20]


@pytest.mark.parametrize(
    ("function", "fields", "other"),
    [
        (ids.part_id, PART, {"method": "n"}),
        (ids.part_id, PART, {"dataset": "e"}),
        (ids.part_id, PART, {"category": "d"}),
        (ids.part_id, PART, {"text": "u"}),
        (ids.part_id, PART, {"seed": 1}),
        (ids.part_id, PART, {"training": "x"}),
        (ids.part_id, PART, {"prompts": PART["prompts"][:1]}),
        (ids.part_id, PART, {"prompts": PART["prompts"][::-1]}),
        (ids.part_id, PART, {"prompts": [("a.png", "22"), ("b.png", "11")]}),
        (ids.part_id, PART, {"queries": "fe"}),
        *((ids.job_id, JOB, {name: 3 if isinstance(value, int) else "x"}) for name, value in JOB.items()),
        *(
            (ids.column_key, COLUMN, {name: 3 if isinstance(value, int) else "x"})
            for name, value in COLUMN.items()
        ),
    ],
)
def test_every_field_counts(function: object, fields: dict[str, object], other: dict[str, object]) -> None:
    if "texts" in other:
        other = {"texts": {"c": "another"}}
    assert callable(function)
    assert function(**fields) != function(**{**fields, **other})


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), plain))
def test_order_of_keys_does_not_count(fields: dict[str, object]) -> None:
    backwards = dict(reversed(fields.items()))
    assert ids.digest(fields) == ids.digest(backwards)


@given(plain, plain)
def test_different_data_has_different_digests(a: object, b: object) -> None:
    same = ids.canonical(a) == ids.canonical(b)
    assert (ids.digest(a) == ids.digest(b)) == same


def test_source_digest_sees_names_and_contents_but_not_line_ends(tmp_path: Path) -> None:
    a, b = tmp_path / "a.py", tmp_path / "b.py"
    a.write_bytes(b"x = 1\n")
    b.write_bytes(b"y = 2\n")
    before = ids.source_digest([a, b], tmp_path)
    assert ids.source_digest([b, a], tmp_path) == before
    a.write_bytes(b"x = 1\r\n")
    assert ids.source_digest([a, b], tmp_path) == before
    a.write_bytes(b"x = 2\n")
    assert ids.source_digest([a, b], tmp_path) != before
    assert ids.source_digest([b], tmp_path) != before
