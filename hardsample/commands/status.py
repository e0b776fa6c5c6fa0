"""`hardsample status`: the runs of each figure and table, counted."""

import argparse

from hardsample.commands import chosen
from hardsample.commands.columns import aligned, minutes
from hardsample.records import seconds_of

HEAD = ("figure", "wanted", "done", "missing", "minutes")


def do(options: argparse.Namespace) -> int:
    """Print a line for each figure and table, and one for all: figures share runs, and there each counts once."""
    experiments = chosen.with_clocked(chosen.experiments(options))
    runs, done = chosen.done(experiments)
    rows = [HEAD]
    for name, own in (*((one.name, one.runs) for one in experiments), ("all, each run once", runs)):
        stored = [done[run] for run in own if run in done]
        counts = (
            str(len(own)),
            str(len(stored)),
            str(len(own) - len(stored)),
            minutes(sum(map(seconds_of, stored))),
        )
        rows.append((name, *(counts if own else "----")))
    print(*aligned(rows), sep="\n")
    return 0
