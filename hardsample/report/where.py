"""Where a method's gain in accuracy is, and who pays: by difficulty, by class, and one method against the other.

Everything is by seed: the methods of a seed begin at the same pre-trained network and are tested on the same examples.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from hardsample import statistics
from hardsample.config import Run
from hardsample.experiments.curves import Curves, keys
from hardsample.report import kept
from hardsample.report.draws import class_names

PARTS = 10  # of equal size, by difficulty
WHOLE, DIFFICULTY, CLASS, POINTS = "all", "difficulty", "class", "point by point"
SHARED_BY = 3  # of the hardest parts, whose share of the gain is said
COLUMNS = (
    *("part", "group", "method", "other", "unit", "examples", "n", "value", "other_value", "difference", "low", "high"),
    *("smallest", "p", "p_holm", "share", "share_low", "share_high"),
)
POINT_BY_POINT = {
    "accuracy": "points",
    "loss": "nats",
    "loss of what it has right": "nats",
    "loss of what it has wrong": "nats",
    "loss of what both have right": "nats",
    "loss of what both have wrong": "nats",
}
"""What two methods are compared in, and its unit."""

Groups = Mapping[int, Sequence[np.ndarray]]
"""By seed, the indices of each group's test examples."""


def table(curves: Curves, details: Mapping[Run, kept.Detail]) -> pd.DataFrame:
    """A row for each part of the test set and each method against the baseline, and for the methods point by point.

    - ``part`` and ``group``: "all"; "difficulty", tenths by the loss at the end of the pre-training, 1 the easiest;
      "class", by name; or "point by point", the last method against the one before it in :data:`POINT_BY_POINT`.
    - ``value`` of the ``method`` and ``other_value`` in ``unit``, on so many ``examples``; accuracies in percent.
    - ``difference`` by seed with its t interval ``low`` to ``high`` over ``n`` seeds; ``p`` of the exact sign-flip
      test, ``p_holm`` adjusted over the part's groups of the method, the ``smallest`` difference that would be
      significant.
    - ``share`` of the method's whole gain that is in the group, and its interval, where there is a gain: where the
      whole's interval is above 0.

    Then every seed's difference, and the keys of the runs of both.
    """
    runs = {method: key for (_, method), key in keys(curves.frame).items()}
    found, baseline, rows = kept.by_method(curves, details), curves.baseline, []
    shown = [method for method in found if method != baseline]
    for method in shown:
        if not (seeds := kept.both(found, method, baseline)):
            continue
        about = {"method": method, "other": baseline, "runs": f"{runs[method]} {runs[baseline]}"}
        size, names = _size(found, baseline), _classes(found)
        groups: dict[str, tuple[Sequence[str], Groups]] = {
            WHOLE: ((WHOLE,), {seed: [np.arange(size)] for seed in seeds}),
            DIFFICULTY: (
                [str(place) for place in range(1, PARTS + 1)],
                {seed: by_difficulty(found[baseline][seed]) for seed in seeds},
            ),
            CLASS: ([*names], {seed: _by_class(found[baseline][seed], names.values()) for seed in seeds}),
        }
        total: dict[str, float] = {}
        for part, (titles, of) in groups.items():
            own = [{"part": part, **row} for row in _by_group(titles, of, found, about)]
            total = total or _contributions(own[0], size)
            rows += _tested([row | _share(_contributions(row, size), total) for row in own])
    if len(shown) > 1:
        other, method = shown[-2:]
        rows += _tested(list(_point_by_point(found, method, other, f"{runs[method]} {runs[other]}")))
    return kept.ordered(rows, COLUMNS)


def by_difficulty(detail: kept.Detail) -> list[np.ndarray]:
    """Tenths of the test examples by the loss that the start of a run gives them, the easiest first."""
    return np.array_split(detail["test/loss-before"].argsort(kind="stable"), PARTS)


def hits(detail: kept.Detail) -> np.ndarray:
    """Which test examples a run has right at its end."""
    return detail["test/predicted"] == detail["test/label"]


def hardest_share(rows: pd.DataFrame, method: str, parts: int = SHARED_BY) -> dict[str, float]:
    """The ``share`` of a method's gain in so many of the hardest tenths, and its interval; empty without a gain."""
    own = rows[(rows.method == method) & (rows.part == DIFFICULTY)]
    whole = rows[(rows.method == method) & (rows.part == WHOLE)]
    seeds = [column for column in rows if column.startswith("seed ")]
    if own.empty or not own.share.notna().any():
        return {}
    weights = own.examples.to_numpy(float) / whole.examples.iloc[0]
    hardest = (own[seeds].to_numpy(float) * weights[:, None])[-parts:].sum(0)
    total = whole[seeds].iloc[0].to_numpy(float)
    return _share(dict(zip(seeds, hardest, strict=True)), dict(zip(seeds, total, strict=True)))


def _size(found: kept.Kept, method: str) -> int:
    return len(next(iter(found[method].values()))["test/label"])


def _classes(found: kept.Kept) -> dict[str, int]:
    """The classes that are tested, by name."""
    runs = [detail for seeds in found.values() for detail in seeds.values()]
    count = 1 + max(int(max(detail["test/label"].max(), detail["train/label"].max())) for detail in runs)
    tested = np.unique(runs[0]["test/label"])
    return {name: label for label, name in enumerate(class_names(count)) if label in tested}


def _by_class(detail: kept.Detail, labels: Iterable[int]) -> list[np.ndarray]:
    return [np.flatnonzero(detail["test/label"] == label) for label in labels]


def _by_group(
    titles: Sequence[str], groups: Groups, found: kept.Kept, about: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    """A row for each group: accuracies of the method and the other on its examples, by seed."""
    right = [{seed: hits(found[about[who]][seed]) for seed in groups} for who in ("method", "other")]
    for place, title in enumerate(titles):
        values, others = ({seed: 100 * own[seed][groups[seed][place]].mean() for seed in groups} for own in right)
        examples = len(next(iter(groups.values()))[place])
        yield {"group": title, **about, "unit": "points", "examples": examples} | _difference(values, others)


def _difference(values: Mapping[int, float], others: Mapping[int, float]) -> dict[str, Any]:
    """Two methods' values by seed, and their difference."""
    apart = {seed: value - others[seed] for seed, value in values.items()}
    row = kept.over_seeds(apart)
    differences = np.array([value for value in apart.values() if np.isfinite(value)])
    means = {
        "value": statistics.summary([*values.values()]).mean,
        "other_value": statistics.summary([*others.values()]).mean,
    }
    return {"difference": row.pop("mean"), **means, "p": statistics.sign_flip_p(differences), **row}


def _point_by_point(found: kept.Kept, method: str, other: str, runs: str) -> Iterator[dict[str, Any]]:
    """A row for each of :data:`POINT_BY_POINT`."""
    seeds = kept.both(found, method, other)
    if not seeds:
        return
    values: dict[str, tuple[dict, dict]] = {name: ({}, {}) for name in POINT_BY_POINT}
    for seed in seeds:
        own, twin = ((hits(found[who][seed]), _losses(found[who][seed])) for who in (method, other))
        right, wrong = own[0] & twin[0], ~own[0] & ~twin[0]
        for place, (hit, loss) in enumerate((own, twin)):
            measured = (100 * hit.mean(), loss.mean(), *(_mean(loss[mask]) for mask in (hit, ~hit, right, wrong)))
            for name, value in zip(POINT_BY_POINT, measured, strict=True):
                values[name][place][seed] = value
    about = {"method": method, "other": other, "examples": _size(found, method), "runs": runs}
    for name, unit in POINT_BY_POINT.items():
        yield {"part": POINTS, "group": name, "unit": unit, **about} | _difference(*values[name])


def _losses(detail: kept.Detail) -> np.ndarray:
    return detail["test/loss"].astype(float)


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else np.nan


def _contributions(row: Mapping[str, Any], size: int) -> dict[str, float]:
    """By seed, what a group adds to the difference in accuracy of all examples, in points."""
    weight = row["examples"] / size
    return {name: weight * value for name, value in row.items() if name.startswith("seed ")}


def _share(part: Mapping[str, float], whole: Mapping[str, float]) -> dict[str, float]:
    """The ratio of two means over seeds and its interval, by the delta method, where the whole is above 0."""
    parts, wholes = (np.array([*values.values()]) for values in (part, whole))
    if not len(wholes) or not statistics.t_interval(wholes).low > 0:
        return {}
    share = parts.mean() / wholes.mean()
    ends = statistics.t_interval(parts - share * wholes)
    return {
        "share": share,
        "share_low": share + ends.low / wholes.mean(),
        "share_high": share + ends.high / wholes.mean(),
    }


def _tested(rows: list[dict]) -> list[dict]:
    """The rows of one family of tests, with their p adjusted."""
    ends = ([row[name] for row in rows] for name in ("p", "low", "high", "n"))
    found = zip(*statistics.family(*ends), strict=True)
    return [
        row | dict(zip(("p", "p_holm", "smallest"), own, strict=True)) for row, own in zip(rows, found, strict=True)
    ]
