"""Checks of what a model can be given, and that it looks at nothing else."""

from __future__ import annotations

from dataclasses import replace

from gad.harness.conformance import twice
from gad.harness.conformance.failures import CheckFailed
from gad.harness.conformance.planted import PROMPTS, TESTED
from gad.harness.conformance.subject import Subject


def check_shots(subject: Subject) -> None:
    """K = 1 (or the least that the card says, ``min_shots``, or 0 with ``zero_shot``) and K = 8 run."""
    subject.base  # noqa: B018
    least = subject.info.least_shots(subject.options)
    if least > PROMPTS:
        raise CheckFailed(f"the card says min_shots = {least}; the paper's table has K = 2, 4 and 8")
    for shots in sorted({least, max(least, 1), PROMPTS}):
        case = subject.planted(TESTED[0], shots=shots)
        try:
            subject.scores(case)
        except CheckFailed as failed:
            raise CheckFailed(
                f"K = {shots}: {failed} (the card says that the least K is {least})"
            ) from failed


def check_odd_images(subject: Subject) -> None:
    """Grey, long, tiny, one-coloured, transparent, palette and 16-bit images run, as queries and prompts."""
    subject.base  # noqa: B018
    odd = subject.planted("odd", shots=PROMPTS)
    try:
        subject.scores(replace(odd, batch_size=1))  # each alone, after one look at the prompts
    except CheckFailed:
        for query in odd.queries:
            try:
                subject.scores(replace(odd, queries=(query,)))
            except CheckFailed as failed:
                raise CheckFailed(f"{query.id}: {failed}") from failed
        raise
    same = replace(odd, prompts=(odd.prompts[0],) * max(2, subject.info.min_shots))
    try:
        subject.scores(same)
    except CheckFailed as failed:
        raise CheckFailed(f"prompts that are all the same image: {failed}") from failed


def check_inputs_unchanged(subject: Subject) -> None:
    """It does not write into the arrays it is given."""
    failed = subject.run_first()
    if "read-only" in failed or "not writeable" in failed:
        raise CheckFailed(f"it writes into its inputs, which are read-only: {failed}")
    subject.base  # noqa: B018
    if subject.changed:
        raise CheckFailed("the arrays that it was given are not what they were")


def check_nothing_else_is_read(subject: Subject) -> None:
    """It opens no file of the run: no test images, labels, masks, results; nor images from anywhere else.

    What Python code opens is seen wherever it lies, in scoring and in training; what native code and other programs
    open only of the planted files (on Linux). Not seen: other files that native code opens, and the network.
    """
    subject.run_first()  # also one that fails may have looked around before
    if subject.touched:
        raise CheckFailed(next(iter(subject.touched)))
    if subject.looked and (found := twice.looked(subject)):
        raise CheckFailed(f"opened {found[0]}, a planted file or folder")
    subject.base  # noqa: B018
