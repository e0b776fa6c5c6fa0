"""`hardsample status`: the runs of each figure and table, counted."""

import argparse

from hardsample.commands import chosen, standing_words
from hardsample.commands.columns import aligned, minutes
from hardsample.records import seconds_of
from hardsample.runs.standing import standing
from hardsample.runs.store import Store

HEAD = ("figure", "wanted", "done", "missing", "other code", "minutes")


def do(options: argparse.Namespace) -> int:
    """Print a line for each figure and table, and one for all: figures share runs, and there each counts once.

    Below, by which code and on what the runs were made.
    """
    experiments = chosen.with_clocked(chosen.experiments(options))
    runs, done = chosen.done(experiments)
    found, rows = standing(Store(), done), [HEAD]
    for name, own in (*((one.name, one.runs) for one in experiments), ("all, each run once", runs)):
        stored = [done[run] for run in own if run in done]
        counts = (
            str(len(own)),
            str(len(stored)),
            str(len(own) - len(stored)),
            str(sum(run in found.other for run in own)),
            minutes(sum(map(seconds_of, stored))),
        )
        rows.append((name, *(counts if own else "-----")))
    print(*aligned(rows), "", *standing_words.lines(done, found), sep="\n")
    return 0
