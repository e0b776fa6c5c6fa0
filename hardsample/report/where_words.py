"""What is said of where a gain is: the findings, the tables for readers and how to read them."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from hardsample import statistics
from hardsample.experiments.curves import Curves
from hardsample.numerals import number, p_value, percent
from hardsample.report import kept, markup, suspects, where
from hardsample.report.wording import heading, last_notes, too_few_statement, verdict, with_interval

_PLURAL = {"tenth": "tenths", "class": "classes"}


def markdown(curves: Curves, rows: pd.DataFrame, hardest: pd.DataFrame) -> str:
    """What was found, by difficulty, by class and point by point, and the suspect labels of ``hardest``."""
    said = [*findings(rows), *suspects.findings(hardest, curves.baseline)]
    tables = {
        "By difficulty of the test example": _gains(rows, where.DIFFICULTY),
        "By class": _gains(rows, where.CLASS),
        _against(rows): _points(rows),
        "Suspect labels": suspects.markdown(hardest),
    }
    blocks = [heading(curves.experiment, kept.seeds(curves)), "\n".join(f"- {line}" for line in said)]
    for title, table in tables.items():
        blocks += [f"**{title}**", table] * bool(table)
    return "\n\n".join(filter(None, (*blocks, " ".join(_notes(curves, rows))))) + "\n"


def findings(rows: pd.DataFrame) -> Iterator[str]:
    """Of each method its whole gain, where it is, and which groups lose; then one method against the other."""
    gains = rows[rows.part != where.POINTS]
    for method, own in gains.groupby("method", sort=False):
        whole = own[own.part == where.WHOLE].iloc[0]
        told = f", {verdict(whole.p_holm)}" if np.isfinite(whole.p_holm) else ""
        yield f"**{method} - {whole.other}: {_interval(whole)} points of test accuracy{told}.** {_shares(rows, method)}"
        for part, things in ((where.DIFFICULTY, "tenth"), (where.CLASS, "class")):
            yield f"{method} by {things}: {_counted(own[own.part == part], things)}"
    against = rows[rows.part == where.POINTS]
    if len(against):
        yield f"**{_against(rows)}**: {'; '.join(_compared(row) for row in against.itertuples())}."


def _shares(rows: pd.DataFrame, method: str) -> str:
    """How much of a method's gain is in the hardest tenths."""
    found = where.hardest_share(rows, method)
    if not found:
        return "The interval of the whole is not above 0, so that there is no gain to share out."
    share, low, high = (number(100 * found[name], 0) for name in ("share", "share_low", "share_high"))
    return f"The hardest {where.SHARED_BY} of {where.PARTS} tenths have {share} % [{low}, {high}] of the gain."


def _counted(own: pd.DataFrame, things: str) -> str:
    """Which groups gain and which lose, significantly, by name, and how many are inconclusive."""
    tested = own[own.p_holm.notna()]
    if tested.empty:
        return too_few_statement(own.n.max(), len(own))
    told = tested.p_holm < statistics.LEVEL
    parts = {
        "gain": tested[told & (tested.difference > 0)],
        "lose": tested[told & (tested.difference < 0)],
    }
    said = [_said(groups.group, len(tested), word, things) for word, groups in parts.items()]
    rest = f", {int((~told).sum())} inconclusive" if not told.all() else ""
    lower = int((own.difference < 0).sum())
    below = f"The mean is below 0 in {lower} of {len(own)}." if lower else "No mean is below 0."
    return f"{', '.join(said)}{rest}. {below}"


def _said(groups: pd.Series, tested: int, word: str, things: str) -> str:
    """How many of the groups tested gain, or lose, and which."""
    if groups.empty:
        return f"none of {tested} {word}s significantly"
    which = f"{things} {groups.iloc[0]}" if len(groups) == 1 else f"{_PLURAL[things]} {', '.join(groups)}"
    return f"{len(groups)} of {tested} {word}{'s' if len(groups) == 1 else ''} significantly ({which})"


def _against(rows: pd.DataFrame) -> str:
    own = rows[rows.part == where.POINTS]
    return f"{own.method.iloc[0]} against {own.other.iloc[0]}, point by point" if len(own) else ""


def _compared(row) -> str:
    """A difference in words: its sign is told only where its interval leaves no doubt of it."""
    word = "higher" if row.low > 0 else "lower" if row.high < 0 else "not clearly different"
    return f"{row.group} {word}, {_interval(row)} {row.unit}"


def _interval(row) -> str:
    return with_interval(row.difference, row.low, row.high, "+", 2 if row.unit == "points" else 3)


def _gains(rows: pd.DataFrame, part: str) -> str:
    """A line for each group, the methods side by side."""
    own = rows[rows.part == part]
    if own.empty:
        return ""
    methods = list(dict.fromkeys(own.method))
    of = {method: own[own.method == method].set_index("group") for method in methods}
    last, other = of[methods[-1]], own.other.iloc[0]
    order = (
        last.index if part == where.DIFFICULTY else last.difference.sort_values(ascending=False, kind="stable").index
    )
    header = ["tenth" if part == where.DIFFICULTY else "class", "test examples", f"{other}, %"]
    for method in methods:
        header += [f"{method} - {other}, points", "p (Holm)", f"share of {method}'s gain"]
    lines = []
    for group in order:
        line = [_title(group, part), number(last.examples[group], 0), number(last.other_value[group], 1)]
        for method in methods:
            row = of[method].loc[group]
            line += [_interval(row), _tested(row.p_holm), _share(row) if part == where.DIFFICULTY else ""]
        lines.append(line)
    return markup.markdown_table(header, lines)


def _title(group: str, part: str) -> str:
    ends = {"1": "1, easiest", str(where.PARTS): f"{where.PARTS}, hardest"}
    return ends.get(group, group) if part == where.DIFFICULTY else group


def _tested(p: float) -> str:
    return f"{p_value(p)}, {verdict(p)}" if np.isfinite(p) else ""


def _share(row: pd.Series) -> str:
    if not np.isfinite(row.share):
        return ""
    return f"{number(100 * row.share, 0)} % [{number(100 * row.share_low, 0)}, {number(100 * row.share_high, 0)}]"


def _points(rows: pd.DataFrame) -> str:
    own = rows[rows.part == where.POINTS]
    lines = []
    for row in own.itertuples():
        digits = 2 if row.unit == "points" else 3
        unit = "%" if row.unit == "points" else row.unit
        values = (number(value, digits) for value in (row.other_value, row.value))
        lines.append([f"{row.group}, {unit}", *values, _interval(row), _tested(row.p_holm)])
    names = (own.other.iloc[0], own.method.iloc[0]) if len(own) else ("", "")
    header = ("test examples' mean", *names, " - ".join(reversed(names)), "p (Holm)")
    return markup.markdown_table(header, lines) if lines else ""


def _notes(curves: Curves, rows: pd.DataFrame) -> Iterator[str]:
    yield (
        "Differences are by seed, at the end of training [95 % t interval over seeds]; the methods of a seed begin at"
        " the same pre-trained network. Tenths: test examples by their loss there, each seed's own. Share: of the whole"
        " gain, its interval by the delta method; the shares of all tenths add up to 100 %."
    )
    if rows.p_holm.notna().any():
        yield (
            "p: two-sided exact sign-flip test over seeds, adjusted by Holm over a method's tenths, its classes, or the"
            f" measures point by point; significant below {percent(statistics.LEVEL)}. Nothing is adjusted over these"
            " families."
        )
    yield "Intervals and tests cover seeds, not the choice of test examples, of which a class has few."
    yield from last_notes(curves)


def save(curves: Curves, rows: pd.DataFrame, hardest: pd.DataFrame, stem: Path) -> tuple[Path, ...]:
    """Write ``stem``.md, beside the figure and its table in .csv; equal tables give equal bytes.

    Raises:
        InputError: the folder cannot be written.
    """
    return markup.write(stem, {"md": markdown(curves, rows, hardest)})
