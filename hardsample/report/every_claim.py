"""What both papers say with a verdict, from all stored runs: a table for each data set, and one of all."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from hardsample.config import Run
from hardsample.data import catalogue
from hardsample.experiments import base_values_sizes, hard_samples_sizes
from hardsample.experiments.curves import Curves, join_runs
from hardsample.records import Standing, StoredRun
from hardsample.report import base_values_claims, claims, figures, hard_samples_claims, kept, markup
from hardsample.report.claim_tests import Statement
from hardsample.report.claim_verdicts import NOT_TESTED


def tables(
    records: Iterable[StoredRun], standing: Standing | None = None, details: Mapping[Run, kept.Detail] | None = None
) -> dict[Path, pd.DataFrame]:
    """The table of every paper and data set of which something could be tested, by the stem of its files.

    ``standing`` says which of the runs are of other code than today's; ``details`` are what runs keep of single
    examples.
    """
    records, found = list(records), {}
    for stem, sizes in _by_place(base_values_sizes.at_every_size(records), standing).items():
        said = statements(base_values_claims.PAPER, sizes[0])
        found[stem] = claims.table(
            base_values_claims.PAPER, said, sizes, base_values_claims.REMARKS, misplaced=kept.misplaced(details or {})
        )
    for stem, sizes in _by_place(hard_samples_sizes.at_every_size(records), standing).items():
        said = statements(hard_samples_claims.PAPER, sizes[0])
        notes = hard_samples_claims.NOTES
        found[stem] = claims.table(hard_samples_claims.PAPER, said, sizes, hard_samples_claims.REMARKS, notes)
    return {stem: table for stem, table in found.items() if (table.verdict != NOT_TESTED).any()}


def statements(paper: str, curves: Curves) -> tuple[Statement, ...]:
    """The statements of a paper, with the tests that they come to on the data of some curves."""
    if paper == base_values_claims.PAPER:
        return base_values_claims.STATEMENTS
    (slot,) = {slot for _, slot in curves.experiment.cells.values()}
    return hard_samples_claims.statements(slot)


def save(found: dict[Path, pd.DataFrame], folder: Path) -> tuple[Path, ...]:
    """Write the files of each table, and ``claims.csv`` into the folder, of all on data that are not generated.

    Raises:
        InputError: a folder cannot be written.
    """
    written = tuple(path for stem, table in found.items() for path in claims.save(table, stem))
    every = [table for table in found.values() if not catalogue.is_stand_in(table.data.iloc[0])]
    if not every:
        return written
    return (*written, *markup.write(folder / "claims", {"csv": markup.csv(pd.concat(every))}))


def _by_place(sizes: Iterable, standing: Standing | None) -> dict[Path, list[Curves]]:
    """The curves of every size, by where the table of their data is written."""
    places: dict[Path, list[Curves]] = {}
    for experiment, found in sizes:
        places.setdefault(figures.stem(experiment), []).append(join_runs(experiment, found, standing))
    return places
