"""What each choice that a paper leaves open does to a method's gain: a specification curve.

Every panel of the study is one choice, changed from the default alone. Its gain is the method minus the baseline, by
seed. To sort the results of all choices is Simonsohn et al. 2020's.
"""

from collections.abc import Iterator
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hardsample import statistics
from hardsample.experiments.curves import Curves, keys, last_values
from hardsample.numerals import number, p_value
from hardsample.report import comparisons, markup
from hardsample.report.controls import handles
from hardsample.report.figures import caption_of, seed_columns
from hardsample.report.style import INK, RC, page
from hardsample.report.tables import READABLE, compared
from hardsample.report.wording import (
    data_statement,
    heading,
    last_notes,
    metric_title,
    p_statement,
    seeds_in_words,
    too_few_statement,
    verdict,
    with_interval,
)

COLUMNS = (
    *("choice", "metric", "method", "other", "n", "mean", "other_mean", "difference", "low", "high"),
    *("smallest", "p", "p_holm", "seeds_won", "pairs", "change", "change_low", "change_high", "change_p_holm"),
)


def table(curves: Curves) -> pd.DataFrame:
    """A row for each choice and metric held out, the largest gains in accuracy first.

    - ``mean`` of the ``method`` over ``n`` seeds and ``other_mean`` of its baseline, at the end of training.
    - ``difference`` of the two by seed with its t interval ``low`` to ``high``; ``p`` of the exact sign-flip test,
      ``p_holm`` adjusted over the table, the ``smallest`` difference that would be significant, and the ``seeds_won``
      of ``pairs``.
    - ``change``: the difference minus the default's by seed with its t interval; ``change_p_holm`` is adjusted over all
      changes.

    Then every seed's difference, and the keys of the runs. Accuracies are shares, losses nats. What was not run has no
    numbers.
    """
    rows, runs = [], keys(curves.frame)
    default = next(iter(curves.layout))
    for metric in READABLE:
        usual = pd.Series(dtype=float)
        for choice, methods in curves.layout.items():
            other, method = methods[0], methods[-1]
            finals, twins = (last_values(curves.panel(choice), name, metric) for name in (method, other))
            gain = (finals - twins).dropna()
            usual = gain if choice == default else usual
            own = compared(finals, twins, higher_is_better=metric.startswith("acc"))
            row = {"choice": choice, "metric": metric, "method": method, "other": other, "n": len(finals.dropna())}
            row |= {"mean": finals.mean(), "other_mean": twins.mean()}
            row |= {name.removeprefix("difference_"): value for name, value in own.items()}
            if choice != default and (change := compared(gain, usual)):
                row |= {"change": change["difference"], "change_low": change["difference_low"]}
                row |= {"change_high": change["difference_high"], "change_p": change["p"]}
                row |= {"change_usable": change["usable"]}
            row |= {f"seed {seed}": value for seed, value in gain.items()}
            rows.append(row | {"runs": " ".join(filter(None, (runs.get((choice, name), "") for name in methods)))})
    return _tested(rows)


def _tested(rows: list[dict]) -> pd.DataFrame:
    """The rows with their p adjusted, gains and changes a family each, and sorted."""
    found = pd.DataFrame(rows)
    needed = ("difference", "low", "high", "p", "seeds_won", "pairs", "usable", "change", "change_low", "change_high")
    found = found.reindex(columns=dict.fromkeys((*found.columns, *needed, "change_p", "change_usable")))
    numbers = [column for column in found if column not in ("choice", "metric", "method", "other", "runs")]
    found[numbers] = found[numbers].astype(float)
    found["p"], found["p_holm"], found["smallest"] = statistics.family(found.p, found.low, found.high, found.usable)
    found["change_p_holm"] = statistics.adjusted(found.change_p, found.change_usable)
    seeds = sorted(seed_columns(found), key=lambda name: int(name.split()[1]))
    found = found[[*COLUMNS, *seeds, "runs"]]
    gains = found[found.metric == READABLE[0]].set_index("choice").difference
    order = {choice: place for place, choice in enumerate(gains.sort_values(ascending=False, kind="stable").index)}
    return found.sort_values(["metric", "choice"], key=lambda own: own.map(order) if own.name == "choice" else own)


def figure(curves: Curves, rows: pd.DataFrame) -> Figure:
    """Accuracy and loss side by side, a line for each choice of :func:`table`; the default's interval is shaded."""
    run = rows[rows.pairs > 0]
    choices = list(dict.fromkeys(run.choice)) or list(curves.layout)
    default, (other, method) = next(iter(curves.layout)), _compared_methods(rows)
    scale = {metric: 100.0 if metric.startswith("acc") else 1.0 for metric in READABLE}
    drawn = {
        metric: run[run.metric == metric].set_index("choice")[["difference", "low", "high", *seed_columns(run)]]
        * scale[metric]
        for metric in READABLE
    }
    ends = {metric: comparisons.limits(own.to_numpy(float).ravel()) for metric, own in drawn.items()}
    cut = {metric: comparisons.beyond(own.to_numpy(float).ravel(), ends[metric]) for metric, own in drawn.items()}
    statements = [
        f"{method} minus {other} at the end of training by seed, each choice changed from the default alone; sorted by"
        f" the difference in accuracy. Dots: seeds, {seeds_in_words(run.pairs)}; markers: their mean; bars: its 95 % t"
        " interval; shaded: the default's interval."
        if len(run)
        else "Nothing can be compared yet.",
        comparisons.CUT if any(map(any, cut.values())) else "",
    ]
    with matplotlib.rc_context(RC):
        drawn_page, grid = page(
            (1, len(READABLE)),
            size=(2.9, 0.1 + 0.25 * max(len(choices), 2)),
            gap=(0.3, 0.55),
            right=0.25,
            bottom=0.45,
            left=0.3 + 0.068 * max(map(len, choices)),
            heading=data_statement(curves.experiment),
            notice=curves.experiment.in_place,
            handles=handles(),
            caption=caption_of(curves, " ".join(filter(None, statements))),
        )
        for metric, axes in zip(READABLE, grid[0], strict=True):
            comparisons.differences_axis(axes, ends[metric], choices, cut[metric])
            if default in drawn[metric].index:
                usual = drawn[metric].loc[default]
                axes.axvspan(usual.low, usual.high, color=INK, alpha=0.08, linewidth=0, zorder=0.5)
            for place, choice in enumerate(choices):
                if choice in drawn[metric].index:
                    _gain(axes, place, drawn[metric].loc[choice], ends[metric], is_default=choice == default)
            axes.tick_params(labelleft=metric == READABLE[0])
            unit = ", points" if scale[metric] > 1 else ""
            axes.set_xlabel(f"{metric_title(metric, curves.experiment)}: {method} minus {other}{unit}")
    return drawn_page


def _gain(axes: Axes, place: float, row: pd.Series, ends: tuple[float, float], *, is_default: bool) -> None:
    color = INK if is_default else "#0072b2"
    seeds = row[seed_columns(row.to_frame().T)].to_numpy(float)
    interval = (row.low, row.high)
    comparisons.comparison(axes, place, seeds, row.difference, interval, ends, color=color, marker="o")


def _compared_methods(rows: pd.DataFrame) -> tuple[str, str]:
    """The baseline and the method that most choices are of."""
    return rows.other.mode().iloc[0], rows.method.mode().iloc[0]


def markdown(curves: Curves, rows: pd.DataFrame) -> str:
    """The table for readers: the finding, a line for each choice, how to read it."""
    run, default = rows[rows.pairs > 0], next(iter(curves.layout))
    other, method = _compared_methods(rows)
    head = ["choice"]
    for metric in READABLE:
        unit = ", points" if metric.startswith("acc") else ""
        title = f"{metric_title(metric, curves.experiment)}: {method} - {other}{unit}"
        head += [title, "smallest", "p (Holm)", "seeds won", "change from the default"]
    lines = []
    for choice, own in run.groupby("choice", sort=False):
        line = [f"**{choice}**" if choice == default else str(choice)]
        for metric in READABLE:
            line += _cells(own.set_index("metric").loc[metric], is_default=choice == default)
        lines.append(line)
    blocks = [heading(curves.experiment, rows.n), *[" ".join(findings(curves, rows))] * bool(len(run))]
    blocks += [markup.markdown_table(head, lines)] * bool(lines)
    return "\n\n".join((*blocks, " ".join(filter(None, _notes(curves, rows))))) + "\n"


def findings(curves: Curves, rows: pd.DataFrame) -> Iterator[str]:
    """Under how many choices the method is above its baseline, and which choices change the gain."""
    for metric in READABLE:
        own = rows[(rows.metric == metric) & rows.p_holm.notna()]
        if own.empty:
            continue
        title = metric_title(metric, curves.experiment)
        told = own.p_holm < statistics.LEVEL
        parts = {
            "above": own[told & (own.difference > 0)],
            "below": own[told & (own.difference < 0)],
        }
        other, method = _compared_methods(own)
        said = [f"significantly {where} {other} under {len(part)}" for where, part in parts.items() if len(part)]
        rest = own[~told]
        said += [f"inconclusive under {len(rest)} ({', '.join(rest.choice)})"] * bool(len(rest))
        yield f"**{title}: {method} is {', '.join(said)} of the {len(own)} choices that were run.**"
        changed = own[own.change_p_holm < statistics.LEVEL]
        words = [f"{row.choice} ({_gain_word(row.change, metric)})" for row in changed.itertuples()]
        yield (
            f"Differs significantly from the default's difference: {', '.join(words)}."
            if words
            else "No choice differs significantly from the default's difference."
        )


def _gain_word(change: float, metric: str) -> str:
    """Of a loss, a difference that is more negative is a larger gain."""
    return "larger gain" if (change > 0) == metric.startswith("acc") else "smaller gain"


def save(curves: Curves, rows: pd.DataFrame, stem: Path) -> tuple[Path, ...]:
    """Write ``stem``.md, beside the figure and its table in .csv; equal tables give equal bytes.

    Raises:
        InputError: the folder cannot be written.
    """
    return markup.write(stem, {"md": markdown(curves, rows)})


def _cells(row: pd.Series, *, is_default: bool) -> list[str]:
    scale, digits = (100, 2) if row.name.startswith("acc") else (1, 3)
    ends = (scale * value for value in (row.difference, row.low, row.high))
    change = (scale * value for value in (row.change, row.change_low, row.change_high))
    told = verdict(row.change_p_holm)
    return [
        with_interval(*ends, "+", digits),
        number(scale * row.smallest, digits),
        f"{p_value(row.p_holm)}, {verdict(row.p_holm)}" if np.isfinite(row.p_holm) else "",
        f"{number(row.seeds_won, 0)}/{number(row.pairs, 0)}",
        "" if is_default else with_interval(*change, "+", digits) + f" {told}" * bool(told),
    ]


def _notes(curves: Curves, rows: pd.DataFrame) -> Iterator[str]:
    tests = int(rows.p.notna().sum())
    yield (
        "Each choice is changed from the default alone. Differences are paired by seed [95 % t interval], at the end of"
        " training; change: the difference minus the default's, by seed, its p adjusted by Holm over all changes."
    )
    if tests:
        yield p_statement(tests, "the table")
    yield "Test metrics are of a fixed set of test images; intervals and tests cover seeds, not the choice of images."
    yield too_few_statement(rows.pairs.max(), max(tests, int(rows.difference.notna().sum())))
    missing = list(dict.fromkeys(rows.choice[~(rows.pairs > 0)]))
    yield f"Choices that were not run: {'; '.join(missing)}." if missing else ""
    yield from last_notes(curves, whose=False)
