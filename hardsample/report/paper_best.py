"""Table 6 of paper B: the best δ < 1 against δ = 1, for every network and data set."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from hardsample.experiments import hard_samples, published
from hardsample.experiments.curves import Curves
from hardsample.report.paper_runs import (
    FRESH,
    against_fresh,
    at_chance,
    compared_in_points,
    conditions_and_counts,
    every_delta,
    final_metrics,
    last_notes,
    networks_of,
    opening,
    relative_change,
    reshuffled_statement,
    seeds_statement,
    seeds_wanted,
    signed,
)
from hardsample.report.paper_tables import build

_TABLES = dict(zip(hard_samples.SLOTS, ("table-3", "table-4", "table-5"), strict=True))  # the paper's, by data set


def table_6(curves: Curves) -> pd.DataFrame:
    """A row per network and data set of the paper: the best δ < 1 against δ = 1.

    - ``delta``: the one with the fewest diverged seeds and, of those, the highest mean ``acc/choose``, the accuracy on
      one half of the test set. ``baseline``, ``chosen``: mean accuracy of δ = 1 and of that δ on the other half,
      ``acc/report``, over the ``n`` seeds finite in both; ``diverged`` counts those of every δ. ``change``: their
      relative difference in % as the paper has it, (chosen - baseline) / chosen; NaN where one of them is at chance,
      and a share of it would say nothing.
    - ``difference`` and ``fresh_difference`` with what follows them: as in Table 3, on ``acc/report``; ``p_holm`` over
      this table.
    - ``naive_delta``, ``naive_change``: chosen and reported on the whole test set, which is what the paper does.
    - ``change_paper``: as printed, a fall negative; ``change_difference``: ours minus it; ``change_recomputed``: from
      the accuracies that the paper's own Tables 3-5 print.
    - ``status``, ``doubt``: as in Table 3; the doubt is about those tables' rows.
    """
    paper = published.read("hard-samples-table-6").set_index(["network", "data_set"])
    recomputed = _recomputed()
    wanted = seeds_wanted(curves)
    slots = dict.fromkeys((*hard_samples.SLOTS, *(slot for _, slot in curves.experiment.cells.values())))
    rows = []
    for network in networks_of(curves):
        for slot in slots:
            finals = every_delta(curves, network, slot)
            tested = curves.experiment.tested
            images = tested[0] if len(tested) == 1 else None
            chosen, n = _chosen(finals, final_metrics(curves, network, slot, FRESH), images)
            row = (
                {"network": network, "data_set": slot}
                | conditions_and_counts(curves, list(finals.values()), n, wanted)
                | chosen
            )
            if (network, slot) in paper.index:
                change, doubt = recomputed[network, slot]
                expected = signed(paper.loc[network, slot], "change")
                row |= {"change_paper": expected, "change_recomputed": change, "doubt": doubt}
                row["change_difference"] = np.nan if doubt else row.get("change", np.nan) - expected
            rows.append(row)
    head = opening(curves.experiment, seeds_statement(rows))
    title = "Table 6: test accuracy of the best δ < 1 against δ = 1"
    return build("table-6", rows, title, head, [*_notes_6(rows), *last_notes(curves, rows)])


def _chosen(
    finals: Mapping[float, pd.DataFrame], fresh: pd.DataFrame, images: int | None
) -> tuple[dict[str, float], int]:
    """Table 6's numbers of one cell, and of how many seeds: from the final metrics of each δ, and reshuffled ones.

    ``images``: how many the test set has, if that is known.
    """
    baseline = finals[1.0]
    candidates = {delta: own for delta, own in finals.items() if delta < 1 and own["acc/val"].notna().any()}
    if not candidates or baseline["acc/val"].isna().all():
        return {}, 0

    def on_half(delta: float) -> tuple[int, float]:
        own = candidates[delta]["acc/choose"]
        return -own.isna().sum(), own.mean()

    delta = max(candidates, key=on_half)
    naive = max(candidates, key=lambda delta: candidates[delta]["acc/val"].mean())
    own, data = candidates[delta]["acc/report"], baseline.data.iloc[0]
    pairs = pd.DataFrame({"baseline": baseline["acc/report"], "chosen": own}).dropna()
    half = images // 2 if images else None
    whole = {of: finals[of]["acc/val"].dropna() for of in (naive, 1.0)}
    row = {
        "delta": delta,
        "baseline": 100 * pairs.baseline.mean(),
        "chosen": 100 * pairs.chosen.mean(),
        "naive_delta": naive,
    }
    if not any(at_chance(pairs[of], data, half) for of in pairs):
        row["change"] = relative_change(pairs.chosen.mean(), pairs.baseline.mean())
    if not any(at_chance(values, data, images) for values in whole.values()):
        row["naive_change"] = relative_change(*(values.mean() for values in whole.values()))
    row |= compared_in_points(own, baseline["acc/report"]) | against_fresh(own, fresh["acc/report"])
    return row, len(pairs)


def _recomputed() -> dict[tuple[str, str], tuple[float, str]]:
    """Table 6's changes from the accuracies printed in Tables 3-5, each with the doubt about those, if any."""
    changes = {}
    for slot, name in _TABLES.items():
        for network, rows in published.read(f"hard-samples-{name}").groupby("network"):
            test = rows.set_index("delta").test
            doubt = next((f"Table {name[-1]}: {doubt}" for doubt in rows.doubt if doubt), "")
            changes[network, slot] = (relative_change(test[test.index < 1].max(), test[1.0]), doubt)
    return changes


def _notes_6(rows: Sequence[Mapping]) -> list[str]:
    guessing = any(np.isfinite(row.get("chosen", np.nan)) and "change" not in row for row in rows)
    return [
        "Best: the δ < 1 of highest mean accuracy on one half of the test set; all numbers are of the other half, so"
        " that the choice gains nothing by luck with images. Best - (δ = 1): in points, by seed, ± half the 95 % t"
        f" interval. {reshuffled_statement('Best')}",
        "Change: (best - baseline) / best in %, as the paper has it, which divides by the new value"
        f"{', and left out where an accuracy is not above that of a guess' * guessing}. The .csv also has the paper's"
        " own way, which chooses and reports on the same images.",
    ]
