"""Models that strangers register: what breaks is theirs alone, and what changes is noticed."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from support import Bench, write_hostile

from gad.harness import ids, registry, version
from gad.harness.errors import ModelError
from gad.harness.methods import input_of
from gad.harness.nouns import Frozen, ImageInput, Input, ModelChoice, ModelInfo
from gad.harness.registry import Model, source_digest

ROOT = Path(__file__).parents[2]


class Options(Frozen):
    pass


def small(_options: Options) -> Input:
    return ImageInput(size=8)


def model(reference: str, adapter: str) -> Model:
    info = ModelInfo(name="m", title="t", summary="s", adapter=adapter, options=Options, inputs=small)
    return Model(info, reference, "strangers")


def install(folder: Path, entries: dict[str, str]) -> None:
    """Entry points, as pip would have written them."""
    place = folder / "strangers-1.0.dist-info"
    place.mkdir()
    (place / "METADATA").write_text("Metadata-Version: 2.1\nName: strangers\nVersion: 1.0\n")
    lines = [f"{name} = {value}" for name, value in entries.items()]
    (place / "entry_points.txt").write_text("\n".join(["[gad.models]", *lines, ""]))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the path; what was imported from it is forgotten."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.startswith("stranger"):
            del sys.modules[name]


def write(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    importlib.invalidate_caches()
    return path


def test_a_package_that_exits_or_prints(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(site / "stranger_exits.py", "import sys; print('hello'); sys.exit(0)")
    write(site / "stranger_raises.py", "raise RuntimeError('no')")
    install(
        site, {"exits": "stranger_exits:INFO", "raises": "stranger_raises:INFO", "gone": "stranger_x:INFO"}
    )
    found = registry.load()
    assert {"exits", "raises", "gone"} <= found.broken.keys()
    assert "SystemExit" in found.broken["exits"]
    assert "pixel-knn" in found.models
    out, err = capsys.readouterr()
    assert (out, err) == ("", "hello\n")


@pytest.mark.parametrize("marked", [True, False])
def test_the_digest_sees_the_whole_package(site: Path, marked: bool) -> None:
    if marked:
        write(site / "stranger/__init__.py")
        write(site / "stranger/b/__init__.py")
    write(site / "stranger/b/adapter.py", "from stranger import common")
    write(site / "stranger/info.py")
    common = write(site / "stranger/common.py", "x = 1")
    write(site / "other.py", "x = 1")
    known = model("stranger.info:INFO", "stranger.b.adapter:Adapter")
    seen = [source_digest(known)]
    write(site / "other.py", "x = 2")
    write(site / "stranger/notes.txt", "not code")
    assert source_digest(known) == seen[0]
    write(common, "x = 2")
    seen.append(source_digest(known))
    write(site / "stranger/weights.pt", "some")
    seen.append(source_digest(known))
    assert len(set(seen)) == 3


def test_the_digest_of_a_package_and_of_a_single_file(site: Path) -> None:
    write(site / "stranger/__init__.py", "x = 1")
    part = write(site / "stranger/part.py", "x = 1")
    package = model("stranger:INFO", "stranger:Adapter")
    before = source_digest(package)
    write(part, "x = 2")
    assert source_digest(package) != before
    file = write(site / "stranger_alone.py", "x = 1")
    alone = model("stranger_alone:INFO", "stranger_alone:Adapter")
    before = source_digest(alone)
    write(site / "stranger_else.py", "x = 1")
    assert source_digest(alone) == before
    write(file, "x = 2")
    assert source_digest(alone) != before


def test_every_file_that_a_worker_may_run_is_in_a_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    """What preflight compares: the harness with the code that models share, and each model's own folder."""
    seen: list[Path] = []

    def note(files: Iterable[Path], root: Path) -> str:
        seen.extend(files)
        return ""

    monkeypatch.setattr(ids, "source_digest", note)
    version.code_digest.__wrapped__()
    for model in registry.load().models.values():
        registry.source_digest(model)
    for relatives in registry.load().families.values():
        names = relatives.family.names()
        if not names:  # nobody runs what is not installed
            seen.extend((ROOT / relatives.module.removeprefix("gad.").replace(".", "/")).parent.glob("*.py"))
        for name in names[:1]:
            registry.source_digest(relatives.find(name))
    ours = [file for root in ("harness", "models") for file in (ROOT / root).rglob("*.py")]
    assert not set(ours) - set(seen)


def test_the_place_of_a_model_of_ours() -> None:
    """Built-in models are their own folder: `gad` is several folders side by side."""
    place = registry._place("gad.models.pixel_knn.adapter", "m")
    assert (place.name, place.parent.name) == ("pixel_knn", "models")


@pytest.mark.parametrize(
    "adapter", ["stranger.gone:A", "stranger_gone.adapter:A", ":A", "pixel..x:A", "stranger_exits.a:A"]
)
def test_a_missing_adapter(site: Path, adapter: str) -> None:
    write(site / "stranger/__init__.py")
    write(site / "stranger_exits/__init__.py", "raise SystemExit(0)")
    with pytest.raises(ModelError, match=r"model 'm': its module .* is not there"):
        source_digest(model("stranger:INFO", adapter))


def test_a_missing_adapter_in_the_commands(tmp_path: Path) -> None:
    path = write_hostile(tmp_path / "site")
    (path / "hostile_models/adapter.py").unlink()
    bench = Bench(tmp_path, path=path)
    assert "hostile" in {row["name"] for row in bench.json("models", "list")}
    grid = bench.grid("name: g\nmodels: [hostile]\ndatasets: [textures]\nshots: [2]\nseeds: [0]\n")
    said = bench.run("plan", "--grid", grid, code=1).stderr
    assert said.startswith("error: model 'hostile': its module 'hostile_models.adapter' is not there")


def test_a_model_that_does_not_say_what_it_wants() -> None:
    def raises(_options: Options) -> Input:
        raise KeyError("size")

    def strange(_options: Options) -> Input:
        return "pixels"  # type: ignore[return-value]

    for inputs, said in ((raises, "KeyError: 'size'"), (strange, "wants str")):
        known = model("x:INFO", "x:A")
        known = Model(known.info.model_copy(update={"inputs": inputs}), "x:INFO", "strangers")
        with pytest.raises(ModelError, match="model 'm'") as raised:
            input_of(known, ModelChoice(name="m", options={}))
        assert said in str(raised.value)
