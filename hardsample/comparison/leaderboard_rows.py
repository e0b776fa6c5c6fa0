"""The rows of the leaderboard out of the stored trainings: who stands where, by how much, and made with what."""

import dataclasses
import functools
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hardsample import paths, statistics
from hardsample.comparison import leaderboard_passes, stored, trials
from hardsample.comparison.leaderboard import BASELINE, SEEDS, TASKS
from hardsample.comparison.result import BETTER, WORSE, Comparison, Setting
from hardsample.comparison.training import Trained
from hardsample.errors import InputError
from hardsample.methods.registry import METHODS

if TYPE_CHECKING:
    import pandas as pd

ALL = "all settings"
METRIC = "accuracy"


@dataclasses.dataclass(frozen=True)
class Entrant:
    """A method with its options, in one version of its source, and its trainings by task and seed.

    ``name`` is that of its row; ``asked`` what the command line calls it, ``method`` what the registry does. ``passes``
    are the examples passed "forward" and "backward" for each example of an update, where they were counted.
    """

    name: str
    asked: str
    method: str
    trainings: Mapping[tuple[str, int], stored.Stored]
    passes: Mapping[str, float] = dataclasses.field(default_factory=dict)

    @property
    def whole(self) -> bool:
        """Has it every seed of every task?"""
        return len(self.trainings) == len(TASKS) * len(SEEDS)

    @property
    def made(self) -> list[Mapping[str, Any]]:
        """How each training was made."""
        return [values["provenance"] for _, _, values in self.trainings.values()]

    @property
    def other_code(self) -> int:
        """How many trainings were made by other code than today's, as far as that is here."""
        today = trials.code(self.method)
        return sum(made.get("code") != today for made in self.made) if today else 0

    @property
    def plugins(self) -> list[str]:
        """The files that registered it, by name; none for a method of the package."""
        spec = METHODS.get(self.method)
        if spec is not None and spec.build.__module__.startswith("hardsample."):
            return []
        return list(dict.fromkeys(f"{name}.py" for made in self.made for name in made.get("plugins", ())))


@dataclasses.dataclass(frozen=True, eq=False)
class Leaderboard:
    """Whole rows, the baseline's first, and those that lack trainings."""

    entrants: tuple[Entrant, ...]
    unfinished: tuple[Entrant, ...]

    @functools.cached_property
    def comparisons(self) -> dict[str, Comparison]:
        """Every task's rows against the baseline by the task's title, and under ``ALL`` their means over the tasks."""
        found = {}
        for name, task in TASKS.items():
            trained = {(one.name, seed): one.trainings[name, seed][1] for one in self.entrants for seed in SEEDS}
            about = self.entrants[0].trainings[name, SEEDS[0]][2]["about"]
            found[task.title] = Comparison(Setting(**about["setting"]), trained, frozenset(about["lower"]))
        first = next(iter(found.values()))
        means = {one: _mean([comparison.trained[one] for comparison in found.values()]) for one in first.trained}
        overall = dataclasses.replace(first, setting=dataclasses.replace(first.setting, name=ALL), trained=means)
        return {ALL: overall, **found}

    @functools.cached_property
    def table(self) -> "pd.DataFrame":
        """Each method minus the baseline, a row for each setting, metric and method: ``setting``, and what
        :attr:`hardsample.comparison.result.Comparison.table` has; settings as in ``comparisons``, methods in ``order``.
        """
        import pandas as pd

        parts = []
        for title, comparison in self.comparisons.items():
            own = comparison.table.set_index("method").loc[self.order].reset_index()
            own.insert(0, "setting", title)
            parts.append(own)
        return pd.concat(parts, ignore_index=True)

    @functools.cached_property
    def order(self) -> list[str]:
        """The methods but the baseline, by their mean difference over all settings, the highest first."""
        rows = self.comparisons[ALL].table
        rows = rows[rows.metric == METRIC].sort_values("method")
        return list(rows.sort_values("difference", ascending=False, kind="stable").method)

    @property
    def ranked(self) -> list[str]:
        """The same with the baseline, which stands at 0."""
        means = self.comparisons[ALL].final[METRIC].groupby("method").mean()
        above = [method for method in self.order if means[method] > means[BASELINE]]
        return [*above, BASELINE, *self.order[len(above) :]]

    def counted(self, method: str) -> tuple[int, int]:
        """In how many tasks a method is significantly better, and in how many significantly worse."""
        found = list(self.of(method).verdict.drop(ALL))
        return found.count(BETTER), found.count(WORSE)

    def of(self, method: str, metric: str = METRIC) -> "pd.DataFrame":
        """A method's rows of the table, by setting."""
        return self.table[(self.table.method == method) & (self.table.metric == metric)].set_index("setting")

    def beside_the_first(self) -> list[str]:
        """The methods above which the first is not significantly, over all settings; p by Holm over all but it."""
        first, *others = self.order
        ends = self.comparisons[ALL].final[METRIC].unstack("method")
        found = [statistics.paired(ends[first], ends[other]) for other in others]
        adjusted = statistics.adjusted([one.p for one in found], [one.n for one in found])
        return [other for other, p in zip(others, adjusted, strict=True) if not p < statistics.LEVEL]


def read(*roots: Path) -> Leaderboard:
    """The leaderboard of the trainings in these stores; where none is given, in the reader's and in the project's.

    A method whose options or source were changed is another row from there on: every version that was trained counts.

    Raises:
        InputError: the baseline has not every seed of every task.
    """
    roots = roots or tuple(dict.fromkeys((paths.runs_dir(), paths.project_root() / "runs")))
    versions: dict[str, dict[str, dict[tuple[str, int], stored.Stored]]] = {}
    for name in TASKS:
        for one in stored.trainings(name, *roots):
            if one[0].seed in SEEDS:
                own = versions.setdefault(one[0].method, {})
                own.setdefault(_version(one[0]), {})[name, one[0].seed] = one
    counted = {_version(one[0]): one for one in stored.trainings(leaderboard_passes.NAME, *roots)}
    found = [entrant for method, own in versions.items() for entrant in _entrants(method, own, counted)]
    whole = [one for one in found if one.whole]
    usual = [one for one in whole if one.name == BASELINE]
    if not usual or len(whole) < 2:
        raise InputError(
            f"no whole row of the leaderboard is stored in {' or '.join(map(str, roots))}: train one with --methods,"
            " such as --methods PLB, or go to a checkout of the project."
        )
    return Leaderboard(
        (*usual, *(one for one in whole if one.name != BASELINE)), tuple(one for one in found if not one.whole)
    )


def _version(trial: trials.Trial) -> str:
    """Of a method: equal for equal options and source."""
    return trials.digest({key: trial.identity[key] for key in ("method", "options", "method_source")})


def _entrants(
    asked: str,
    versions: Mapping[str, Mapping[tuple[str, int], stored.Stored]],
    counted: Mapping[str, stored.Stored],
) -> Iterator[Entrant]:
    """The versions of a method, the first to be trained first."""
    begun = {
        version: min(values["provenance"]["finished"] for _, _, values in own.values())
        for version, own in versions.items()
    }
    for place, version in enumerate(sorted(begun, key=begun.get), 1):
        own = versions[version]
        method = next(iter(own.values()))[0].identity["method"]
        passes = _passes(counted[version]) if version in counted else {}
        yield Entrant(asked if place == 1 else f"{asked} (version {place})", asked, method, own, passes)


def _passes(one: stored.Stored) -> dict[str, float]:
    _, trained, values = one
    drawn = values["about"]["setting"]["updates"] * values["about"]["setting"]["batch_size"]
    return {name: trained.rows[-1][trained.columns.index(name)] / drawn for name in leaderboard_passes.METRICS}


def _mean(trainings: Iterable[Trained]) -> Trained:
    """The ends of several trainings as one: their mean, NaN where one had diverged."""
    trainings = list(trainings)
    end = np.mean([trained.rows[-1] for trained in trainings], 0)
    return Trained(trainings[0].columns, (tuple(map(float, end)),), sum(trained.seconds for trained in trainings))
