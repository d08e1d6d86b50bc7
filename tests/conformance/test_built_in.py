"""Every model that ships passes its own suite: image models as they are, the others on the bundled encoder."""

from __future__ import annotations

import pytest

from gad.harness import registry
from gad.harness.conformance import suite
from gad.harness.conformance.subject import Subject

OURS = "gad-harness"
# A training as short as it may be: what is checked does not depend on how well it was trained. RegAD's card has its
# own; CoOp's is short by itself, and in less it does not learn what is worse.
SHORT = {"inctrl": {"epochs": 1, "steps": 2, "batch": 8}}


@pytest.mark.parametrize(
    "name", sorted(name for name, model in registry.load().models.items() if model.package == OURS)
)
def test_it_passes(name: str) -> None:
    model = registry.load().find(name)
    with Subject(model, options=SHORT.get(name)) as subject:
        outcomes = list(suite.run(subject))
    assert [outcome for outcome in outcomes if outcome.status not in ("passed", "skipped")] == []
    skipped = {outcome.check for outcome in outcomes if outcome.status == "skipped"}
    assert skipped - {"check_maps"} == (set() if model.info.trained else {"check_training"})
