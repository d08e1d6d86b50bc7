"""What is refused before anything is spent, on a real cluster; a node that died a moment ago is none of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gad.harness.errors import HarnessError
from gad.harness.executor import cluster as executor_cluster
from gad.harness.version import code_digest


@pytest.fixture(scope="module", autouse=True)
def connected(cluster: str) -> Iterator[None]:
    with executor_cluster.session(cluster, None):
        yield


def test_data_that_a_node_does_not_see() -> None:
    assert executor_cluster.preflight([__file__], ["pixel-knn"]) == len(executor_cluster._living())
    with pytest.raises(HarnessError, match=r"^node .* does not see /no/such/file and 1 more"):
        executor_cluster.preflight([__file__, "/no/such/file", "/nor/this"], [])


def test_a_node_with_other_code() -> None:
    (node, *_) = executor_cluster._living()
    assert executor_cluster._takes_part(node, [], {"harness": code_digest()})
    with pytest.raises(HarnessError, match=r"has other code than this machine: .* differing: pixel-knn"):
        executor_cluster._takes_part(node, [], {"harness": code_digest(), "pixel-knn": "other"})


def test_a_node_that_is_gone_is_left_out(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Ray lists a node for some seconds after its death: a run that starts then goes on without it."""
    living = executor_cluster._living()
    gone = {**living[0], "NodeID": "00" * 28}
    listed = [[*living, gone], living]  # Ray learns of it while the node is asked
    monkeypatch.setattr(executor_cluster, "_living", lambda: listed.pop(0))
    assert executor_cluster.preflight([], []) == len(living)
    out, err = capfd.readouterr()
    assert "(00000000) is gone; the run goes on without it" in err
    assert out == ""


def test_a_cluster_without_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executor_cluster, "_living", list)
    with pytest.raises(HarnessError, match="offer no CPU"):
        executor_cluster.preflight([], [])
