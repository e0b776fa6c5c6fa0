"""What was measured of an experiment, beside the experiment: the curves of its runs and the times of its updates."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hardsample.experiments.panels import Experiment

if TYPE_CHECKING:
    import pandas

METRICS = ("acc/train", "acc/val", "loss/train", "loss/val")


@dataclasses.dataclass(frozen=True, eq=False)
class Curves:
    """The stored metrics of an experiment, and what is said of the runs behind them.

    ``frame`` has a row per evaluation of a run in a panel, in the columns of
    :meth:`hardsample.runs.store.Store.curves`. ``missing`` runs are not stored (a count). ``hardware`` maps each device
    to the number of runs made on it. Where runs of one seed and panel differ in how they were made, ``unlike`` maps
    how, in words, to the methods made so.
    """

    frame: "pandas.DataFrame"
    experiment: Experiment
    missing: int = 0
    hardware: Mapping[str, int] = dataclasses.field(default_factory=dict)
    unlike: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)

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


@dataclasses.dataclass(frozen=True, eq=False)
class Timings:
    """Seconds per update of an experiment's timed runs, measured on ``device`` (its model) with so many ``threads``.

    ``frame`` has a row per turn and run: round (the turn), delta, seconds (per update).
    """

    frame: "pandas.DataFrame"
    experiment: Experiment
    device: str
    threads: int


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
