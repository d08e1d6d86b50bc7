"""Imports run one way, and light commands stay light."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOTS = ("harness", "models", "datasets", "leaderboard", "grids")

# Lower layers first; a module belongs to the layer of its longest matching prefix, and may import only
# from its own layer and those below it.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("harness.errors",),
    ("harness.ids", "harness.nouns", "harness.atomic"),
    (
        "harness.manifest",
        "harness.manifestwrite",
        "harness.prompts",
        "harness.images",
        "harness.overlay",
        "harness.metrics",
        "harness.adapter",
        "harness.auxiliary",
        "harness.built",
    ),
    ("harness.store",),
    ("models", "datasets", "leaderboard", "grids"),
    ("harness",),
    ("harness.executor",),
    ("harness.conformance",),
    ("harness.cli",),
)
# Inside layers that hold several families, one family may not know another.
FORBIDDEN = (
    ("models", "datasets"),
    ("datasets", "models"),
    ("models", "leaderboard"),
    ("datasets", "leaderboard"),
    ("leaderboard", "models"),
    ("leaderboard", "datasets"),
    ("models", "harness.store"),
    ("datasets", "harness.store"),
)
# Not part of the running program: it measures the bundled encoder on the bundled data, by hand.
EXCEPTED = {"models.backbones.tiny.evaluate"}
HEAVY = ("torch", "ray", "sklearn", "scipy", "pandas", "open_clip", "timm", "streamlit", "plotly")


def modules() -> dict[str, Path]:
    found = {}
    for root in ROOTS:
        for path in sorted((ROOT / root).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(path: Path, known: set[str]) -> set[str]:
    """Modules of ours that a file imports, at any depth, except for type checking only."""
    names: set[str] = set()
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return {name.removeprefix("gad.") for name in names if name.startswith("gad.")} & known


def layer(module: str) -> int:
    best = max(
        (
            (len(prefix), level)
            for level, prefixes in enumerate(LAYERS)
            for prefix in prefixes
            if within(module, prefix)
        ),
        default=None,
    )
    assert best is not None, f"{module} belongs to no layer"
    return best[1]


def within(module: str, prefix: str) -> bool:
    return module == prefix or module.startswith(prefix + ".")


def graph() -> dict[str, set[str]]:
    known = modules()
    return {name: imported(path, set(known)) for name, path in known.items()}


def test_there_are_modules() -> None:
    assert len(modules()) > 30
    assert "harness.errors" in graph()["harness.ids"] | graph()["harness.manifest"]


def test_no_upward_arrow() -> None:
    wrong = [
        f"{name} imports {other}"
        for name, others in graph().items()
        if name not in EXCEPTED
        for other in others
        if layer(other) > layer(name) or any(within(name, a) and within(other, b) for a, b in FORBIDDEN)
    ]
    assert not wrong, "\n".join(wrong)


def test_no_cycle() -> None:
    edges, state = graph(), {}

    def visit(name: str, trail: tuple[str, ...]) -> None:
        if state.get(name) == "done":
            return
        assert state.get(name) != "open", " -> ".join((*trail, name))
        state[name] = "open"
        for other in edges[name]:
            visit(other, (*trail, name))
        state[name] = "done"

    for name in edges:
        visit(name, ())


def test_no_init_in_root_folders() -> None:
    assert not [root for root in ROOTS if (ROOT / root / "__init__.py").exists()]


COMMANDS = {
    "help": ["--help"],
    "plan": ["plan", "--grid", "demo", "--json"],
    "results": ["results", "--json"],
    "models": ["models", "list"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_light_commands_import_nothing_heavy(name: str, tmp_path: Path) -> None:
    script = (
        "import sys; from gad.harness.cli.main import run; sys.argv = ['harness', *sys.argv[1:]]\n"
        "try:\n    run()\nexcept SystemExit as ended:\n    assert not ended.code, ended.code\n"
        f"print('HEAVY', [m for m in {HEAVY} if m in sys.modules], file=sys.stderr)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script, *COMMANDS[name]],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=True,
    )
    assert ended.stderr.strip().endswith("HEAVY []")


@pytest.mark.alone
@pytest.mark.parametrize("name", COMMANDS)
def test_light_commands_are_quick(name: str, tmp_path: Path) -> None:
    """Best of eight, for the machine may be busy with something else."""
    harness = Path(sys.executable).with_name("harness")
    best = float("inf")
    for _ in range(8):
        started = time.perf_counter()
        subprocess.run(
            [harness, *COMMANDS[name]], capture_output=True, cwd=tmp_path, check=True, env=dict(os.environ)
        )
        best = min(best, time.perf_counter() - started)
        if best < 0.6:
            break
    assert best < 0.6
