"""Tables 3, 4 and 5 of paper B: accuracy and convergence of every network for each δ, on one data set."""

import dataclasses
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from hardsample import statistics
from hardsample.experiments import published
from hardsample.experiments.curves import Curves
from hardsample.numerals import count
from hardsample.report.paper_budget import Budget, budget_notes, end_notes
from hardsample.report.paper_runs import (
    FRESH,
    TOLERANCE,
    against_fresh,
    compared_in_epochs,
    compared_in_points,
    conditions_and_counts,
    every_delta,
    final_metrics,
    last_notes,
    networks_of,
    opening,
    reshuffled_statement,
    seeds_statement,
    seeds_wanted,
    signed,
)
from hardsample.report.paper_tables import build


def table_3(curves: Curves) -> pd.DataFrame:
    """Tables 3, 4 and 5: a row per network and δ, in the paper's order; then those of networks that it has not.

    - ``status``: "measured"; "incomplete", with fewer seeds than wanted; "diverged", all of them; "not run".
    - ``n``, ``diverged``: seeds that ended with finite metrics, and the others, which enter no mean.
    - ``train``, ``test``: top-1 accuracy at the end, mean over seeds with its t interval; of the published protocol's
      single checkpoint the t interval over the mini-batches of its evaluation. ``_difference``: minus the paper's.
    - ``difference``: test accuracy minus that of δ = 1, paired by seed, with its t interval, exact sign-flip ``p``,
      ``seeds_won`` of ``pairs`` seeds; ``difference_paper`` from the printed accuracies.
      ``p_holm`` is over all tests of test accuracy in the table. Both p are NaN where the seeds are too few for any
      difference to be significant among them; ``smallest``: the smallest difference that would be,
      ``statistics.smallest_significant_difference``. ``usable``: pairs that are finite in both.
    - ``fresh_difference`` and what follows it: the same against reshuffled training, one family with it.
    - ``epochs_difference`` and what follows it: ``e`` minus that of δ = 1, in epochs, a family of its own. A seed that
      has not converged counts as one evaluation after its last; NaN where none of either has.
    - ``updates``: made by the end, of a seed that did not diverge.
    - ``e``: mean over the ``converged`` seeds of ``statistics.convergence`` of the training loss, in epochs of N
      updates; ``e_spacing``: epochs between evaluations. ``e_difference`` to the paper's, where the runs have its
      budget of epochs, updates and examples. ``e_change``: the paper's Δe = (e(δ = 1) - e) / e in %; ``fewer``: the
      same divided by e(δ = 1). Both need every seed of both to have converged.
    - ``doubt``: why the printed accuracies of the row are no target; it has no differences to them then.
    """
    name = curves.experiment.name.split("/")[-1]
    paper = published.read(f"hard-samples-{name}").set_index(["network", "delta"])
    slot = next(slot for _, slot in curves.experiment.cells.values())
    wanted = seeds_wanted(curves)
    rows, budgets = [], []
    for network in networks_of(curves):
        finals = every_delta(curves, network, None)
        fresh = final_metrics(curves, network, None, FRESH)
        budgets.append(Budget.of(curves, network))
        for delta, own in finals.items():
            expected = paper.loc[network, delta] if (network, delta) in paper.index else _unprinted(paper)
            row = {"network": network, "delta": delta} | conditions_and_counts(
                curves, [own], int(own["acc/val"].count()), wanted
            )
            row |= _accuracies(own, expected) | _convergence(own, finals[1.0], expected)
            row |= {"updates": own.step.max(), "e_spacing": budgets[-1].spacing if len(own) else np.nan}
            if not budgets[-1].is_the_papers(slot):
                row["e_difference"] = np.nan
            if delta != 1:
                row["difference_paper"] = _printed_difference(paper, network, delta)
                row |= compared_in_points(own["acc/val"], finals[1.0]["acc/val"])
                row |= compared_in_epochs(own, finals[1.0])
            rows.append(row | against_fresh(own["acc/val"], fresh["acc/val"]))
    return build(
        "table-3",
        rows,
        f"Table {name[-1]} ({slot}): accuracy and convergence for each δ",
        [*opening(curves.experiment, seeds_statement(rows)), _interval_statement(curves, rows)],
        [*_notes_3(budgets), *budget_notes(slot, budgets), *end_notes(rows), *last_notes(curves, rows)],
    )


def _accuracies(own: pd.DataFrame, paper: pd.Series) -> dict[str, float]:
    row = {"doubt": paper.doubt}
    for name, part in (("train", "train"), ("test", "val")):
        summary = _summary(own, part)
        row |= {name: summary.mean, f"{name}_low": summary.interval.low, f"{name}_high": summary.interval.high}
        row |= {f"{name}_paper": paper[name], f"{name}_paper_interval": paper[f"{name}_interval"]}
        row[f"{name}_difference"] = np.nan if paper.doubt else summary.mean - paper[name]
    return row


def _summary(own: pd.DataFrame, part: str) -> statistics.Summary:
    """Accuracy in % over seeds; a single checkpoint's interval is over the mini-batches of its evaluation, if known."""
    summary = statistics.summary(100 * own[f"acc/{part}"])
    if len(own) == 1 and own[f"batches/{part}"].iloc[0] > 1:
        half = statistics.t_half_width(100 * own[f"acc/{part}-sd"].iloc[0], own[f"batches/{part}"].iloc[0])
        summary = dataclasses.replace(summary, interval=statistics.Interval(summary.mean - half, summary.mean + half))
    return summary


def _convergence(own: pd.DataFrame, baseline: pd.DataFrame, paper: pd.Series) -> dict[str, float]:
    summary = statistics.summary(own.e)
    row = {"e": summary.mean, "e_low": summary.interval.low, "e_high": summary.interval.high, "converged": summary.n}
    row |= {"e_paper": paper.epoch, "e_difference": summary.mean - paper.epoch}
    row["e_change_paper"] = signed(paper, "epoch_change")
    if own is not baseline and len(own) and len(baseline) and own.e.notna().all() and baseline.e.notna().all():
        fall = baseline.e.mean() - summary.mean
        row |= {"e_change": 100 * fall / summary.mean, "fewer": 100 * fall / baseline.e.mean()}
    return row


def _printed_difference(paper: pd.DataFrame, network: str, delta: float) -> float:
    if (network, delta) not in paper.index:
        return np.nan
    own, baseline = paper.loc[network, delta], paper.loc[network, 1.0]
    return np.nan if own.doubt or baseline.doubt else own.test - baseline.test


def _unprinted(paper: pd.DataFrame) -> pd.Series:
    """A row of the paper's numbers for what it does not print."""
    return pd.Series(np.nan, paper.columns, dtype=object).where(paper.columns != "doubt", "")


def _interval_statement(curves: Curves, rows: Iterable[Mapping]) -> str:
    most = max(row["n"] + row["diverged"] for row in rows)
    if not most:
        return ""
    if most > 1:
        return "±: half the 95 % t interval over seeds."
    if curves.experiment.protocol == "published":
        return "±: half the 95 % t interval over the mini-batches of the one checkpoint, not over seeds."
    return "One seed has no interval."


def _notes_3(budgets: Iterable[Budget]) -> list[str]:
    spacing = dict.fromkeys(count(budget.spacing, "epoch") for budget in budgets if np.isfinite(budget.spacing))
    known = f"; e is known to {' or '.join(spacing)}" if spacing else ""
    return [
        "Test: top-1 accuracy at the end. Differences: in points, by seed; the paper's from its printed accuracies."
        f" {reshuffled_statement('Test')}",
        "e: the first evaluation, in epochs of N updates for every δ, from which on the training loss stays within"
        f" {100 * TOLERANCE:g} % of its whole fall from its last value (the paper leaves open when a loss has"
        f" converged){known}. How many seeds converged is in brackets, where not all did. e - (δ = 1): by seed;"
        " one that has not converged counts as one evaluation after its last.",
    ]
