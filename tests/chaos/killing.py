"""Processes that die, and people who press Ctrl-C."""

from __future__ import annotations

import os
import signal
import time
from random import Random

from support import wait_for

from chaos.stage import Stage, TooLate, kill


def driver(stage: Stage, random: Random) -> None:
    process = stage.start()
    stage.moment(random)
    os.killpg(process.pid, signal.SIGKILL)


def worker(stage: Stage, random: Random) -> None:
    """A Ray worker, whatever it is doing."""
    stage.start()
    stage.moment(random, started=True)
    _kill_one(stage, "ray::", random)


def child(stage: Stage, random: Random) -> None:
    """The process that adapter code runs in: its part is tried again in another."""
    stage.start()
    stage.moment(random, started=True)
    _kill_one(stage, "gad.harness.executor.child", random)


def ingester(stage: Stage, random: Random) -> None:
    stage.start()
    wait_for(lambda: stage.descendants("gad.harness.store.ingest") or stage.ended, 60, "the ingester")
    time.sleep(random.uniform(0, 3))
    _kill_one(stage, "gad.harness.store.ingest", random)


def raylet(stage: Stage, random: Random) -> None:
    stage.start()
    stage.moment(random, started=True)
    node = random.choice(stage.nodes.workers())
    stage.nodes.kill_raylet(node)
    stage.undo.append(lambda: stage.nodes.replace(node))


def node(stage: Stage, random: Random) -> None:
    stage.start()
    stage.moment(random, started=True)
    node = random.choice(stage.nodes.workers())
    stage.nodes.kill_all(node)
    stage.undo.append(lambda: stage.nodes.replace(node))


def interrupt(stage: Stage, random: Random) -> None:
    """What runs is finished, then it stops."""
    _ask(stage, random, signal.SIGINT)


def interrupt_twice(stage: Stage, random: Random) -> None:
    _ask(stage, random, signal.SIGINT, again=True)


def terminate(stage: Stage, random: Random) -> None:
    """The same."""
    _ask(stage, random, signal.SIGTERM)


def terminate_twice(stage: Stage, random: Random) -> None:
    _ask(stage, random, signal.SIGTERM, again=True)


def _ask(stage: Stage, random: Random, number: signal.Signals, *, again: bool = False) -> None:
    process = stage.start()
    stage.moment(random)
    process.send_signal(number)
    if again:
        time.sleep(random.uniform(0.05, 0.5))
        process.send_signal(number)


def agent(stage: Stage, random: Random) -> None:
    """A node's agent: its raylet leaves with it, and what ran there runs elsewhere."""
    stage.start()
    stage.moment(random, started=True)
    node = random.choice(stage.nodes.workers())
    stage.nodes.kill_agent(node, random)
    stage.undo.append(lambda: stage.nodes.replace(node))


def own_raylet(stage: Stage, random: Random) -> None:
    """That of a run without a cluster: the run ends with it."""
    stage.start_alone()
    stage.moment(random, started=True)
    _kill_one(stage, "/raylet/raylet", random)


def _kill_one(stage: Stage, word: str, random: Random) -> None:
    found = stage.descendants(word)
    if not found:
        raise TooLate
    stage.now()
    kill(random.choice(found))
