"""`hardsample list`: every figure and table, what it needs and what of it is there."""

import argparse

from hardsample.commands import chosen
from hardsample.commands.columns import aligned, minutes
from hardsample.config import Run
from hardsample.numerals import count
from hardsample.records import seconds_of
from hardsample.runs.pace import expected_seconds

HEAD = ("output", "what it shows", "needs", "stored", "minutes", "to do", "data")


def do(options: argparse.Namespace) -> int:
    """Print a line for each figure and table, and one for all, where each run counts once."""
    experiments = chosen.with_clocked(chosen.experiments(options))
    runs, done = chosen.done(experiments)
    expected = expected_seconds([run for run in runs if run not in done], done)

    def counts(own: tuple[Run, ...]) -> tuple[str, str, str, str]:
        stored = [run for run in own if run in done]
        left = [expected.get(run) for run in own if run not in done]
        to_do = "-" if not left else "?" if None in left else minutes(sum(left))
        spent = minutes(sum(seconds_of(done[run]) for run in stored)) if stored else "-"
        return f"{count(len(own), 'run')}", str(len(stored)), spent, to_do

    rows = [HEAD]
    for one in experiments:
        names = ", ".join(one.sources) if one.runs or one.timed else "-"
        if one.runs:
            told = counts(one.runs)
        elif one.timed:
            told = (f"{len(one.timed)} times", str(len(one.timed) * chosen.begun(one)), "-", "-")
        else:
            told = ("-", "-", "-", "-")
        rows.append((one.name, one.title, *told, names))
    rows.append(("all", "each run once", *counts(runs), ""))
    print(*aligned(rows, left=(0, 1, 6)), sep="\n")
    print(f"\nprofile  {options.profile}")
    for name, how in chosen.data_at_hand(experiments).items():
        print(f"data     {name}: {how}")
    print(
        "minutes  what the stored runs took, added up; to do: the missing runs at that speed, without pre-training;"
        " ? where no stored run is like them"
    )
    return 0
