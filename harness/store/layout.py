"""Where things lie in a results folder.

results.duckdb          the published database: open it as long as you like, it is replaced whole
segments/*.parquet      finished parts and task records: the truth, everything else can be rebuilt
maps/<hash>.safetensors anomaly maps that were kept of a part (:mod:`gad.harness.store.mapfiles`)
runs/<run>.json         what each submit planned: its jobs, prompts, grid and environment
manifests/<hash>.parquet   what the data of these results were, by fingerprint
live/<run>.json         progress of a run that is going on (may vanish)
damaged/                segments that failed their checksum, kept for inspection
.ingest/                the ingester's own database and lock
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gad.harness import atomic


@dataclass(frozen=True)
class Layout:
    root: Path

    @property
    def published(self) -> Path:
        return self.root / "results.duckdb"

    @property
    def segments(self) -> Path:
        return self.root / "segments"

    @property
    def maps(self) -> Path:
        return self.root / "maps"

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    @property
    def manifests(self) -> Path:
        return self.root / "manifests"

    @property
    def live(self) -> Path:
        return self.root / "live"

    @property
    def damaged(self) -> Path:
        return self.root / "damaged"

    @property
    def private(self) -> Path:
        return self.root / ".ingest" / "store.duckdb"

    @property
    def lock(self) -> Path:
        return self.root / ".ingest" / "lock"

    def make(self) -> None:
        for folder in (self.segments, self.runs, self.live, self.private.parent):
            atomic.make_folder(folder)
