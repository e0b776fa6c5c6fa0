"""Measure, print a table, and keep it in ``results/<machine>.json`` and README.md; a part alone renews its own rows."""

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


def kept(path: Path, measured: list[Comparison]) -> list[Comparison]:
    """What an earlier run measured on this machine and this one did not, then what this one did."""
    if not path.is_file():
        return measured
    again = {(row.what, row.ours, row.rival) for row in measured}
    before = [Comparison(**row) for row in json.loads(path.read_text())["comparisons"]]
    return [row for row in before if (row.what, row.ours, row.rival) not in again] + measured


def main(names: list[str]) -> None:
    """Run the named parts, all by default."""
    if unknown := [name for name in names if name not in PARTS]:
        sys.exit(f"unknown benchmark {unknown[0]!r}: choose from {', '.join(PARTS)}.")
    measured = [row for name in names or PARTS for row in PARTS[name]()]
    print(table(measured))
    machine = device_name("cpu")
    slug = re.sub(r"[^a-z0-9]+", "-", machine.lower()).strip("-")
    path = HERE / "results" / f"{slug}.json"
    rows = kept(path, measured) if names else measured
    record = {"machine": machine, "threads": 1, "torch": torch.__version__}
    record["comparisons"] = [dataclasses.asdict(row) for row in rows]
    paths.write_atomically(path, (json.dumps(record, indent=1) + "\n").encode())
    readme = HERE / "README.md"
    before = readme.read_text().split(MARK)[0]
    text = f"{before}{MARK}\n\n{machine}, one thread, torch {torch.__version__}.\n\n{table(rows)}\n"
    paths.write_atomically(readme, text.encode())


if __name__ == "__main__":
    main(sys.argv[1:])
