"""Table 1 of paper B: seconds per training iteration."""

import numpy as np
import pandas as pd

from hardsample.experiments import hard_samples, published
from hardsample.experiments.curves import Timings
from hardsample.numerals import count
from hardsample.report.paper_runs import conditions, opening
from hardsample.report.paper_tables import build


def table_1(timings: Timings) -> pd.DataFrame:
    """Seconds per training iteration, a row per δ: median over rounds, quartiles as ``_low`` and ``_high``.

    ``ratio`` is to δ = 1 within the same round, its median and quartiles likewise; ``_difference`` is ours minus the
    paper's number. ``timings`` come from ``timing.measure``.
    """
    paper = published.read("hard-samples-table-1").set_index("delta").seconds
    seconds = timings.frame.pivot(index="round", columns="delta", values="seconds").reindex(columns=hard_samples.DELTAS)
    ratios = seconds.div(seconds[1.0], axis=0)
    rows = []
    for delta in hard_samples.DELTAS:
        measured = seconds[delta].dropna()
        row = {"delta": delta, "status": "measured" if len(measured) else "not run", "rounds": len(measured)}
        expected = {"seconds": paper[delta], "ratio": paper[delta] / paper[1.0]}
        for name, values in (("seconds", measured), ("ratio", ratios[delta].dropna())):
            row |= _quartiles(name, values) | {f"{name}_paper": expected[name]}
            row[f"{name}_difference"] = row[name] - expected[name]
        rows.append(row | conditions(timings.experiment, timings.experiment.data if len(measured) else ""))
    head = [
        *opening(timings.experiment, count(int(seconds.count().max()), "round")),
        f"Device: {timings.device}, threads: {timings.threads}; the paper's: NVIDIA A100, 40 GB.",
    ]
    notes = [
        "Seconds: one training iteration (one mini-batch), median over rounds [quartiles]; every round measures all δ"
        " in turn. Ratio: to δ = 1 in the same round.",
    ]
    title = "Table 1 (ResNet-18, CIFAR-10): seconds per training iteration for each δ"
    return build("table-1", rows, title, head, notes)


def _quartiles(name: str, values: pd.Series) -> dict[str, float]:
    low, median, high = np.quantile(values, (0.25, 0.5, 0.75)) if len(values) else (np.nan,) * 3
    return {name: median, f"{name}_low": low, f"{name}_high": high}
