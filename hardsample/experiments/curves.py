"""What was measured of an experiment, beside the experiment: the curves of its runs and the times of its updates."""

import collections
import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hardsample.config import Run
from hardsample.experiments.panels import Experiment
from hardsample.extras import explained
from hardsample.numerals import count
from hardsample.records import ASPECTS, Standing, StoredRun, check_fingerprints, made
from hardsample.training.trainer import COLUMNS

if TYPE_CHECKING:
    import pandas

METRICS = ("acc/train", "acc/val", "loss/train", "loss/val")
_SHOWN = ("seed", "batch_size", "pretrain_epochs", "learning_rate", "data", "network")
_OPTIONAL = (  # None in some records, NaN in a frame
    *("acc/choose", "acc/report", "acc/train-sd", "acc/val-sd", "batches/train", "batches/val"),
    *("forwards", "backwards"),
)


@dataclasses.dataclass(frozen=True, eq=False)
class Curves:
    """The stored metrics of an experiment, and what is said of the runs behind them.

    ``frame`` has a row per evaluation of a run in a panel, in the columns of
    :meth:`hardsample.runs.store.Store.curves`. ``missing`` runs are not stored (a count). ``hardware`` maps each device
    to the number of runs made on it. Where runs of one seed and panel differ in how they were made, ``unlike`` maps
    how, in words, to the methods made so. ``standing`` says which runs are of other code than today's.
    """

    frame: "pandas.DataFrame"
    experiment: Experiment
    missing: int = 0
    hardware: Mapping[str, int] = dataclasses.field(default_factory=dict)
    unlike: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)
    standing: Standing = Standing()

    def __repr__(self) -> str:
        return (
            f"Curves({self.experiment!r}: {count(len(self.frame), 'evaluation')}, {count(self.missing, 'run')} missing)"
        )

    @property
    def baseline(self) -> str:
        """The method that the others are compared with: "MB" in paper A, "δ = 1" in paper B."""
        return self.experiment.baseline

    @property
    def layout(self) -> dict[str, tuple[str, ...]]:
        """Every panel's methods, in order, with or without runs; those of the frame where the experiment has none."""
        groups = self.frame.groupby("panel", sort=False, observed=True)
        return self.experiment.layout or {panel: tuple(rows.method.unique()) for panel, rows in groups}

    def panel(self, title: str) -> "pandas.DataFrame":
        """The rows of one panel."""
        return self.frame[self.frame.panel == title]

    def of(self, rows: Any) -> "Curves":
        """The same of some of the rows, given a mask of them."""
        return dataclasses.replace(self, frame=self.frame[rows])

    def __deepcopy__(self, memo: Any) -> "Curves":
        """Itself: pandas copies what a DataFrame has in its ``attrs``, deeply, with every row that is taken."""
        return self


@explained()
def join_runs(experiment: Experiment, found: Mapping[Run, StoredRun], standing: Standing | None = None) -> Curves:
    """The metrics of those runs of an experiment that were found, one row per evaluation of a run in a panel.

    Columns of the frame: panel, method (:meth:`hardsample.experiments.panels.Panel.variant`), seed, those of the
    records, batch_size, pretrain_epochs, learning_rate, data, network, delta, run (its key). Order: panels and methods
    as in the experiment, then seed, then step. Runs that were not found are absent; how the others were :func:`made`
    is said beside the frame.

    Raises:
        InputError: the runs were made with different data of the same name, or pandas is not installed.
    """
    import pandas

    check_fingerprints((run, record.provenance) for run, record in found.items())
    ways = {run: made(run, record.provenance) for run, record in found.items()}
    rows = []
    for panel in experiment.panels:
        methods = list(dict.fromkeys(map(panel.variant, panel.runs)))
        for run in sorted(panel.runs, key=lambda run: (methods.index(panel.variant(run)), run.seed)):
            if run in found:
                about = {"panel": panel.title, "method": panel.variant(run)} | {
                    name: getattr(run, name) for name in _SHOWN
                }
                about |= {"delta": run.options.get("delta", math.nan), "run": run.key}
                record = found[run]
                rows += [about | dict(zip(record.columns, row, strict=True)) for row in record.rows]
    frame = pandas.DataFrame(rows, columns=["panel", "method", "seed", *COLUMNS, *_SHOWN[1:], "delta", "run"])
    return Curves(
        frame.astype(dict.fromkeys(_OPTIONAL, float)),
        experiment,
        missing=len(experiment.runs) - len(found),
        hardware=dict(collections.Counter(way["device"] for way in ways.values())),
        unlike=_mixed(experiment, ways),
        standing=standing.of(found) if standing else Standing(),
    )


def _mixed(experiment: "Experiment", ways: Mapping[Run, Mapping[str, str]]) -> dict[str, tuple[str, ...]]:
    """The methods by how they were made, in what pairs of runs of one seed and panel differ in; empty if in nothing.

    ``ways`` are the finished runs, as :func:`made` tells of them.
    """
    twins: dict[tuple[str, int], list[tuple[str, Mapping[str, str]]]] = {}
    for panel in experiment.panels:
        for run in panel.runs:
            if run in ways:
                twins.setdefault((panel.title, run.seed), []).append((panel.variant(run), ways[run]))
    differing = [about for about in twins.values() if any(how != about[0][1] for _, how in about)]
    aspects = [
        aspect
        for aspect in ASPECTS
        if any(how[aspect] != about[0][1][aspect] for about in differing for _, how in about)
    ]
    mixed: dict[str, dict[str, None]] = {}
    for method, how in itertools.chain.from_iterable(differing):
        mixed.setdefault(", ".join(how[aspect] for aspect in aspects), {})[method] = None
    return {how: tuple(methods) for how, methods in mixed.items()}


@dataclasses.dataclass(frozen=True, eq=False)
class Timings:
    """Seconds per update of an experiment's timed runs, measured on ``device`` (its model) with so many ``threads``.

    ``frame`` has a row per turn and run: round (the turn), delta, seconds (per update); or per part of a loop, as
    :mod:`hardsample.runs.loop_timing` says.
    """

    frame: "pandas.DataFrame"
    experiment: Experiment
    device: str
    threads: int

    def __repr__(self) -> str:
        return f"Timings({self.experiment!r}: {len(self.frame)} measured, on {self.device})"


def after_pretraining(frame: "pandas.DataFrame") -> "pandas.Series":
    """Which evaluations come after the pre-training; it may end a rounded update late."""
    return frame.epoch > frame.pretrain_epochs + 0.25


def keys(frame: "pandas.DataFrame") -> dict[tuple[str, str], str]:
    """The keys of the runs behind each curve, by its panel and method: seed by seed, with spaces between them."""
    runs = frame.drop_duplicates(["panel", "method", "seed"]).sort_values("seed", kind="stable")
    return {cell: " ".join(own.run) for cell, own in runs.groupby(["panel", "method"], observed=True)}


def last_values(panel: "pandas.DataFrame", method: str, metric: str) -> "pandas.Series":
    """Each seed's last value, by seed; one that is not finite says that the seed diverged."""
    own = panel[panel.method == method].sort_values("step")
    return own.drop_duplicates("seed", keep="last").set_index("seed")[metric].astype(float)
