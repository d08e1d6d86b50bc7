"""Are an encoder's weights on this machine? Light: looks at open_clip's table and at caches, and imports neither.

open_clip keeps what it fetches in the Hugging Face hub's cache, or under ``~/.cache/clip`` by the file's name.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from gad.harness.errors import ModelError
from gad.models.backbones.spec import BackboneSpec, parse

if TYPE_CHECKING:
    import ast

# What open_clip asks a hub repository for when no file is named; the second only in place of the first.
HUB_FILES = ("open_clip_pytorch_model.bin", "open_clip_model.safetensors")
TIMM_FILES = ("model.safetensors", "pytorch_model.bin")

_FETCH = """
import sys
from gad.harness.errors import HarnessError
from gad.models.backbones import spec, weights
wanted = spec.parse(sys.argv[1])
try:
    if wanted.family == "timm":
        from gad.models.backbones import timm_encoder, timm_models
        timm_encoder.pretrained(wanted, timm_models.known(wanted))
    else:
        weights.find(wanted)
except HarnessError as error:
    sys.exit(print(error) or 1)
"""


def lacking(backbone: str) -> str:
    """Where the weights of a backbone come from, if they are not on this machine; else "".

    Also "" where that cannot be told: for a tag that open_clip's table does not have.
    """
    spec = parse(backbone)
    if spec.family == "tiny" or spec.file:
        return ""
    if spec.family == "timm":
        repository = f"timm/{spec.name}"  # the tag, if any, is part of the name
        found = _in_hub(repository, TIMM_FILES, any_tag="." not in spec.name)
        return "" if found else f"hf.co/{repository}"
    name = spec.name.removesuffix("-quickgelu")  # open_clip lists the same weights under both names
    url, hub = _table().get((name, spec.tag.lower().replace("-", "_")), ("", ""))
    if not (url or hub):
        return ""
    if _hub_is_right(spec, url, hub):
        repository, _, file = hub.rpartition("/")
        files = (file, f"{Path(file).stem}.safetensors") if file else HUB_FILES
        return "" if _in_hub(repository, files) else f"hf.co/{repository}"
    return "" if (Path.home() / ".cache/clip" / url.rpartition("/")[2]).is_file() else url


def fetch(backbone: str) -> None:
    """Download a backbone's weights, in a process of its own. Raises ModelError if they cannot be had."""
    import subprocess

    ended = subprocess.run(
        [sys.executable, "-c", _FETCH, backbone], stdout=subprocess.PIPE, text=True, check=False
    )
    if ended.returncode:
        message, _, fix = ended.stdout.strip().partition("\n")
        raise ModelError(message or f"weights of {backbone} could not be fetched", fix=fix)


def _hub_is_right(spec: BackboneSpec, url: str, hub: str) -> bool:
    """As in :func:`gad.models.backbones.weights.find`: the hub entry of some tags is another tag's."""
    return bool(hub) and (spec.tag in hub or not url)


@cache
def _table() -> dict[tuple[str, str], tuple[str, str]]:
    """(architecture, tag) -> (address, hub entry), read from the source of open_clip's table of weights."""
    import ast

    found = importlib.util.find_spec("open_clip")
    if found is None or not found.submodule_search_locations:
        return {}
    path = Path(found.submodule_search_locations[0]) / "pretrained.py"
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, SyntaxError):
        return {}
    groups: dict[str, dict[str, tuple[str, str]]] = {}
    table: dict[tuple[str, str], tuple[str, str]] = {}
    for node in tree.body:
        if not (isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)):
            continue
        if isinstance(node.value, ast.Call):
            groups[node.targets[0].id] = _tags(node.value)
        elif node.targets[0].id == "_PRETRAINED" and isinstance(node.value, ast.Dict):
            for key, value in zip(node.value.keys, node.value.values, strict=True):
                tags = groups.get(value.id, {}) if isinstance(value, ast.Name) else _tags(value)
                if isinstance(key, ast.Constant):
                    table |= {(str(key.value), tag): entry for tag, entry in tags.items()}
    return table


def _tags(call: ast.expr) -> dict[str, tuple[str, str]]:
    """The entries of ``dict(tag=_pcfg(url=..., hf_hub=...), ...)``."""
    import ast

    words = call.keywords if isinstance(call, ast.Call) else []
    return {word.arg: _entry(word.value) for word in words if word.arg}


def _entry(call: ast.expr) -> tuple[str, str]:
    """Address and hub entry of one tag; "" for one that is not spelled out."""
    import ast

    words = {k.arg: k.value for k in call.keywords} if isinstance(call, ast.Call) else {}
    url, hub = (
        value.value if isinstance(value := words.get(name), ast.Constant) else ""
        for name in ("url", "hf_hub")
    )
    return str(url), str(hub)


def _in_hub(repository: str, files: tuple[str, ...], *, any_tag: bool = False) -> bool:
    """Whether the hub's cache holds one of ``files`` of a repository, or of one whose name goes on with a tag."""
    folder = "models--" + repository.replace("/", "--")
    patterns = [folder, f"{folder}.*"] if any_tag else [folder]
    return any(
        path.is_file()
        for pattern in patterns
        for file in files
        for path in _hub_cache().glob(f"{pattern}/snapshots/*/{file}")
    )


def _hub_cache() -> Path:
    """Where huggingface_hub keeps what it fetched, from the variables that it reads."""
    variables = os.environ
    if given := variables.get("HF_HUB_CACHE") or variables.get("HUGGINGFACE_HUB_CACHE"):
        return Path(os.path.expandvars(given)).expanduser()
    default = Path(variables.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface"
    return Path(os.path.expandvars(variables.get("HF_HOME") or default)).expanduser() / "hub"
