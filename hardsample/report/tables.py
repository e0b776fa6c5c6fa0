"""The statistics beside a figure: final metrics, what sets each method apart from the baseline, and pairs of others.

All differences are paired by seed, and all tests are of metrics on the whole test set.
"""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from hardsample import statistics
from hardsample.experiments import published
from hardsample.experiments.curves import METRICS, Curves, after_pretraining, last_values
from hardsample.numerals import number, p_value
from hardsample.report import effects, markup
from hardsample.report.trajectories import figure_data as trajectory_data
from hardsample.report.wording import (
    DIVERGED,
    heading,
    last_notes,
    measured_statement,
    metric_title,
    p_statement,
    too_few_statement,
    verdict,
    with_interval,
)

READABLE = ("acc/val", "loss/val")  # the metrics that are tested, too
_COMPARED = ("difference", "difference_low", "difference_high", "smallest", "p", "p_holm", "seeds_won", "pairs")
COLUMNS = (
    *("panel", "method", "metric", "n", "diverged", "mean", "sd", "low", "high", *_COMPARED),
    *("updates", "reached", "updates_ratio"),
)
PAIR_COLUMNS = ("panel", "method", "other", "metric", *_COMPARED, "evaluations", "apart", "apart_at_end")
_BANDS = "the bands of PEB and MB overlap in no plot"


@dataclasses.dataclass(frozen=True, eq=False)
class Tested:
    """Rows of compared numbers, of the runs in ``curves``.

    Their p are one family of so many ``tests``, of which none has fewer than ``least_pairs`` usable pairs of seeds.
    ``effects`` are ours beside those that the paper prints.
    """

    frame: pd.DataFrame
    curves: Curves
    tests: int
    least_pairs: int
    effects: Sequence[Mapping] = ()

    @cached_property
    def pretrained(self) -> bool:
        """Whether a run was pre-trained."""
        return bool((self.curves.frame.pretrain_epochs > 0).any())


def final_metrics(curves: Curves) -> Tested:
    """One row per panel, method and metric, from the last evaluation of every seed.

    - ``n``, ``diverged``: seeds with and without a finite value; ``mean``, ``sd``, t interval ``low`` to ``high``.
    - ``difference``: the method minus the baseline over the same seeds, with its t interval, exact sign-flip ``p``,
      ``p_holm`` adjusted over the whole table, the ``smallest`` difference that would have been significant at the
      spread seen, and the ``seeds_won`` of ``pairs`` seeds run under both. ``p``, ``p_holm`` and ``smallest`` are of
      the test set's metrics alone, and NaN where the seeds are too few for any difference to be significant
      (:func:`hardsample.statistics.seeds_needed`).
    - ``updates``: mean number of updates, pre-training included, after which a seed first has the final accuracy of
      its twin under the baseline, over the ``reached`` seeds that ever have; ``updates_ratio``: the mean of that number
      divided by the number the twin itself took to get there first. For accuracies alone.

    NaN where there is nothing to compare.
    """
    usual = curves.baseline
    rows = [
        {"panel": panel, "method": method, "metric": metric} | _row(curves.panel(panel), method, usual, metric)
        for panel, methods in curves.layout.items()
        for method in methods
        for metric in METRICS
    ]
    return _tested(rows, COLUMNS, curves, effects.effects(curves))


def pairs(curves: Curves) -> Tested:
    """One row per panel, pair of methods and metric: the method minus the ``other`` one, the later of the order first.

    - ``difference`` to ``pairs``: as in :func:`final_metrics`. Pairs with the baseline have no ``p`` here: they are
      tested there, and ``p_holm`` is adjusted over the other pairs.
    - ``evaluations``: those after the pre-training at which both have a band of 2 standard deviations over seeds;
      ``apart``: at how many of them the two bands do not overlap; ``apart_at_end``: "yes" or "no" for the last one, ""
      without any.
    """
    usual, bands = curves.baseline, trajectory_data(curves.of(after_pretraining(curves.frame)))
    rows = []
    by_step = {place: own.set_index("step") for place, own in bands.groupby(["panel", "method", "metric"])}
    nothing = bands[:0].set_index("step")
    for panel, methods in curves.layout.items():
        own = curves.panel(panel)
        finals = {(method, metric): last_values(own, method, metric) for method in methods for metric in METRICS}
        for (method, other), metric in itertools.product(itertools.combinations(reversed(methods), 2), METRICS):
            row = _difference(finals[method, metric], finals[other, metric], metric)
            if usual in (method, other):
                row.pop("p", None)
            row |= _overlap(*(by_step.get((panel, name, metric), nothing) for name in (method, other)))
            rows.append({"panel": panel, "method": method, "other": other, "metric": metric} | row)
    return _tested(rows, PAIR_COLUMNS, curves)


def markdown(table: Tested, pairs: Tested | None = None) -> str:
    """The tables of :func:`final_metrics` and :func:`pairs` for readers: accuracy and loss held out."""
    curves, frame = table.curves, table.frame
    usual, experiment = curves.baseline, curves.experiment
    header = ("panel", "method")
    for title in (metric_title(metric, experiment) for metric in READABLE):
        header += (title, f"{title} - {usual}", "smallest", "p (Holm)", "seeds won")
    header += (f"updates to {usual}'s final {metric_title(READABLE[0], experiment)}",)
    lines = []
    for panel, methods in curves.layout.items():
        for method in methods:
            rows = frame[(frame.panel == panel) & (frame.method == method)].set_index("metric")
            line = (panel, method)
            if not (rows.n + rows.diverged).any():
                continue
            for metric in READABLE:
                line += _cells(rows.loc[metric], is_usual=method == usual)
            lines.append((*line, _updates(rows.loc[READABLE[0]], usual)))
    counts, finding = frame.n + frame.diverged, " ".join(_findings(table))
    blocks = [heading(experiment, counts), *[finding] * bool(finding)]
    blocks += [markup.markdown_table(header, lines), _notes(table)] if lines else [" ".join(last_notes(curves))]
    if table.effects:
        blocks.append(effects.markdown(table.effects))
    if pairs is not None and len(pairs.frame):
        blocks.append(_pairs_table(pairs))
    return "\n\n".join(blocks) + "\n"


def pairs_markdown(table: Tested, pairs: Tested) -> str:
    """The table of :func:`pairs` alone, for readers, of the runs whose :func:`final_metrics` are ``table``."""
    notes = " ".join((*_image_notes(table, pairs.tests), *last_notes(pairs.curves)))
    counts = table.frame.n + table.frame.diverged
    return "\n\n".join((heading(table.curves.experiment, counts), _pairs_table(pairs), notes)) + "\n"


def _findings(table: Tested) -> Iterator[str]:
    """What was found, in a sentence for each readable metric; or in one that nothing could be."""
    usual, compared = table.curves.baseline, table.frame[table.frame.difference.notna()]
    if compared.p.isna().all():
        if said := too_few_statement(table.least_pairs, table.tests):
            yield f"**{said}**"
        return
    for metric in READABLE:
        rows, parts = compared[(compared.metric == metric) & compared.p_holm.notna()], []
        significant = rows.p_holm < statistics.LEVEL
        for words, own in (
            (f"significantly above {usual}", rows[significant & (rows.difference > 0)]),
            (f"significantly below {usual}", rows[significant & (rows.difference < 0)]),
            (f"inconclusive against {usual}", rows[~significant]),
        ):
            if names := list(_in_panels(own, len(table.curves.layout))):
                parts.append(f"{', '.join(names)} {words}")
        if parts:
            yield f"**{metric_title(metric, table.curves.experiment)}: {'; '.join(parts)}.**"


def _in_panels(rows: pd.DataFrame, panels: int) -> Iterator[str]:
    """The methods of the rows, each with its panels where there are several: "PEB (n = 4, n = 32)"."""
    for method, own in rows.groupby("method", sort=False):
        yield f"{method} ({', '.join(own.panel)})" if panels > 1 else str(method)


def save(table: Tested, stem: Path, pairs: Tested | None = None) -> tuple[Path, ...]:
    """Write ``stem``-statistics.csv and .md and, of the pairs, ``stem``-pairs.csv, each whole or not at all.

    Equal tables give equal bytes.

    Raises:
        InputError: the folder cannot be written.
    """
    contents = {"csv": markup.csv(table.frame), "md": markdown(table, pairs)}
    written = markup.write(stem.with_name(f"{stem.name}-statistics"), contents)
    if pairs is not None:
        written += markup.write(stem.with_name(f"{stem.name}-pairs"), {"csv": markup.csv(pairs.frame)})
    return written


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


def _tested(rows: list[dict], columns: tuple[str, ...], curves: Curves, effects: Sequence[Mapping] = ()) -> Tested:
    """The rows as a table, their tests made one family."""
    table = pd.DataFrame(rows, columns=[*columns, "usable"])
    tests, least = int(table.p.notna().sum()), table.usable[table.p.notna()].min()
    tested = statistics.family(table.p, table.difference_low, table.difference_high, table.usable)
    table["p"], table["p_holm"], table["smallest"] = tested
    return Tested(table[list(columns)], curves, tests, 0 if np.isnan(least) else int(least), effects)


def _row(panel: pd.DataFrame, method: str, usual: str, metric: str) -> dict[str, float]:
    """The numbers of one row, given all curves of its panel and the baseline's name."""
    finals = last_values(panel, method, metric)
    summary = statistics.summary(finals)
    row = {
        "n": summary.n,
        "diverged": summary.diverged,
        "mean": summary.mean,
        "sd": summary.sd,
        "low": summary.interval.low,
        "high": summary.interval.high,
    }
    twins = last_values(panel, usual, metric)
    pairs = finals.index.intersection(twins.index)
    if method != usual:
        row |= _difference(finals, twins, metric)
    if metric.startswith("acc") and len(pairs):
        row |= _reaching(panel, method, usual, metric, twins[pairs])
    return row


def _difference(finals: pd.Series, others: pd.Series, metric: str) -> dict[str, float]:
    """What :func:`compared` says; without p of a metric of the training set, which would only enlarge the family."""
    row = compared(finals, others, higher_is_better=metric.startswith("acc"))
    return row if metric in READABLE else {name: value for name, value in row.items() if name != "p"}


def _overlap(method: pd.DataFrame, other: pd.DataFrame) -> dict[str, int | str]:
    """At how many steps two bands of 2 standard deviations are apart, given each one's means and deviations by step."""
    distance = (method["mean"] - other["mean"]).abs()
    apart = (distance > 2 * (method.sd + other.sd))[(method.sd + other.sd).notna()]
    at_end = ("yes" if apart.iloc[-1] else "no") if len(apart) else ""
    return {"evaluations": len(apart), "apart": int(apart.sum()), "apart_at_end": at_end}


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


def _notes(table: Tested) -> str:
    usual = table.curves.baseline
    notes = [
        f"At the end of training: mean over seeds [95 % t interval], and the method minus {usual} by seed [95 % t"
        " interval].",
        *_test_notes(table, "the table"),
        *_image_notes(table, table.tests),
        "Seeds won: with higher accuracy, or lower loss.",
        f"Updates to {usual}'s accuracy: the mean until a seed first has the final accuracy of the same seed under"
        f" {usual}{', pre-training included' * table.pretrained}; beside it the ratio to that seed's own way there, and"
        " in brackets how many seeds ever do: the others are left out.",
    ]
    if table.frame.diverged.any():
        notes.append(DIVERGED)
    notes.append(measured_statement(table.curves.experiment))
    return " ".join(filter(None, (*notes, *last_notes(table.curves))))


def _test_notes(table: Tested, family: str) -> Iterator[str]:
    """How the differences were tested, where some could be, and which could not."""
    tests = table.tests
    if tests and table.frame.p.notna().any():
        yield p_statement(tests, family)
        if few := too_few_statement(table.least_pairs, tests):
            yield f"Rows of too few seeds have no p. {few}"


def _image_notes(table: Tested, tests: int) -> Iterator[str]:
    """What the tests, if any, do not cover, and how much one accuracy depends on the choice of the images."""
    counts, frame = table.curves.experiment.tested, table.frame
    images, means = counts[0] if len(counts) == 1 else None, frame[frame.metric == "acc/val"]["mean"].dropna()
    what = f"all of the test set ({number(images, 0)} images)" if images else "all of the test set"
    if tests:
        yield f"Test metrics are of {what}; intervals and tests cover seeds, not the choice of test images."
    if images and len(means):
        half = 100 * statistics.binomial_half_width(means, images)
        ends = " to ".join(dict.fromkeys(number(value, 2) for value in (half.min(), half.max())))
        yield f"That choice alone gives one accuracy a 95 % half-width of {ends} points (binomial)."


def _pairs_table(pairs: Tested) -> str:
    """Every two methods beside each other, the baseline's pairs for their bands alone."""
    frame, experiment = pairs.frame, pairs.curves.experiment
    usual, header = experiment.baseline, ("panel", "pair")
    for title in (metric_title(metric, experiment) for metric in READABLE):
        header += (title, "smallest", "p (Holm)", "seeds won", "bands apart")
    lines = []
    for (panel, method, other), rows in frame.dropna(subset="pairs").groupby(["panel", "method", "other"], sort=False):
        rows, line = rows.set_index("metric"), (panel, f"{method} - {other}")
        for metric in READABLE:
            row = rows.loc[metric]
            apart = f"{row.apart}/{row.evaluations}, at the end {row.apart_at_end}" if row.evaluations else ""
            line += (*_compared_cells(row, digits=4 if metric.startswith("acc") else 3), apart)
        lines.append(line)
    notes = [
        "Pairs of methods, by seed: the first minus the second [95 % t interval].",
        too_few_statement(pairs.least_pairs, pairs.tests) if frame.p.isna().all() else "",
        *_test_notes(pairs, f"the pairs without {usual}"),
        f"Pairs with {usual} are tested in the table above." if usual in {*frame.method, *frame.other} else "",
        f"Bands apart: at how many of the evaluations{' after the pre-training' * pairs.pretrained} the bands of ± 2"
        " standard deviations over seeds do not overlap.",
        *_band_counts(pairs),
    ]
    return f"{markup.markdown_table(header, lines)}\n\n{' '.join(note for note in notes if note)}"


def _band_counts(pairs: Tested) -> Iterator[str]:
    """In how many plots, a panel and one of the four metrics each, the bands of two methods are apart."""
    found = pairs.frame[pairs.frame.evaluations > 0]
    counts = [
        f"{method} and {other} {(rows.apart_at_end == 'yes').sum()} of {len(rows)}"
        f" ({(rows.apart == rows.evaluations).sum()})"
        for (method, other), rows in found.groupby(["method", "other"], sort=False)
    ]
    if counts:
        yield (
            "Plots (of a panel and one of the four metrics) in which they are apart at the end, and in brackets at"
            f" every evaluation: {'; '.join(counts)}."
        )
    if counts and pairs.curves.experiment.name == "base-values/figure-2":
        claims = published.text("base-values-claims")
        claim = claims[claims.claim == _BANDS].iloc[0]
        yield f"The paper says: {claim.claim} ({claim.place})."


def _cells(row: pd.Series, is_usual: bool) -> tuple[str, ...]:
    if not row.n:
        return (f"{row.diverged} diverged", "", "", "", "")
    value = with_interval(row["mean"], row.low, row.high)
    value += f" ({row.diverged} diverged)" if row.diverged else ""
    return (value, "baseline", "", "", "") if is_usual else (value, *_compared_cells(row))


def _compared_cells(row: pd.Series, digits: int = 3) -> tuple[str, str, str, str]:
    """Difference, smallest significant one, p with its verdict, seeds won."""
    if np.isnan(row.pairs):
        return "", "", "", ""
    return (
        with_interval(row.difference, row.difference_low, row.difference_high, "+", digits),
        number(row.smallest, 4),
        f"{p_value(row.p_holm)}, {verdict(row.p_holm)}" if np.isfinite(row.p_holm) else "",
        f"{number(row.seeds_won, 0)}/{number(row.pairs, 0)}",
    )


def _updates(row: pd.Series, usual: str) -> str:
    if np.isnan(row.reached):
        return ""
    if not row.reached:
        return "never"
    seeds = int(row.pairs if np.isfinite(row.pairs) else row.n + row.diverged)
    ratio = f" = {number(row.updates_ratio, 2)} x {usual}'s" if np.isfinite(row.updates_ratio) else ""
    return f"{number(row.updates, 0)}{ratio} ({number(row.reached, 0)}/{seeds})"
