"""`hardsample compare-runs`: in what two stored runs differ."""

import argparse
import math

from hardsample.commands import words
from hardsample.commands.columns import aligned
from hardsample.numerals import number
from hardsample.records import rows_by_epoch, same_numbers, same_row, stem
from hardsample.runs import lookup
from hardsample.runs.store import Store

SHOWN = 12  # evaluations at most
OF_THE_HOUR = ("finished",)  # what differs whenever a run is made


def do(options: argparse.Namespace) -> int:
    """Print what differs in configuration, in how they were made, and in what they gave, evaluation by evaluation."""
    store = Store()
    one, other = lookup.find(store, options.a), lookup.find(store, options.b)
    print(f"a  {stem(one.run)}\nb  {stem(other.run)}")
    _differences("configuration", words.configuration(one.run), words.configuration(other.run))
    _differences("how they were made", words.origin(one), words.origin(other))
    print("\nwhat they gave")
    rows, others = rows_by_epoch(one), rows_by_epoch(other)
    if same_numbers(one, other):
        print(f"  the same in all {len(rows)} evaluations, bit for bit")
        return 0
    shared = [epoch for epoch in rows if epoch in others]
    first = next((epoch for epoch in shared if not same_row(rows[epoch], others[epoch])), None)
    print(f"  a has {len(rows)} evaluations, b {len(others)}, {len(shared)} of them at the same epochs", end="")
    print("" if first is None else f"; they differ from epoch {first:g} on")
    _table(rows, others, shared)
    return 0


def _differences(title: str, one: dict[str, str], other: dict[str, str]) -> None:
    names = [name for name in dict.fromkeys((*one, *other)) if one.get(name) != other.get(name)]
    print(f"\n{title}")
    if not names:
        print("  the same")
        return
    rows = [("", "a", "b"), *((name, one.get(name, "-"), other.get(name, "-")) for name in names)]
    print(*(f"  {line}" for line in aligned(rows, left=(0, 1, 2))), sep="\n")


def _table(rows: dict[float, dict], others: dict[float, dict], shared: list[float]) -> None:
    """The metrics of both, and b less a, at so many of the shared epochs, and where each ended."""
    every = max(1, math.ceil(len(shared) / SHOWN))
    shown = sorted({*shared[::every], *shared[-1:]})
    for name in words.METRICS:
        table = [("epoch", "a", "b", "b - a")]
        for epoch in shown:
            a, b = rows[epoch].get(name), others[epoch].get(name)
            table.append((f"{epoch:g}", words.metric(a), words.metric(b), _less(a, b)))
        if [*rows][-1] != [*others][-1]:
            a, b = (list(side.values())[-1].get(name) for side in (rows, others))
            table.append(("last", words.metric(a), words.metric(b), _less(a, b)))
        print(f"\n  {name}")
        print(*(f"  {line}" for line in aligned(table, left=())), sep="\n")


def _less(a: float | None, b: float | None) -> str:
    if a is None or b is None or not math.isfinite(a) or not math.isfinite(b):
        return "-"
    return number(b - a, 4, "+") if b != a else "0"
