"""The tables of a contest for readers: who wins in each setting, and every method in each."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from hardsample.numerals import number, p_value, percent, short
from hardsample.report import markup, wording
from hardsample.report.contest_tables import PAIRED, PASSES, baseline_of, winners
from hardsample.report.contest_words import differing_from_authors, in_short, notes

_SMALLEST = "smallest"
_CONTROLS = (
    *("learning rate", "labels flipped", "equal", "method", "control"),
    *("method - control on the reporting half, points", "p (Holm)", _SMALLEST, "seeds won"),
)


def markdown(table: pd.DataFrame) -> str:
    """The contest for readers: in short, who wins in each panel, every method in each panel, and notes."""
    found = winners(table)
    run = found[found.verdict != "not run"]
    held = table[(table.control_usable > 0) & (table.same_as == "")]
    blocks = [
        wording.heading(table.attrs["curves"].experiment, table.n + table.diverged),
        *("**In short**", in_short(table, found)),
    ]
    if len(run):
        decided = (run.seeds >= run.needed).any()
        lines = (_winners_cells(row) for _, row in run.iterrows())
        blocks += [f"**{'Who wins' if decided else 'The highest'}**"]
        blocks += [markup.markdown_table(_winners_header(table), lines)]
        blocks += ["**Every method**", markup.markdown_table(_methods_header(table), _methods_cells(table))]
    if len(held):
        lines = (_control_cells(row) for _, row in held.iterrows())
        blocks += ["**Against their controls**", markup.markdown_table(_CONTROLS, lines)]
    blocks.append(notes(table, found))
    if differing := list(differing_from_authors(table)):
        blocks += ["**Otherwise than in the authors' code**", "\n".join(differing)]
    return "\n\n".join(blocks) + "\n"


def save(table: pd.DataFrame, stem: Path) -> tuple[Path, ...]:
    """Write ``stem``-statistics.csv and .md and ``stem``-winners.csv, each whole or not at all.

    Equal tables give equal bytes.

    Raises:
        InputError: the folder cannot be written.
    """
    statistics_stem, winners_stem = (stem.with_name(f"{stem.name}-{kind}") for kind in ("statistics", "winners"))
    files = markup.write(statistics_stem, {"csv": markup.csv(table), "md": markdown(table)})
    return files + markup.write(winners_stem, {"csv": markup.csv(winners(table))})


def _winners_header(table: pd.DataFrame) -> tuple[str, ...]:
    usual = baseline_of(table)
    return (
        *("learning rate", "labels flipped", "equal", "who wins", "highest on one half of the test set"),
        *(f"- {usual} on the other half, points", "p (Holm)", _SMALLEST, "seeds won"),
        *(f"significantly above {usual}", "inconclusive against the winner", "significantly above the winner"),
        *(f"significantly below {usual}", "passed over: fewer usable seeds"),
    )


def _winners_cells(row: pd.Series) -> tuple[str, ...]:
    winner = "" if row.verdict == "too few seeds" else row.verdict
    winner = f"**{row.method}**" if row.verdict == "wins" else winner
    if not row.tests:
        return (*_setting_cells(row), winner, *("",) * 10)
    lists = (row.better, row.inconclusive, row.above, row.worse, row.left_out)
    return (*_setting_cells(row), winner, row.method, *_paired_cells(row), *lists)


def _control_cells(row: pd.Series) -> tuple[str, ...]:
    return (*_setting_cells(row), row.method, row.control, *_paired_cells(row, "control_"))


def _methods_header(table: pd.DataFrame) -> tuple[str, ...]:
    usual = baseline_of(table)
    tested = ("p (Holm)", _SMALLEST, "seeds won")
    return (
        *("learning rate", "labels flipped", "equal", "method"),
        *("test accuracy, %", f"- {usual} on the reporting half, points", *tested),
        *("test loss", f"- {usual}, whole test set", *tested),
        *("updates", "forward passes", "backward passes", "time per update"),
    )


def _methods_cells(table: pd.DataFrame) -> Iterator[tuple[str, ...]]:
    """A line per method with runs of its own, and one for those whose runs are another budget's."""
    for _, rows in table.groupby("panel", sort=False):
        done = rows.n + rows.diverged > 0
        setting = _setting_cells(rows.iloc[0])
        for _, row in rows[done & (rows.same_as == "")].iterrows():
            yield (*setting, row.method, *_method_cells(row))
        for budget, same in rows[rows.same_as != ""].groupby("same_as"):
            yield (*setting, ", ".join(same.method), f"as at equal {budget}", *("",) * 13)


def _method_cells(row: pd.Series) -> tuple[str, ...]:
    accuracy = wording.with_interval(row["mean"], row.low, row.high, digits=2) if row.n else ""
    diverged = f"{row.diverged} diverged" if row.diverged else ""
    accuracy = f"{accuracy} ({diverged})" if accuracy and diverged else accuracy or diverged
    passes = (number(row[name], 0) for name in PASSES)
    tested = (*_paired_cells(row, "report_"), number(row.loss, 3), *_paired_cells(row, "loss_", 3))
    return (accuracy, *tested, *passes, short(row.cost))


def _setting_cells(row: pd.Series) -> tuple[str, str, str]:
    imbalance = "" if row.imbalance == 1 else f", imbalance {short(row.imbalance)}"
    return row.schedule, f"{percent(row.noise)}{imbalance}", row.budget


def _paired_cells(row: pd.Series, kind: str = "", digits: int = 2) -> tuple[str, str, str, str]:
    """The difference with its interval, p, the smallest that would be significant, the seeds won."""
    difference, low, high, _, p, won, _, smallest = (row[f"{kind}{column}"] for column in PAIRED)
    if not (text := wording.with_interval(difference, low, high, "+", digits)):
        return "", "", "", ""
    return text, p_value(p), number(smallest, digits), f"{number(won, 0)}/{number(row.pairs, 0)}"
