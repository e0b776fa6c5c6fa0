"""`hardsample status`: the runs of each figure, counted."""

import argparse

from hardsample.commands import chosen
from hardsample.runs.store import Store


def do(options: argparse.Namespace) -> int:
    store, rows = Store(), [("figure", "wanted", "done", "missing", "minutes")]
    for experiment in chosen.experiments(options):
        done = store.done(experiment.runs)
        minutes = sum(made["seconds"]["wall"] / made["cohort"] for made in done.values()) / 60
        wanted = len(experiment.runs)
        rows.append((experiment.name, *map(str, (wanted, len(done), wanted - len(done))), f"{minutes:.1f}"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for name, *counts in rows:
        print(name.ljust(widths[0]), *(count.rjust(width) for count, width in zip(counts, widths[1:], strict=True)))
    return 0
