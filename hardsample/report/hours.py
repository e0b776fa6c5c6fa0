"""The hours that the shipped runs took, by figure or table and device; ``hardsample tables`` writes them."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from hardsample.config import Run
from hardsample.data import catalogue
from hardsample.experiments.panels import Experiment
from hardsample.numerals import count, number
from hardsample.records import StoredRun, seconds_of
from hardsample.report import markup

COLUMNS = ("output", "data", "train_examples", "precision", "device", "runs", "new", "hours")


def table(experiments: Sequence[Experiment], records: Iterable[StoredRun]) -> pd.DataFrame:
    """A row for each figure or table, size of its runs and device that some of them were made on.

    ``runs`` are those stored, ``new`` those of them that no row above has; ``hours`` are the new ones' own, evaluations
    included, and of pre-trainings that no row above has. Of runs trained together each has its share.
    ``train_examples`` is NaN for all that there are.
    """
    found = {record.run: record for record in records}
    rows, seen = [], set()
    for experiment in experiments:
        own: dict[tuple, list[StoredRun]] = {}
        for run in experiment.runs:
            if run in found:
                device = found[run].provenance.get("device", "unknown")
                own.setdefault((run.data, run.train_examples, run.precision, device), []).append(found[run])
        for about, made in own.items():
            new = [record for record in made if record.run not in seen]
            seconds = 0.0
            for record in new:
                seconds += seconds_of(record.provenance) + _start_seconds(record, seen)
                seen.add(record.run)
            row = (experiment.name, *about, len(made), len(new), seconds / 3600)
            rows.append(dict(zip(COLUMNS, row, strict=True)))
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"train_examples": float})


def _start_seconds(record: StoredRun, seen: set[Run]) -> float:
    """Those of the pre-training, unless it was counted; from now on it is."""
    start = record.run.start
    if start is None or start in seen:
        return 0.0
    seen.add(start)
    return record.provenance["seconds"].get("pretrain", 0.0)


def markdown(rows: pd.DataFrame) -> str:
    """The table for readers, the sum first."""
    lines = [
        (
            row.output,
            catalogue.label(row.data) or row.data,
            "all" if pd.isna(row.train_examples) else number(row.train_examples, 0),
            row.precision,
            row.device,
            f"{row.runs}" + f" ({row.new} of them new)" * (row.new < row.runs),
            number(row.hours, 2) if row.new else "",
        )
        for row in rows.itertuples()
    ]
    head = ("figure or table", "data", "training examples", "precision", "device", "runs", "hours")
    notes = (
        "Hours of one core, or of the GPU, that training and evaluating took, with the pre-trainings; each run counts"
        " in the first row that draws it. CPU runs shared their machine with other work, which makes them longer."
    )
    return "\n\n".join((f"**{total(rows)}.**", markup.markdown_table(head, lines), notes)) + "\n"


def total(rows: pd.DataFrame) -> str:
    """The hours on each device, in words."""
    sums = rows.groupby("device", sort=False)[["new", "hours"]].sum()
    return "; ".join(f"{count(own.new, 'run')} in {_hours(own.hours)} on {device}" for device, own in sums.iterrows())


def _hours(hours: float) -> str:
    return f"{number(hours, 1 if hours >= 1 else 2)} hours"


def save(rows: pd.DataFrame, stem: Path) -> tuple[Path, ...]:
    """Write ``stem``.csv and .md, each whole or not at all; equal tables give equal bytes.

    Raises:
        InputError: the folder cannot be written.
    """
    return markup.write(stem, {"csv": markup.csv(rows), "md": markdown(rows)})
