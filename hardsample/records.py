"""A finished run as people and reports read it: what was run, with what it was made, and what it gave."""

import dataclasses
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from hardsample.config import Run
from hardsample.errors import InputError
from hardsample.numerals import count


@dataclasses.dataclass(frozen=True)
class StoredRun:
    """A finished run as stored: what was run, where and with what, and its metrics over time.

    ``rows`` holds one tuple per evaluation, in the order of ``columns``; a diverged metric is NaN.
    """

    run: Run
    provenance: Mapping[str, Any]
    columns: tuple[str, ...]
    rows: tuple[tuple, ...]

    def __repr__(self) -> str:
        where = self.provenance.get("device", "an unknown device")
        return f"StoredRun({stem(self.run)}: {count(len(self.rows), 'evaluation')}, made on {where})"


def stem(run: Run) -> str:
    """The name of a run's file, without suffix: what a person reads in it, and the key."""
    return f"{run.label}-s{run.seed}-{run.key}"


def is_stem(name: str) -> bool:
    """Whether a name is made as :func:`stem` makes them: what else lies beside the runs is not the package's."""
    return re.fullmatch(r".+-s\d+-[0-9a-f]{16}", name) is not None


def check_fingerprints(
    made: Iterable[tuple[Run, Mapping[str, Any]]], at_hand: Mapping[tuple, str] | None = None
) -> None:
    """Raise unless all runs of one data set, and the data ``at_hand``, have one fingerprint.

    ``made`` are finished runs with their provenance; ``at_hand`` maps :func:`data_choice` of a run to the fingerprint
    of the data that it would be trained on now.

    Raises:
        InputError: numbers of different data would be mixed.
    """
    known = dict(at_hand or {})
    for run, about in made:
        found = about["data"]["fingerprint"]
        expected = known.setdefault(data_choice(run), found)
        if found != expected:
            raise InputError(
                f"the data {run.data!r} have fingerprint {expected}, but the stored run {stem(run)} was made with"
                f" {found}: give changed data another name, or move their old runs out of the store."
            )


def data_choice(run: Run) -> tuple:
    """What decides the arrays that a run is trained and tested on: name, numbers of examples, class imbalance."""
    return run.data, run.train_examples, run.test_examples, run.class_imbalance


def seconds_of(made: Mapping[str, Any]) -> float:
    """What a finished run took, given its provenance: its share, where several were trained together."""
    return made["seconds"]["wall"] / made["cohort"]


@dataclasses.dataclass(frozen=True)
class Standing:
    """How finished runs stand to today's code.

    Args:
        other: those made by other code than today's, and which, in words; what a re-execution showed to give the same
            with today's code is not among them.
        rerun: the runs that were executed again with today's code and gave the same, and how much so, in words.
    """

    other: Mapping[Run, str] = dataclasses.field(default_factory=dict)
    rerun: Mapping[Run, str] = dataclasses.field(default_factory=dict)

    def of(self, runs: Collection[Run]) -> "Standing":
        """The same of some runs alone."""
        own = ({run: said for run, said in words.items() if run in runs} for words in (self.other, self.rerun))
        return Standing(*own)


ASPECTS = ("device", "precision", "torch", "code")
"""What :func:`made` tells of a run."""


def made(run: Run, about: Mapping[str, Any]) -> dict[str, str]:
    """What the numbers of a finished run depend on beside its fields, and its precision, in words.

    Device, precision, version of torch, and code: what computed the steps where it was not the package, else the hash
    of its source, or in older records the commit, and the way of the steps where it was not the plain one.
    """
    code = f"source {about['source'][:7]}" if "source" in about else f"commit {about.get('commit', 'unknown')[:7]}"
    if about.get("way", "plain") != "plain":
        code += f" ({about['way']} steps)"
    return {
        "device": about.get("device", "an unknown device"),
        "precision": run.precision,
        "torch": f"torch {about.get('versions', {}).get('torch', 'unknown')}",
        "code": about.get("computed_by", code),
    }


def same_numbers(one: StoredRun, other: StoredRun) -> bool:
    """Whether all numbers that both have are equal bit for bit, evaluation by evaluation."""
    rows, others = rows_by_epoch(one), rows_by_epoch(other)
    return list(rows) == list(others) and all(same_row(rows[epoch], others[epoch]) for epoch in rows)


def rows_by_epoch(record: StoredRun) -> dict[float, dict[str, Any]]:
    """The evaluations, each by its columns, under the epochs after which they were made."""
    rows = (dict(zip(record.columns, row, strict=True)) for row in record.rows)
    return {row["epoch"]: row for row in rows}


def same_row(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two evaluations are equal bit for bit in what both have; NaN equals NaN."""
    return all(repr(one[name]) == repr(other[name]) for name in one if name in other)


def unlike(
    twins: Sequence[tuple[Mapping[str, str], Mapping[str, str]]], aspects: Sequence[str]
) -> dict[str, tuple[list[str], list[str]]]:
    """Those of the aspects of :func:`made` in which a pair differs: aspect -> the words of either side, each once."""
    return {
        aspect: tuple(list(dict.fromkeys(how[aspect] for how in side)) for side in zip(*twins, strict=True))
        for aspect in aspects
        if any(one[aspect] != other[aspect] for one, other in twins)
    }
