"""Which figures show the runs that a claim is tested on: by the keys that every figure's CSV names."""

import functools
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import pandas as pd

from hardsample import paths
from hardsample.experiments import registry
from hardsample.report.claim_tests import Statement

_RUNS = "runs"  # the column of keys
_FIRST = {"misplaced": "staleness", "converged": "convergence"}  # by metric or moment, the figure that draws it


def showing(folder: Path, statement: Statement, keys: Collection[str]) -> Iterator[str]:
    """The figures of a folder that draw the runs of these keys, as places below ``figures/``; few rather than many.

    First the one that is made for what is tested, then those that show most of what is not shown yet, and of two that
    show as much the one with fewer others.
    """
    known, left = _keys(folder), set(keys)
    for test in statement.tests:
        for what, name in _FIRST.items():
            if what in (getattr(test, "metric", ""), getattr(test, "moment", "")) and left & known.get(name, set()):
                left -= known[name]
                yield _place(folder, name)
    while left:
        name = max(known, key=lambda name: (len(left & known[name]), -len(known[name])), default="")
        if not left & known.get(name, set()):
            return
        left -= known[name]
        yield _place(folder, name)


@functools.cache
def _keys(folder: Path) -> Mapping[str, set[str]]:
    """The keys of the runs that each figure of a folder draws."""
    found, known = {}, {name.rpartition("/")[2] for name in registry.names()}
    for path in sorted(folder.glob("*.csv")):
        if path.stem in known and _RUNS in pd.read_csv(path, nrows=0).columns:
            cells = pd.read_csv(path, usecols=[_RUNS], dtype=str)[_RUNS].dropna()
            found[path.stem] = {key for cell in cells.unique() for key in cell.split()}
    return found


def _place(folder: Path, name: str) -> str:
    return (folder / name).relative_to(paths.figures_dir()).as_posix()
