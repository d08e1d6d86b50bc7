"""Whether it was the model that opened planted files, or another program of this machine at the same time.

The kernel says that a file was opened, and not by whom. So all that was run is run once more, over new planted files in
a new folder, and beside a second set of files that nobody told the model of. What is not opened again was somebody
else's doing; where the second set is opened, too, somebody goes through all folders, and nothing can be said.
"""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from gad.harness.conformance.failures import Blocked, CheckFailed
from gad.harness.conformance.opened import Opened
from gad.harness.conformance.planted import DATA, RESULTS, Field

if TYPE_CHECKING:
    from gad.harness.conformance.subject import Subject


def looked(subject: Subject) -> list[Path]:
    """Planted files that are opened a second time, too. Raises Blocked where other programs open them as well."""
    with tempfile.TemporaryDirectory(prefix="conformance-") as name:
        folder = Path(name).resolve()
        Field(folder)
        others = Opened([folder / DATA, folder / RESULTS])
        try:
            with subject.anew() as again:
                for step in subject.steps:
                    with contextlib.suppress(CheckFailed):
                        step(again)
                found = list(again.looked)
            if found and others.take():
                raise Blocked(
                    f"another program of this machine opens the files below {folder.parent}, so what the model opens "
                    "cannot be told: check again when it has ended, or set TMPDIR to a folder that it leaves alone"
                )
        finally:
            others.close()
    return found
