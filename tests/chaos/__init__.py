"""Faults injected for real into running grids, and the proof that nothing came of them.

    make chaos                      every fault several times at random moments, then a table
    tests/chaos/test_chaos.py       every fault once, sharing runs

A fault is a function that takes a :class:`chaos.stage.Stage` and a random generator. It starts the command,
waits for its moment and does the damage. Then the same command has to end with the same table, bit for bit.
"""
