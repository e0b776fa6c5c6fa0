"""`hardsample show`: one stored run."""

import argparse

from hardsample.commands import chosen, words
from hardsample.commands.columns import aligned
from hardsample.runs import lookup
from hardsample.runs.standing import is_current
from hardsample.runs.store import Store


def do(options: argparse.Namespace) -> int:
    """Print its key and file, what it is used by, its configuration, how it was made, and its metrics over time."""
    store = Store()
    record = lookup.find(store, options.run)
    run, usual = record.run, words.defaults(record.run)
    fields = words.configuration(run)
    code = "today's" if is_current(run, record.provenance) else "other than today's"
    used = ", ".join(chosen.uses(run)) or "by no figure or table"
    print(f"key   {run.key}\nfile  {store.path(run)}\nused  {used}\ncode  {code}")
    _section("configuration", {name: value for name, value in fields.items() if name not in usual})
    _section("at its default", {name: value for name, value in fields.items() if name in usual})
    _section("how it was made", words.origin(record))
    print("\nwhat it gave")
    rows = [dict(zip(record.columns, row, strict=True)) for row in record.rows]
    table = [("step", "epoch", *words.METRICS)]
    for row in rows:
        metrics = (words.metric(row.get(name)) for name in words.METRICS)
        table.append((str(row["step"]), f"{row['epoch']:g}", *metrics))
    print(*(f"  {line}" for line in aligned(table, left=())), sep="\n")
    return 0


def _section(title: str, lines: dict[str, str]) -> None:
    if lines:
        print(f"\n{title}")
        print(*(f"  {line}" for line in aligned(list(lines.items()), left=(0, 1))), sep="\n")
