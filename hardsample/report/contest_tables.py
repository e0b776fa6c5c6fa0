"""Who wins among all methods, where, by how much, and where nothing does: the numbers of a contest.

Everything here takes the curves of an experiment of :mod:`hardsample.experiments.rivals`. Accuracies are in %, their
differences in points. One half of the test set chooses the highest method, the other half reports: *significant* is
said of the reporting half alone, in words, counts and markers, but for the loss, which has no halves.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from hardsample import statistics
from hardsample.errors import InputError
from hardsample.experiments.curves import Curves, keys
from hardsample.experiments.rivals import BUDGETS, BY_NAME, NAMES
from hardsample.numerals import number
from hardsample.report import tables
from hardsample.statistics import LEVEL

PAIRED = ("difference", "difference_low", "difference_high", "p", "p_holm", "seeds_won", "usable", "smallest")
COLUMNS = (
    *("panel", "schedule", "noise", "imbalance", "budget", "method", "same_as"),
    *("n", "diverged", "mean", "sd", "low", "high", *PAIRED, "pairs"),
    *("choose_difference", "chosen", "report_mean", *(f"report_{column}" for column in PAIRED)),
    *(f"gap_{column}" for column in PAIRED),
    *("control", *(f"control_{column}" for column in PAIRED)),
    *("loss", *(f"loss_{column}" for column in PAIRED)),
    *("updates", "forwards", "backwards", "cost"),
)
WINNERS = (
    *("panel", "schedule", "noise", "imbalance", "budget", "verdict", "method", *PAIRED, "pairs"),
    *("tests", "seeds", "needed", "better", "inconclusive", "above", "worse", "left_out"),
)
VERDICTS = ("wins", "highest inconclusive", "none above", "too few seeds", "not compared", "not run")
_MEASURES = {"": "acc/val", "choose_": "acc/choose", "report_": "acc/report", "loss_": "loss/val"}
_TESTED = ("", "report_", "gap_", "control_", "loss_")
PASSES = {"updates": "step", "forwards": "forwards", "backwards": "backwards"}
_NOTHING = pd.DataFrame(columns=[*_MEASURES.values(), *PASSES.values()], dtype=float)  # the ends of no run


def table(curves: Curves) -> pd.DataFrame:
    """One row per panel and method, from the last evaluation of every seed, which is the end of its budget.

    - ``same_as``: the earlier budget whose very runs these are, or "".
    - ``n``, ``diverged``: seeds that ended with a finite test accuracy, and the others; ``mean``, ``sd``, t interval
      ``low`` to ``high`` of that accuracy, on the whole test set; ``loss``: mean test loss; ``report_mean``: the
      accuracy on the half of the test set that reports.
    - ``report_difference``: the accuracy on that half minus the baseline's over the same seeds, with its t interval,
      exact sign-flip ``p``, ``p_holm`` adjusted over the methods run in the panel, ``smallest``, the smallest
      difference that would be significant, and the ``seeds_won`` of ``pairs`` seeds, of which ``usable`` diverged under
      neither. No p and no smallest difference where the seeds are too few for any (:func:`statistics.seeds_needed`).
      The same without a prefix: on the whole test set; ``loss_``: of the test loss, where less wins.
    - ``chosen``: True for the method of highest ``choose_difference``, the difference on the half that chooses, among
      those with as many usable seeds as any and the baseline, which stands at 0; one that does not keep to the budget
      is not among them. ``gap_``: the difference on the reporting half to the chosen method; ``control_``: to the
      method's ``control``, the entrant that has its learning rate or its number of updates, and does not choose.
    - ``updates``, ``forwards``, ``backwards``: means over seeds; ``cost``: the measured time of an update, relative to
      the baseline's.

    NaN where there is nothing to compare. ``attrs`` hold the ``curves``.

    Raises:
        InputError: the curves are not of a contest.
    """
    settings, layout, ends = _settings(curves), curves.layout, _ends(curves)
    rows = []
    for panel, setting in settings.items():
        own = {method: ends.get((panel, method), _NOTHING) for method in layout.get(panel, ())}
        earlier = [other for other in settings if _before(settings[other], setting)]
        for method, row in _panel(own, curves.baseline).items():
            same = (other for other in earlier if len(own[method]) and own[method].equals(ends.get((other, method))))
            same_as = next((settings[other]["budget"] for other in same), "")
            cost = curves.experiment.costs.get(method, np.nan)
            rows.append({"panel": panel, **setting, "method": method, "same_as": same_as, "cost": cost} | row)
    found = pd.DataFrame(rows, columns=list(COLUMNS))
    numbers = [f"{kind}{column}" for kind in _TESTED for column in PAIRED]
    found = found.astype(dict.fromkeys(numbers, float))
    for kind in _TESTED:
        given = [f"{kind}{name}" for name in ("p", "difference_low", "difference_high", "usable")]
        tested = [f"{kind}{name}" for name in ("p", "p_holm", "smallest")]
        for _, rows in found.groupby("panel", sort=False):
            found.loc[rows.index, tested] = np.column_stack(statistics.family(*(rows[name] for name in given)))
    found.attrs = {"curves": curves}
    return found


def winners(table: pd.DataFrame) -> pd.DataFrame:
    """One row per panel of :func:`table`: which method wins, by how much, or that none does.

    - ``method``: the chosen one, with its difference to the baseline on the half of the test set that did not choose.
    - ``verdict``: it "wins" if that difference is significant and above 0. If not: "highest inconclusive" where other
      methods are significantly ``better`` than the baseline, "none above" where none is. "too few seeds" where no
      difference could be significant, since the ``seeds`` usable are fewer than the ``needed`` for so many ``tests``.
      "not compared" without usable runs of the baseline and of another method, "not run" without any run.
    - ``better``, ``worse``: the methods significantly above and below the baseline on the same half, furthest first.
      Of a winner: ``inconclusive``, the methods whose difference to it is not significant, and ``above``, those
      significantly above it. ``left_out``: those with fewer usable seeds than others, which the choice passed over.
    """
    curves, rows = table.attrs["curves"], []
    for panel, setting in _settings(curves).items():
        own = table[table.panel == panel]
        rows.append({"panel": panel} | dict(setting) | _verdict(own[own.method != curves.baseline], own))
    return pd.DataFrame(rows, columns=list(WINNERS))


def figure_data(table: pd.DataFrame) -> pd.DataFrame:
    """What the figure of a contest draws: a row per panel and method, without those that repeat another budget's runs.

    Columns: panel, schedule, noise, imbalance, budget, method; report_mean; report_difference with its t interval,
    report_p_holm, pairs, report_usable, as in :func:`table`; then each seed's difference in points on the half of the
    test set that reports, NaN where it is not run or diverged, and last the keys of the row's runs.
    """
    usual, ends = baseline_of(table), _ends(table.attrs["curves"])
    runs = keys(table.attrs["curves"].frame)
    found = table[(table.same_as == "") & (table.n + table.diverged > 0)].reset_index(drop=True)
    reported = (f"report_{column}" for column in ("mean", *PAIRED[:3], "p_holm", "usable"))
    kept = ("panel", "schedule", "noise", "imbalance", "budget", "method", *reported, "pairs")
    differences = [
        (ends[panel, method]["acc/report"] - ends.get((panel, usual), _NOTHING)["acc/report"]).rename(place)
        for place, (panel, method) in enumerate(zip(found.panel, found.method, strict=True))
        if method != usual
    ]
    seeds = pd.concat(differences, axis=1).T.sort_index(axis=1) if differences else pd.DataFrame()
    points = found[list(kept)].join(seeds.rename(columns=lambda seed: f"seed {int(seed)}"))
    return points.assign(runs=[runs[cell] for cell in zip(found.panel, found.method, strict=True)])


def baseline_of(table: pd.DataFrame) -> str:
    """The baseline of the curves behind a table."""
    return table.attrs["curves"].baseline


def competes(method: str) -> bool:
    """Does the method keep to the budget?"""
    return BY_NAME[method].times == 1


def _settings(curves: Curves) -> dict[str, Mapping]:
    """The setting of every panel."""
    settings = {panel: setting for panel, setting in curves.experiment.settings.items() if setting}
    if not settings:
        raise InputError(
            f"a contest needs panels with settings, and those of {curves.experiment.name} have none:"
            f" give the curves of {' or '.join(NAMES)}."
        )
    return settings


def _before(one: Mapping, other: Mapping) -> bool:
    """Whether two settings differ in the budget alone, and that of ``one`` comes first."""
    alike = all(one[of] == other[of] for of in one if of != "budget")
    return alike and BUDGETS.index(one["budget"]) < BUDGETS.index(other["budget"])


def _ends(curves: Curves) -> dict[tuple[str, str], pd.DataFrame]:
    """Each seed's last evaluation, by seed, for every panel and method with runs; no metrics for one that diverged."""
    columns = list(_NOTHING.columns)
    own = curves.frame[curves.frame.panel.isin(_settings(curves))]
    last = own.sort_values("step").drop_duplicates(["panel", "method", "seed"], keep="last")
    last = last.astype(dict.fromkeys(columns, float)).sort_values("seed").set_index("seed")
    metrics = list(_MEASURES.values())
    last[metrics] = last[metrics].where(np.isfinite(last[metrics]) & np.isfinite(last[["acc/val"]].to_numpy()))
    last[metrics[:3]] *= 100
    return {cell: rows[columns] for cell, rows in last.groupby(["panel", "method"], sort=False, observed=True)}


def _panel(ends: Mapping[str, pd.DataFrame], usual: str) -> dict[str, dict]:
    """The rows of one panel by method, with p not yet adjusted, from every method's last evaluations."""
    rows = {method: _row(own, ends.get(usual, _NOTHING), method == usual) for method, own in ends.items()}
    for method, own in ends.items():
        control = BY_NAME[method].control
        if control in ends:
            rows[method] |= {"control": control} | _compared("control_", own["acc/report"], ends[control]["acc/report"])
    usable = {method: row.get("usable", 0) for method, row in rows.items() if method != usual and competes(method)}
    if not max(usable.values(), default=0):
        return rows
    fullest = [method for method, seeds in usable.items() if seeds == max(usable.values())]
    chosen = max((usual, *fullest), key=lambda method: rows[method]["choose_difference"])
    rows[chosen]["chosen"] = True
    for method, own in ends.items():
        if method != chosen:
            rows[method] |= _compared("gap_", own["acc/report"], ends[chosen]["acc/report"])
    return rows


def _row(own: pd.DataFrame, twins: pd.DataFrame, is_usual: bool) -> dict:
    accuracy = statistics.summary(own["acc/val"])
    row = {"n": accuracy.n, "diverged": accuracy.diverged, "mean": accuracy.mean, "sd": accuracy.sd, "chosen": False}
    row |= {"low": accuracy.interval.low, "high": accuracy.interval.high, "loss": own["loss/val"].mean()}
    row |= {name: own[column].mean() for name, column in PASSES.items()}
    row["report_mean"] = own["acc/report"].mean()
    if is_usual:
        return row | {"choose_difference": 0.0}
    for kind, metric in _MEASURES.items():
        row |= _compared(kind, own[metric], twins[metric], higher_is_better=metric.startswith("acc"))
    return row


def _compared(kind: str, own: pd.Series, twins: pd.Series, *, higher_is_better: bool = True) -> dict[str, float]:
    """The paired columns of that kind, without those that depend on the other tests."""
    compared = tables.compared(own, twins, higher_is_better=higher_is_better)
    return {f"{kind}{name}": value for name, value in compared.items()}


def _verdict(rivals: pd.DataFrame, everyone: pd.DataFrame) -> dict:
    """The columns of :func:`winners` after the setting, from the rows of one panel, without and with the baseline."""
    tests = int((rivals.report_usable > 0).sum())
    competing = rivals[rivals.method.map(competes).astype(bool)]  # an empty one has no bools of its own
    if not (competing.usable > 0).any():
        return {"verdict": "not compared" if (everyone.n + everyone.diverged).any() else "not run", "tests": 0}
    chosen = everyone[everyone.chosen.astype(bool)].iloc[0]
    seeds, needed = int(competing.usable.max()), statistics.seeds_needed(tests)
    significant = rivals[rivals.report_p_holm < LEVEL].sort_values("report_difference", ascending=False)
    better, worse = significant[significant.report_difference > 0], significant[significant.report_difference < 0]
    by_gap = rivals.sort_values("gap_difference", ascending=False)
    inconclusive = by_gap[(by_gap.gap_p_holm >= LEVEL) & (by_gap.usable == seeds)]
    above = by_gap[(by_gap.gap_p_holm < LEVEL) & (by_gap.gap_difference > 0)]
    left_out = competing[(competing.n + competing.diverged > 0) & (competing.usable < seeds)]
    wins = chosen.method in set(better.method)
    if seeds < needed:
        verdict = "too few seeds"
    else:
        verdict = "wins" if wins else "highest inconclusive" if len(better) else "none above"
    return {
        "verdict": verdict,
        "method": chosen.method,
        **{column: chosen[f"report_{column}"] for column in PAIRED},
        "pairs": chosen.pairs,
        "tests": tests,
        "seeds": seeds,
        "needed": needed,
        "better": ", ".join(better.method),
        "inconclusive": ", ".join(inconclusive.method) if wins else "",
        "above": ", ".join(above.method) if wins else "",
        "worse": ", ".join(worse.method[::-1]),
        "left_out": ", ".join(f"{row.method} ({number(row.usable, 0)} of {seeds})" for row in left_out.itertuples()),
    }
