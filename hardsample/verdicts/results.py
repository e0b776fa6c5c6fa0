"""What stored runs say of each statement of the papers: the tables of claims, with the runs and figures behind them."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from hardsample.config import Run
from hardsample.data import catalogue
from hardsample.experiments import base_values, hard_samples, published, specs
from hardsample.experiments.curves import Curves
from hardsample.numerals import p_value
from hardsample.records import Standing, StoredRun, seconds_of
from hardsample.report import claims, every_claim, figures
from hardsample.report.kept import Detail
from hardsample.verdicts import outputs
from hardsample.verdicts.claim import Evidence, Runs, Tested, tested

Key = tuple[str, str, str]
"""A paper, a place in it, and a statement in words."""


def gather(
    records: Sequence[StoredRun], standing: Standing | None = None, details: Mapping[Run, Detail] | None = None
) -> tuple[dict[Key, list[Evidence]], dict[str, Runs]]:
    """The evidence on every statement, nearest to the paper's size first, and the runs of all of it by name.

    Generated data are left out, and of a statement the sizes at which nothing was tested, unless there is no other.
    ``standing`` says which of the records are of other code than today's.
    """
    tables = [
        table
        for table in every_claim.tables(records, standing, details).values()
        if not catalogue.is_stand_in(table.data.iloc[0])
    ]
    by_key = {record.run.key: record for record in records}
    evidence: dict[Key, list[Evidence]] = {}
    runs: dict[str, Runs] = {}
    studies = [(table, size) for table in tables for size in table.attrs["curves"]]
    for table, size in sorted(studies, key=lambda study: -claims.train_examples(study[0].attrs["curves"][study[1]])):
        curves = table.attrs["curves"][size]
        behind = {cell.name: cell for cell in _all_runs(curves, size, by_key)}
        for key, found in _of_one_size(table, size, curves, behind):
            evidence.setdefault(key, []).append(found)
            runs |= {name: behind[name] for name in found.runs}
    return {key: [*tested(found)] or found[:1] for key, found in evidence.items()}, runs


def _of_one_size(
    table: pd.DataFrame, size: str, curves: Curves, behind: Mapping[str, Runs]
) -> Iterator[tuple[Key, Evidence]]:
    data = table.data.iloc[0]
    paper, own = table.paper.iloc[0], table[table["size"] == size]
    said_as = claims.by_words(paper, every_claim.statements(paper, curves))
    for (place, said), rows in own.groupby(["place", "statement"], sort=False):
        statement = said_as[place, said]
        whole, parts = rows[rows.part == claims.WHOLE].iloc[0], rows[rows.part != claims.WHOLE]
        cells = {cell for test in statement.tests for cell in test.cells}
        used = tuple(name for name, cell in behind.items() if (cell.setting, cell.method) in cells)
        keys = {key for name in used for key in behind[name].keys}
        tests = tuple(_tests(parts if len(parts) else rows))
        found = Evidence(
            data=data,
            label=catalogue.label(data) or data,
            size=size,
            verdict=whole.verdict,
            note=whole.note,
            seeds=int(whole.n),
            whole=_is_whole(paper, curves),
            decides=next(_tests(rows[rows.part == claims.WHOLE])) if whole.test else None,
            tests=tests if statement.tests else (),
            runs=used,
            outputs=tuple(outputs.showing(figures.stem(curves.experiment).parent, statement, keys)),
        )
        yield (paper, place, said), found


def _is_whole(paper: str, curves: Curves) -> bool:
    """Whether as many examples were trained on, for as many epochs, as in the paper."""
    if paper == base_values.PAPER:
        examples = int(published.claimed(f"{paper}-claims", "Section 4.1", "training examples"))
    else:
        (slot,) = {slot for _, slot in curves.experiment.cells.values()}
        examples = hard_samples.EXAMPLES[slot]
    epochs = specs.find_profile(paper, "paper").epochs
    return claims.train_examples(curves) == examples and curves.experiment.runs[0].epochs == epochs


def _tests(rows: pd.DataFrame) -> Iterator[Tested]:
    for row in rows.itertuples():
        effect, seeds = claims.numbers(row)
        smallest = claims.in_unit(row.smallest, row.unit)
        yield Tested(row.test, row.verdict, effect, seeds, p_value(row.p_holm), smallest, row.note)


def _all_runs(curves: Curves, size: str, records: Mapping[str, StoredRun]) -> Iterator[Runs]:
    """The runs of every setting and method of one data set and size."""
    for (setting, method), own in curves.frame.groupby(["panel", "method"], sort=False, observed=True):
        keys = tuple(own.drop_duplicates("seed").sort_values("seed").run)
        found = [records[key] for key in keys]
        data = found[0].run.data
        yield Runs(
            name="-".join(["runs", *(_slug(text) for text in (data, size, setting, method))]),
            data=data,
            size=size,
            setting=setting,
            method=method,
            keys=keys,
            devices=_each(record.provenance.get("device", "unknown") for record in found),
            commits=_each(_code(record.provenance) for record in found),
            hours=sum(seconds_of(record.provenance) for record in found) / 3600,
            other_code=_other(curves.standing, [record.run for record in found]),
        )


def _code(about: Mapping[str, Any]) -> str:
    """The commit that a run was made at, and what computed its steps where that was not the package."""
    commit = about.get("commit", "unknown")[:7]
    return f"{commit} ({about['computed_by']})" if "computed_by" in about else commit


def _other(standing: Standing, runs: Iterable[Run]) -> int:
    return sum(run in standing.other for run in runs)


def _each(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(words))


def _slug(text: str) -> str:
    return re.sub(r"\W+", "-", text).strip("-").lower()
