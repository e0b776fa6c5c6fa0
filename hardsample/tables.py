"""The statistics beside a figure: every method's final metrics, and what sets it apart from the baseline, by seed."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from hardsample import outputs, statistics
from hardsample.figures import (
    METRICS,
    baseline,
    data_statement,
    hardware_statement,
    layout,
    metric_title,
    missing_statement,
)

READABLE = ("acc/val", "loss/val")
COLUMNS = (
    *("panel", "method", "metric", "n", "diverged", "mean", "sd", "low", "high"),
    *("difference", "difference_low", "difference_high", "p", "p_holm", "seeds_won", "pairs"),
    *("updates", "reached", "updates_ratio"),
)


def final_metrics(curves: pd.DataFrame) -> pd.DataFrame:
    """One row per panel, method and metric, from the last evaluation of every seed.

    - ``n``, ``diverged``: seeds with and without a finite value; ``mean``, ``sd``, t interval ``low`` to ``high``.
    - ``difference``: the method minus the baseline over the same seeds, with its t interval, exact sign-flip ``p``,
      ``p_holm`` adjusted over the whole table, and the ``seeds_won`` of ``pairs`` seeds run under both.
    - ``updates``: mean number of updates, pre-training included, after which a seed first has the final accuracy of
      its twin under the baseline, over the ``reached`` seeds that ever have; ``updates_ratio``: the mean of that number
      divided by the number the twin itself took to get there first. For accuracies alone.

    NaN where there is nothing to compare. ``attrs`` are those of the curves.
    """
    usual = baseline(curves)
    rows = [
        {"panel": panel, "method": method, "metric": metric}
        | _row(curves[curves.panel == panel], method, usual, metric)
        for panel, methods in layout(curves).items()
        for method in methods
        for metric in METRICS
    ]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table["p_holm"] = statistics.holm(table.p)
    table.attrs = curves.attrs | {"missing_runs": missing_statement(curves)}
    return table


def markdown(table: pd.DataFrame) -> str:
    """The table of :func:`final_metrics` for readers: accuracy and loss held out, a line per panel and method."""
    usual = baseline(table)
    header = ("panel", "method")
    for title in (metric_title(metric, table) for metric in READABLE):
        header += (title, f"{title} - {usual}", "p (Holm)", "seeds won")
    header += (f"updates to {usual}'s final {metric_title(READABLE[0], table)}",)
    lines = [header, ("---",) * len(header)]
    for panel, methods in layout(table).items():
        for method in methods:
            rows = table[(table.panel == panel) & (table.method == method)].set_index("metric")
            line = (panel, method)
            for metric in READABLE:
                line += _cells(rows.loc[metric])
            lines.append((*line, _updates(rows.loc[READABLE[0]], usual)))
        if not methods:
            lines.append((panel, "", "not run", *("",) * (len(header) - 3)))
    return "\n".join((heading(table), "", *(f"| {' | '.join(line)} |" for line in lines), "", _notes(table), ""))


def save(table: pd.DataFrame, stem: Path) -> tuple[Path, ...]:
    """Write ``stem``-statistics.csv and .md, each whole or not at all; equal tables give equal bytes.

    Raises:
        InputError: the folder cannot be written.
    """
    stem = stem.with_name(f"{stem.name}-statistics")
    return outputs.write(stem, {"csv": outputs.csv(table), "md": markdown(table)})


def compared(treatment: pd.Series, baseline: pd.Series, *, higher_is_better: bool = True) -> dict[str, float]:
    """Treatment minus baseline, by seed, in the columns of :func:`final_metrics`; empty if no seed ran under both.

    ``usable`` counts the ``pairs`` that are finite under both.
    """
    pairs = treatment.index.intersection(baseline.index)
    if pairs.empty:
        return {}
    paired = statistics.paired(treatment[pairs], baseline[pairs], higher_is_better=higher_is_better)
    return {
        "difference": paired.difference,
        "difference_low": paired.interval.low,
        "difference_high": paired.interval.high,
        "p": paired.p,
        "seeds_won": paired.won,
        "pairs": len(pairs),
        "usable": paired.n,
    }


def heading(table: pd.DataFrame) -> str:
    """What a table for readers begins with: the data, the profile, and how many seeds its cells have."""
    data = data_statement(table)
    profile = table.attrs.get("profile", "unknown")
    return f"**{data[0].upper()}{data[1:]}. Profile {profile}, {seeds_in_words(table.n + table.diverged)}.**"


def seeds_in_words(counts: pd.Series) -> str:
    """n = the seeds of the cells that have any, in words."""
    counts = counts[counts > 0]
    if counts.empty:
        return "no run is done yet"
    low, high = int(counts.min()), int(counts.max())
    return f"n = {'' if low == high else f'{low} to '}{high} seed{'s' * (high > 1)}"


def with_interval(value: float, low: float, high: float, sign: str = "", digits: int = 3) -> str:
    """A value and its interval, where there is one: "0.833 [0.829, 0.837]"; empty for what is no number."""
    interval = f" [{low:{sign}.{digits}f}, {high:{sign}.{digits}f}]" if np.isfinite(low) else ""
    return f"{value:{sign}.{digits}f}{interval}" if np.isfinite(value) else ""


def last_notes(frame: pd.DataFrame) -> Iterator[str]:
    """What the notes of a table or figure end with: the runs that are missing, and size and hardware of the others."""
    if frame.attrs.get("missing"):
        yield frame.attrs.get("missing_runs") or f"Runs still missing: {frame.attrs['missing']}."
    if frame.attrs.get("note"):
        note = frame.attrs["note"]
        yield f"{note[0].upper()}{note[1:]}."
    if hardware := hardware_statement(frame):
        yield hardware


def _row(panel: pd.DataFrame, method: str, usual: str, metric: str) -> dict[str, float]:
    """The numbers of one row, given all curves of its panel and the baseline's name."""
    finals = _finals(panel, method, metric)
    summary = statistics.summary(finals)
    row = {
        "n": summary.n,
        "diverged": summary.diverged,
        "mean": summary.mean,
        "sd": summary.sd,
        "low": summary.interval.low,
        "high": summary.interval.high,
    }
    twins = _finals(panel, usual, metric)
    pairs = finals.index.intersection(twins.index)
    if method != usual:
        row |= compared(finals, twins, higher_is_better=metric.startswith("acc"))
    if metric.startswith("acc") and len(pairs):
        row |= _reaching(panel, method, usual, metric, twins[pairs])
    return row


def _finals(panel: pd.DataFrame, method: str, metric: str) -> pd.Series:
    """Each seed's last value, by seed; one that is not finite says that the seed diverged."""
    own = panel[panel.method == method].sort_values("step")
    return own.drop_duplicates("seed", keep="last").set_index("seed")[metric].astype(float)


def _reaching(panel: pd.DataFrame, method: str, usual: str, metric: str, targets: pd.Series) -> dict[str, float]:
    """Updates after which each seed first has its twin's final accuracy, beside the twin's own way there."""
    updates, ratios = [], []
    for seed, target in targets.items():
        seeds = panel[panel.seed == seed].sort_values("step")
        own, twin = seeds[seeds.method == method], seeds[seeds.method == usual]
        reached = statistics.updates_to_reach(own.step, own[metric], target)
        first = statistics.updates_to_reach(twin.step, twin[metric], target)
        if reached is not None:
            updates.append(reached)
            ratios.append(reached / first if first else np.nan)
    if not updates:
        return {"reached": 0}
    return {"updates": float(np.mean(updates)), "reached": len(updates), "updates_ratio": float(np.mean(ratios))}


def _notes(table: pd.DataFrame) -> str:
    usual = baseline(table)
    notes = [
        "Metrics at the end of training: mean over seeds [95 % t interval of the mean].",
        f"Differences are paired by seed: method minus {usual} [95 % t interval], two-sided exact sign-flip test,"
        f" p adjusted by Holm over the {int(table.p.notna().sum())} tests of the whole table.",
    ]
    if table.pairs.notna().any():
        pairs = int(table.pairs.max())
        notes.append(f"The smallest p that {pairs} seeds can give before Holm is {2.0 ** (1 - pairs):.2g}.")
    notes.append(
        "A seed is won by higher accuracy, or lower loss. Updates count pre-training; the ratio is to the updates after"
        f" which {usual} itself first had that accuracy, seed by seed; in brackets, the seeds that ever had it."
    )
    if table.diverged.any():
        notes.append("Diverged seeds are left out of means and differences, and are never won.")
    return " ".join((*notes, *last_notes(table)))


def _cells(row: pd.Series) -> tuple[str, str, str, str]:
    if not row.n:
        return (f"{row.diverged} diverged" if row.diverged else "not run", "", "", "")
    value = with_interval(row["mean"], row.low, row.high)
    value += f" ({row.diverged} diverged)" if row.diverged else ""
    if np.isnan(row.pairs):
        return value, "", "", ""
    p = f"{row.p_holm:.2g}" if np.isfinite(row.p_holm) else ""
    difference = with_interval(row.difference, row.difference_low, row.difference_high, "+")
    return value, difference, p, f"{row.seeds_won:.0f}/{row.pairs:.0f}"


def _updates(row: pd.Series, usual: str) -> str:
    if np.isnan(row.reached):
        return ""
    if not row.reached:
        return "never"
    seeds = int(row.pairs if np.isfinite(row.pairs) else row.n + row.diverged)
    return f"{row.updates:,.0f} = {row.updates_ratio:.2f} x {usual}'s ({row.reached:.0f}/{seeds})"
