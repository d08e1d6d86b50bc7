"""`harness models new`: a package with a model that works, to be changed into one's own."""

from __future__ import annotations

import importlib.util
import keyword
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from string import Template

from gad.harness.errors import UsageError

TEMPLATES = Path(__file__).parent
ENDING = ".txt"  # templates are no Python: nothing may compile or collect them


def write(name: str, parent: Path, taken: Mapping[str, str], *, features: bool) -> list[Path]:
    """Write the package ``name`` into a new folder of that name in ``parent``; returns its files.

    ``taken`` maps the names that are registered to the package that brought them. UsageError for a name
    that cannot be used, and when the folder is there already.
    """
    model = checked(name, taken)
    folder = parent / name
    if folder.exists():
        raise UsageError(
            f"there is a {folder} already", fix="Name another model, or another folder with --dir."
        )
    words = {
        "package": name,
        "model": model,
        "title": model.replace("-", " ").capitalize(),
        "klass": "".join(word.capitalize() for word in name.split("_")),
    }
    kind = "features" if features else "image"
    made = {
        folder / "pyproject.toml": "both/pyproject.toml",
        folder / "README.md": "both/README.md",
        folder / "tests" / "test_conformance.py": "both/test_conformance.py",
        folder / name / "info.py": f"{kind}/info.py",
        folder / name / "adapter.py": f"{kind}/adapter.py",
    }
    for path, template in made.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        text = (TEMPLATES / (template + ENDING)).read_text(encoding="utf-8")
        path.write_text(Template(text).substitute(words), encoding="utf-8")
    (folder / name / "__init__.py").write_text("", encoding="utf-8")
    return [*made, folder / name / "__init__.py"]


def checked(name: str, taken: Mapping[str, str]) -> str:
    """The model's name (``my-model``) for a package name (``my_model``). UsageError for one that cannot be used."""
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name) or keyword.iskeyword(name):
        fixed = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
        usable = re.fullmatch(r"[a-z]\w*", fixed) and not keyword.iskeyword(fixed)
        raise UsageError(
            f"{name!r} cannot be the name of a package: small letters, digits and single underscores, "
            "beginning with a letter",
            fix=f"For example {fixed if usable else 'my_model'!r}.",
        )
    model = name.replace("_", "-")
    if model in taken:
        raise UsageError(
            f"a model {model!r} is registered already, by {taken[model]}", fix="Name it otherwise."
        )
    if name in sys.stdlib_module_names or importlib.util.find_spec(name) is not None:
        raise UsageError(
            f"Python already has a module {name!r}, which a package of that name would hide",
            fix="Name it otherwise.",
        )
    return model
