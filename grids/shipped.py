"""The grids that come with the package lie beside this file."""

from pathlib import Path


def paths() -> dict[str, Path]:
    """Grid files by name, in name order."""
    return {path.stem: path for path in sorted(Path(__file__).parent.glob("*.yaml"))}
