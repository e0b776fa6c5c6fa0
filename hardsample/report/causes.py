"""What sets hard mini-batches apart from ordinary training, in parts: contrasts of trainings that differ in little.

Every contrast is one method minus another by seed. Order, repetition and choice by loss add up to δ minus δ = 1.
"""

import dataclasses

import numpy as np
import pandas as pd

from hardsample import statistics
from hardsample.experiments.curves import Curves, keys, last_values
from hardsample.report.controls import METRICS
from hardsample.report.figures import seed_columns
from hardsample.report.tables import compared

COLUMNS = (
    *("schedule", "cause", "metric", "method", "other", "difference", "low", "high", "smallest", "p", "p_holm"),
    *("seeds_won", "n", "pairs"),
)
TOGETHER = "all together"


@dataclasses.dataclass(frozen=True)
class Contrast:
    """A method minus an ``other`` one: the ``cause`` that this shows, at which δ, and in words what differs."""

    cause: str
    method: str
    other: str
    differs: str
    delta: str = ""

    @property
    def name(self) -> str:
        """The cause, with its δ where there are several: "repetition, δ = 0.5"."""
        return ", ".join(filter(None, (self.cause, self.delta)))

    @property
    def pair(self) -> str:
        """What is subtracted from what."""
        return f"{self.method} minus {self.other}"


_HALF, _FIFTH = "δ = 0.5", "δ = 0.2"
_ORDER = "the mini-batches are the same; they come in a new order in every epoch, not in a fixed one"
_COMPOSITION = "which examples form a mini-batch is drawn anew in every epoch, not once"
_REPETITION = "a round trains δN mini-batches drawn at random, not all N: some are left out, and others come more often"
_LOSS = "the δN mini-batches of a round are those of highest kept loss, the highest first; not drawn at random"
_EXAMPLES = (
    "a round trains the half of the examples that has the highest kept losses, sorted by loss into mini-batches. This"
    " is more than the choice by loss: examples are repeated, too, and those of like loss are together"
)
_TOGETHER = "order, repetition and choice by loss at once: what the paper compares"
CONTRASTS = (
    Contrast("order", "new order", "δ = 1", _ORDER),
    Contrast("composition", "reshuffled", "new order", _COMPOSITION),
    *(Contrast("repetition", f"random {delta}", "new order", _REPETITION, delta) for delta in (_HALF, _FIFTH)),
    *(Contrast("choice by loss", delta, f"random {delta}", _LOSS, delta) for delta in (_HALF, _FIFTH)),
    Contrast("choice of examples by loss", f"examples {_HALF}", "reshuffled", _EXAMPLES),
    *(Contrast(TOGETHER, delta, "δ = 1", _TOGETHER, delta) for delta in ("δ = 0.8", _HALF, _FIFTH)),
)
"""As :mod:`hardsample.methods.hard_mini_batches` trains them in the sound protocol, all for as many updates.

The first epoch is the same in all: every mini-batch once, in the order in which they were formed. A short mini-batch,
where n does not divide the examples, comes last in every epoch of reshuffled training, and once in that of examples.
"""


def contrasts(curves: Curves) -> tuple[Contrast, ...]:
    """Those of which the experiment has both methods under some schedule."""
    layouts = [set(methods) for methods in curves.layout.values()]
    return tuple(one for one in CONTRASTS if any({one.method, one.other} <= methods for methods in layouts))


def schedules(curves: Curves) -> dict[str, str]:
    """The panel of each learning-rate schedule."""
    return {setting["schedule"]: panel for panel, setting in curves.experiment.settings.items()}


def change_name(curves: Curves) -> str:
    """What the rows of :func:`table` are called that say how an effect changes with the schedule; "" for one alone."""
    return " minus ".join(reversed(schedules(curves))) if len(schedules(curves)) == 2 else ""


def table(curves: Curves) -> pd.DataFrame:
    """A row for each learning-rate schedule, metric and contrast, with or without runs.

    - ``difference``: the ``method`` minus the ``other`` at the end of training over the ``n`` seeds finite under both,
      of ``pairs`` run under both, with its t interval ``low`` to ``high``; ``p`` of the exact sign-flip test,
      ``p_holm`` adjusted over the contrasts of the schedule and metric, the ``smallest`` difference that would be
      significant, and the ``seeds_won`` by the method.
    - Where ``schedule`` names two, "cosine minus constant", it is of how much the difference changes.

    Then every seed's difference, and the keys of the runs. Accuracies are shares, losses nats.
    """
    rows, runs = [], keys(curves.frame)
    for metric in METRICS:
        gains: dict[str, list[pd.Series]] = {}
        better = {"higher_is_better": metric.startswith("acc")}
        for schedule, panel in schedules(curves).items():
            for one in contrasts(curves):
                finals, others = (last_values(curves.panel(panel), name, metric) for name in (one.method, one.other))
                gains.setdefault(one.name, []).append((finals - others).dropna())
                behind = [runs.get((panel, name), "") for name in (one.method, one.other)]
                rows.append(
                    _row(schedule, one, metric, compared(finals, others, **better), gains[one.name][-1], behind)
                )
        for one in contrasts(curves) if change_name(curves) else ():
            first, second = gains[one.name]
            row = _row(change_name(curves), one, metric, compared(second, first), second - first, [])
            rows.append(row | {"seeds_won": np.nan})
    return _tested(rows)


def _row(
    schedule: str, one: Contrast, metric: str, numbers: dict[str, float], seeds: pd.Series, runs: list[str]
) -> dict[str, object]:
    row = {"schedule": schedule, "cause": one.name, "metric": metric, "method": one.method, "other": one.other}
    row |= {name.removeprefix("difference_"): value for name, value in numbers.items()}
    row |= {"n": row.pop("usable", 0), "pairs": row.get("pairs", 0)}
    row |= {f"seed {seed}": value for seed, value in seeds.dropna().items()}
    return row | {"runs": " ".join(filter(None, runs))}


def _tested(rows: list[dict[str, object]]) -> pd.DataFrame:
    """The rows with their p adjusted, the contrasts of each schedule and metric a family."""
    found = pd.DataFrame(rows)
    found = found.reindex(columns=dict.fromkeys((*found.columns, *COLUMNS)))
    seeds = sorted(seed_columns(found), key=lambda name: int(name.split()[1]))
    numbers = [*COLUMNS[COLUMNS.index("difference") :], *seeds]
    found[numbers] = found[numbers].astype(float)
    for _, own in found.groupby(["schedule", "metric"]):
        tested = statistics.family(own.p, own.low, own.high, own.n)
        found.loc[own.index, ["p", "p_holm", "smallest"]] = np.column_stack(tested)
    return found[[*COLUMNS, *seeds, "runs"]]
