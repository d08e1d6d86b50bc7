"""Looks over an installation and says what would get in the way."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from gad.harness import registry, version
from gad.harness.errors import HarnessError
from gad.harness.store import read


@dataclass(frozen=True)
class Finding:
    what: str
    found: str
    ok: bool = True


def examine(*, data: Path, results: Path, cache: Path) -> list[Finding]:
    """One finding for each thing a run needs."""
    import psutil

    environment = version.environment()
    findings = [
        Finding(name, environment[name], ok=environment[name] != "absent")
        for name in ("version", "python", "system", *version.REPORTED)
    ]
    findings.append(Finding("cores", environment["cores"]))
    findings.append(Finding("memory", f"{psutil.virtual_memory().available / 1e9:.1f} GB available"))
    findings.append(Finding("GPUs", _gpus()))
    findings += [
        _folder(name, path) for name, path in (("data", data), ("results", results), ("cache", cache))
    ]
    findings.append(_database(results))
    known = registry.load()
    findings.append(Finding("models", ", ".join(sorted(known.models))))
    findings += [Finding(f"model {name}", reason, ok=False) for name, reason in known.broken.items()]
    return findings


def _gpus() -> str:
    """NVIDIA's own list; importing torch would take seconds and say the same."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return "none (no nvidia-smi)"
    try:
        listed = subprocess.run([program, "-L"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"not known: {program} does not answer ({type(error).__name__})"
    return listed.stdout.strip() or "none"


def _folder(name: str, path: Path) -> Finding:
    """Whether a folder can be written, or made."""
    place = path.absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free / 1e9
    writable = place.is_dir() and os.access(place, os.W_OK)
    text = f"{path} ({'exists' if path.exists() else 'will be made'}, {free:.1f} GB free)"
    return Finding(
        f"{name} folder", text if writable else f"{path} cannot be written", ok=writable and free > 0.5
    )


def _database(results: Path) -> Finding:
    try:
        jobs = len(read.results(results, "job"))
    except HarnessError as error:
        return Finding("database", str(error), ok=False)
    return Finding("database", f"{jobs} jobs")
