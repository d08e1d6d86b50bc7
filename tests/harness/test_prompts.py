"""Prompts: nested, without a random generator, independent of file order; limits keep both labels."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from gad.harness import prompts
from gad.harness.nouns import Sample


def sample(name: str, label: int = 0, split: str = "train") -> Sample:
    return Sample.model_validate(
        {"id": name, "path": name, "label": label, "split": split, "category": "c", "digest": name}
    )


names = st.lists(st.text(min_size=1, max_size=12), unique=True, min_size=1, max_size=40)


def test_golden_order() -> None:
    """The rule by hand: sha256 of `dataset|category|seed|id`."""
    normals = [sample(f"train/good/{i:03d}.png") for i in range(10)]
    drawn = prompts.draw("mvtec", "bottle", 1, normals, 4)
    by_hand = sorted(
        (hashlib.sha256(f"mvtec|bottle|1|train/good/{i:03d}.png".encode()).hexdigest(), i) for i in range(10)
    )
    assert [s.id for s in drawn.samples] == [f"train/good/{i:03d}.png" for _, i in by_hand[:4]]
    assert [s.id[-7:-4] for s in drawn.samples] == GOLDEN


GOLDEN = ["000", "005", "004", "003"]


@given(names, st.integers(0, 99), st.integers(0, 50), st.integers(0, 50), st.randoms())
def test_nested_and_independent_of_order(found: list[str], seed: int, a: int, b: int, random: object) -> None:
    normals = [sample(name) for name in found]
    few, many = sorted((a, b))
    smaller = prompts.draw("d", "c", seed, normals, few).samples
    random.shuffle(normals)  # type: ignore[attr-defined]
    larger = prompts.draw("d", "c", seed, normals, many).samples
    assert larger[: len(smaller)] == smaller
    assert len({s.id for s in larger}) == len(larger) == min(many, len(found))


@given(names)
def test_an_added_file_only_pushes_in(found: list[str]) -> None:
    """Whoever was drawn stays drawn unless a new file comes before it."""
    before = [s.id for s in prompts.draw("d", "c", 0, [sample(n) for n in found], 4).samples]
    after = [s.id for s in prompts.draw("d", "c", 0, [sample(n) for n in [*found, "new\0file"]], 4).samples]
    assert [name for name in after if name != "new\0file"] == before[: len(after) - ("new\0file" in after)]


def test_seeds_draw_differently() -> None:
    normals = [sample(str(i)) for i in range(100)]
    draws = {tuple(s.id for s in prompts.draw("d", "c", seed, normals, 4).samples) for seed in range(20)}
    assert len(draws) == 20


@given(st.integers(0, 60), st.integers(0, 60), st.integers(2, 50))
def test_limited_tests_keep_labels_and_order(normal: int, anomalous: int, most: int) -> None:
    tests = [sample(f"{i:03d}", int(i >= normal), "test") for i in range(normal + anomalous)]
    kept = prompts.limit_tests("d", "c", tests, most)
    assert len(kept) == min(most, len(tests))
    assert [s.id for s in kept] == sorted(s.id for s in kept)
    assert {s.label for s in kept} == {s.label for s in tests}
    if len(tests) > most and min(normal, anomalous) * most >= len(tests):
        share = sum(s.label for s in kept) / len(kept)
        assert abs(share - anomalous / len(tests)) <= 1 / most


def test_no_limit_is_the_whole_split() -> None:
    tests = [sample(str(i), i % 2, "test") for i in range(9)]
    assert prompts.limit_tests("d", "c", tests, None) == tests
