"""The causes in words: a sentence for each, computed from its paired contrasts, and the table for readers."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from hardsample import statistics
from hardsample.experiments.curves import Curves
from hardsample.numerals import count, number, p_value
from hardsample.report import causes, markup
from hardsample.report.controls import METRICS, unit
from hardsample.report.wording import (
    DIVERGED,
    heading,
    last_notes,
    measured_statement,
    metric_title,
    p_statement,
    sentence,
    too_few_statement,
    verdict,
    with_interval,
)

INCONCLUSIVE = verdict(1.0)


def markdown(curves: Curves, rows: pd.DataFrame) -> str:
    """The finding, a sentence for each cause; then a table for each metric, what each contrast changes, and notes."""
    blocks = [heading(curves.experiment, rows.pairs)]
    if not (rows.pairs > 0).any():
        return "\n\n".join((*blocks, " ".join(last_notes(curves)))) + "\n"
    blocks += [*_too_few(curves, rows), "\n".join(findings(curves, rows))]
    for metric in METRICS:
        blocks += [f"**{sentence(_title(metric, curves))}**", _table(curves, rows[rows.metric == metric])]
    told: dict[tuple[str, str], list[str]] = {}
    for one in causes.contrasts(curves):
        told.setdefault((one.cause, one.differs), []).append(one.pair)
    lines = [(cause, "; ".join(pairs), differs) for (cause, differs), pairs in told.items()]
    blocks += ["**What differs between the two.**", markup.markdown_table(("cause", "contrast", "differs"), lines)]
    return "\n\n".join((*blocks, " ".join(filter(None, _notes(curves, rows))))) + "\n"


def save(curves: Curves, rows: pd.DataFrame, stem: Path) -> tuple[Path, ...]:
    """Write ``stem``.md, beside the figure and its table in .csv; equal tables give equal bytes.

    Raises:
        InputError: the folder cannot be written.
    """
    return markup.write(stem, {"md": markdown(curves, rows)})


def findings(curves: Curves, rows: pd.DataFrame) -> Iterator[str]:
    """What the contrasts show, a line in Markdown for each cause, and one for the change with the schedule."""
    change, run = causes.change_name(curves), rows[rows.pairs > 0]
    several = run.schedule.nunique() > 1
    for cause in dict.fromkeys(one.cause for one in causes.contrasts(curves)):
        names = [one.name for one in causes.contrasts(curves) if one.cause == cause]
        own = run[run.cause.isin(names) & (run.schedule != change)]
        said = [_verdicts(own[own.metric == metric], curves, several) for metric in METRICS]
        yield f"- **{sentence(cause)}** {' '.join(filter(None, said)) or 'Not run.'}"
    absent = [schedule for schedule in causes.schedules(curves) if schedule not in set(run.schedule)]
    if absent:
        yield f"- **Schedule.** Not run: {' and '.join(absent)} learning rate."
    elif change:
        own = run[run.schedule == change]
        said = [_verdicts(own[own.metric == metric], curves) for metric in METRICS]
        yield f"- **{sentence(change)}** {' '.join(filter(None, said)) or 'No contrast was run under both.'}"


def _verdicts(own: pd.DataFrame, curves: Curves, several: bool = True) -> str:
    """Of one metric, under each verdict the differences; what changes inconclusively with the schedule is counted."""
    parts = []
    for words, some in _by_verdict(own):
        is_change = causes.change_name(curves) in set(some.schedule)
        values = ", ".join(
            _value(row) + (f" ({row.cause})" if is_change else _where(row, several)) for _, row in some.iterrows()
        )
        parts.append(f"{words}: {count(len(some), 'contrast') if is_change and words == INCONCLUSIVE else values}")
    return sentence(f"{_title(own.metric.iloc[0], curves)} {'; '.join(parts)}") if parts else ""


def _title(metric: str, curves: Curves) -> str:
    return metric_title(metric, curves.experiment) + " (points)" * (unit(metric) > 1)


def _by_verdict(own: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    significant = own.p_holm < statistics.LEVEL
    parts = {
        "significantly higher": own[significant & (own.difference > 0)],
        "significantly lower": own[significant & (own.difference < 0)],
        INCONCLUSIVE: own[~significant],
    }
    return ((words, some) for words, some in parts.items() if len(some))


def _where(row: pd.Series, several: bool) -> str:
    """The δ of a contrast in brackets, and of ``several`` schedules which."""
    where = (*row.cause.split(", ")[1:], *[row.schedule] * several)
    return f" ({', '.join(where)})" if where else ""


def _value(row: pd.Series) -> str:
    scale, digits = unit(row.metric), _digits(row.metric)
    return with_interval(*(scale * value for value in (row.difference, row.low, row.high)), "+", digits)


def _digits(metric: str) -> int:
    return 2 if metric.startswith("acc") else 3


def _table(curves: Curves, rows: pd.DataFrame) -> str:
    """A line for each contrast that was run, with its columns under each schedule."""
    every = [*causes.schedules(curves), *filter(None, [causes.change_name(curves)])]
    head, lines = ["cause", "contrast"], []
    for schedule in every:
        head += [schedule, "n", "p (Holm)", "smallest"]
    for one in causes.contrasts(curves):
        own = rows[(rows.cause == one.name) & (rows.pairs > 0)].set_index("schedule", drop=False)
        cells = [_cells(own.loc[schedule]) if schedule in own.index else [""] * 4 for schedule in every]
        lines += [[one.name, one.pair, *(text for part in cells for text in part)]] * bool(len(own))
    return markup.markdown_table(head, lines)


def _cells(row: pd.Series) -> Sequence[str]:
    scale, digits = unit(row.metric), _digits(row.metric)
    ends = (scale * value for value in (row.difference, row.low, row.high))
    p = f"{p_value(row.p_holm)}, {verdict(row.p_holm)}" if row.p_holm == row.p_holm else ""
    return [with_interval(*ends, "+", digits), number(row.n, 0), p, number(scale * row.smallest, digits)]


def _too_few(curves: Curves, rows: pd.DataFrame) -> Iterator[str]:
    """Where no difference can be significant for want of seeds: once, if it is so under every schedule."""
    said = {}
    for schedule in causes.schedules(curves):
        own = rows[(rows.schedule == schedule) & (rows.metric == METRICS[0]) & rows.difference.notna()]
        if len(own):
            said[schedule] = too_few_statement(own.n.max(), len(own))
    if len(set(said.values())) == 1:
        said = {"": next(iter(said.values()))}
    for schedule, text in said.items():
        if text:
            yield (
                f"**{schedule.capitalize()} learning rate: {text[0].lower()}{text[1:]}**" if schedule else f"**{text}**"
            )


def _notes(curves: Curves, rows: pd.DataFrame) -> Iterator[str]:
    yield (
        "At the end of training; differences are paired by seed [95 % t interval]. Over the same seeds δ minus δ = 1 is"
        " the sum of order, repetition and choice by loss at that δ."
    )
    tests = rows[rows.difference.notna()].groupby(["schedule", "metric"]).size()
    if rows.p.notna().any():
        yield p_statement(int(tests.max()), "a schedule and metric")
        yield "There are fewer where fewer contrasts were run." if tests.min() < tests.max() else ""
        yield (
            "What has too few seeds to be significant has no p." if rows.p[rows.difference.notna()].isna().any() else ""
        )
    if (rows.pairs[rows.schedule == causes.change_name(curves)] > 0).any():
        yield f"{sentence(causes.change_name(curves))[:-1]}: by how much a difference changes, paired by seed."
    yield "Test metrics are of a fixed set of test images; intervals and tests cover seeds, not the choice of images."
    yield DIVERGED if (rows.n < rows.pairs).any() else ""
    yield measured_statement(curves.experiment)
    yield from last_notes(curves)
