"""Whether a record could have come from a training: its columns, ranges, and the steps at which it was evaluated."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hardsample.config import Run
from hardsample.numerals import number
from hardsample.training.results import COLUMNS

_FORMER = (7, 8, 14)  # of COLUMNS, so many first ones, in the records of earlier versions
_LOSS_OF = {"acc/train": "loss/train", "acc/val": "loss/val", "acc/choose": "loss/val", "acc/report": "loss/val"}
_NEVER_ABSENT = ("step", "epoch", "forwards", "backwards")  # where other metrics are, of a network that diverged


def fault(run: Run, values: Mapping[str, Any]) -> str | None:
    """What of a record, given what its file holds, no training of ``run`` could have given; None for nothing."""
    return next(_faults(run, values), None)


def rise(moments: Sequence[float]) -> bool:
    """Is each later than the one before?"""
    return all(earlier < later for earlier, later in itertools.pairwise(moments))


def _faults(run: Run, values: Mapping[str, Any]) -> Iterator[str]:
    names = tuple(values["columns"])
    if names not in (COLUMNS, *(COLUMNS[:width] for width in _FORMER)):
        odd = next((name for name in names if name not in COLUMNS), "too few or in another order")
        yield f"has columns other than {', '.join(COLUMNS)} ({odd})"
        return
    rows = [dict(zip(names, row, strict=True)) for row in values["rows"]]
    for place, row in enumerate(rows):
        yield from (f"has {said} in row {place}" for said in _row_faults(row))
    yield from _schedule_faults(run, rows)


def _row_faults(row: Mapping[str, Any]) -> Iterator[str]:
    for name, value in row.items():
        if value is None:
            if name in _NEVER_ABSENT:
                yield f"no {name}"
            continue
        amounts = value if name == "draws/per-class" else [value]
        sound = type(amounts) is list and all(type(each) in (int, float) and 0 <= each < math.inf for each in amounts)
        if not sound or (name.startswith("acc/") and value > 1):
            yield f"{name} {value!r}"
    for accuracy, loss in _LOSS_OF.items():
        if row.get(accuracy, 0) is None and row[loss] is not None:
            yield f"a {loss} and no {accuracy}"


def _schedule_faults(run: Run, rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Of the moments of evaluation: they rise, none is left out or twice, and the last is the end of the training."""
    steps, epochs = [row["step"] for row in rows], [row["epoch"] for row in rows]
    if not rise(steps):
        yield "has steps that do not rise"
        return
    if not epochs[-1]:
        yield "ends before its first step"
        return
    step = epochs[-1] / steps[-1]  # mini-batch epochs of one
    diverged = rows[-1]["loss/train"] is None
    if not diverged and abs(epochs[-1] - run.epochs) > step and not run.options.get("rounds"):
        yield f"ends after {number(epochs[-1], 3)} epochs, and its run has {number(run.epochs, 3)}"
    each = 1 / run.evaluations_per_epoch
    wanted = [
        k * each for k in range(round(run.epochs * run.evaluations_per_epoch) + 1) if k * each < epochs[-1] - step
    ]
    wanted.append(epochs[-1])
    if len(rows) != len(wanted) or any(abs(at - due) > step for at, due in zip(epochs, wanted, strict=True)):
        yield f"has {len(rows)} evaluations, and a run of it has {len(wanted)}"
