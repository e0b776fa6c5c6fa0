"""Measure, print a table, and keep it: ``results/<machine>.json`` and the table in README.md."""

import dataclasses
import json
import re
import sys
from pathlib import Path

import torch

from benchmarks import choosing, rounds, step
from benchmarks.measure import Comparison
from hardsample import paths
from hardsample.runs import device_name

HERE = Path(__file__).parent
PARTS = {"step": step.measure, "choosing": choosing.measure, "rounds": rounds.measure}
MARK = "<!-- measured -->"


def table(rows: list[Comparison]) -> str:
    """Markdown, a line a comparison."""
    lines = ["| what | ours | rival | rival / ours | quartiles | rounds | wanted |", "| --- " * 7 + "|"]
    for row in rows:
        low, high = row.quartiles
        lines.append(
            f"| {row.what} | {row.ours} {row.ours_ms:.3g} ms | {row.rival} {row.rival_ms:.3g} ms | {row.ratio:.2f} "
            f"| {low:.2f} to {high:.2f} | {row.rounds} | {row.wanted} |"
        )
    return "\n".join(lines)


def main(names: list[str]) -> None:
    """Run the named parts, all by default."""
    if unknown := [name for name in names if name not in PARTS]:
        sys.exit(f"unknown benchmark {unknown[0]!r}: choose from {', '.join(PARTS)}.")
    rows = [row for name in names or PARTS for row in PARTS[name]()]
    machine = device_name("cpu")
    print(table(rows))
    if names:
        return
    slug = re.sub(r"[^a-z0-9]+", "-", machine.lower()).strip("-")
    record = {"machine": machine, "threads": 1, "torch": torch.__version__}
    record["comparisons"] = [dataclasses.asdict(row) for row in rows]
    paths.write_atomically(HERE / "results" / f"{slug}.json", (json.dumps(record, indent=1) + "\n").encode())
    readme = HERE / "README.md"
    before = readme.read_text().split(MARK)[0]
    text = f"{before}{MARK}\n\n{machine}, one thread, torch {torch.__version__}.\n\n{table(rows)}\n"
    paths.write_atomically(readme, text.encode())


if __name__ == "__main__":
    main(sys.argv[1:])
