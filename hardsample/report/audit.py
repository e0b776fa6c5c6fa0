"""The papers' own arithmetic: every printed number that other printed numbers give, computed again from them."""

import itertools
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from hardsample.numerals import number, short
from hardsample.report import audit_statements, audit_tables, markup
from hardsample.report.audit_arithmetic import does_follow
from hardsample.report.audit_tables import NEARLY_ALL
from hardsample.training import networks

COLUMNS = (
    *("place", "quantity", "printed", "recomputed", "follows", "truncated"),
    *("of_baseline", "one_off", "hypothesis", "remark"),
)
_LATEX = {"δ": r"$\delta$", "Δ": r"$\Delta$", "ζ": r"$\zeta$", "±": r"$\pm$", "×": r"$\times$"}


def findings(counts: Mapping[str, tuple[int, int]] | None = None) -> pd.DataFrame:
    """One row per number computed again from the printed ones, paper A first.

    - ``place``, ``quantity``; ``printed``: as text, with the sign that ▼ stands for; ``recomputed``.
    - ``follows``: the two differ by at most half a unit of the last printed digit, or the printed one is the other cut
      off after that digit, which ``truncated`` says. Where rounded inputs alone decide (the ± of one untrained
      mini-batch), what their rounding leaves open is allowed as well. "most" asks for more than half.
    - ``of_baseline``: changes are divided by the new value, as most of the printed ones are; this is the same change
      in percent of the value at δ = 1. NaN for everything else.
    - ``one_off``: for a Δe that does not follow, the same arithmetic with one e one more or less than printed, where it
      then follows; else "".
    - ``hypothesis``: what a number needs beside the printed ones, such as ``ONE_UNTRAINED``; "" for nothing.
    - ``remark``: one sentence where the number does not follow.

    Args:
        counts: (parameters with 10 classes, FLOPs at 128x128) of each network; None counts them.
    """
    if counts is None:
        counts = {name: (networks.parameters(name, 10), networks.flops(name, 10, 128)) for name in networks.TITLES}
    parts = (
        *(audit_statements.base_values(), audit_statements.abstract_and_introduction()),
        *(audit_tables.numbers_of_updates(), audit_tables.time_differences(), audit_statements.data_sizes()),
        *(audit_tables.network_sizes(counts), audit_tables.epoch_changes(), audit_tables.repeated_rows()),
        *(audit_tables.bold_and_underlined(), audit_tables.intervals_near_100(), audit_tables.best_of_table_6()),
        *(audit_statements.discussion(), audit_statements.averages_of_table_6()),
    )
    return pd.DataFrame(itertools.chain.from_iterable(parts), columns=list(COLUMNS))


def markdown(table: pd.DataFrame, *, everything: bool = False) -> str:
    """How many numbers follow, and those that do not; with ``everything``, the others too."""
    summary = (
        f"**{len(table)} printed numbers computed again. {_counted(table[table.hypothesis == ''])}**"
        f"{_of_hypotheses(table[table.hypothesis != ''])} {_of_changes(table[table.quantity.str.startswith('Δe,')])}"
        f" A number follows within half a unit of its last printed digit, or if cut off after it."
    )
    shown = _shown(table if everything else table[~table.follows])
    return f"{summary}\n\n{markup.markdown_table(tuple(shown), shown.itertuples(index=False))}\n"


def save(table: pd.DataFrame, stem: Path) -> tuple[Path, ...]:
    """Write ``stem``.md, .csv (every number) and .tex (those that do not follow), each whole or not at all.

    Raises:
        InputError: the folder cannot be written.
    """
    shown = _shown(table[~table.follows])
    latex = shown.to_latex(index=False, escape=True, longtable=True, column_format="lp{4.2cm}rrrp{5cm}")
    for letter, command in _LATEX.items():
        latex = latex.replace(letter, command)
    return markup.write(stem, {"md": markdown(table), "csv": markup.csv(table), "tex": latex})


def _counted(table: pd.DataFrame) -> str:
    return (
        f"{len(table)} from other printed numbers, or from the networks themselves: {table.follows.sum()} follow"
        f" ({table.truncated.sum()} of them cut off where rounding would go up), {(~table.follows).sum()} do not."
    )


def _of_hypotheses(table: pd.DataFrame) -> str:
    return "".join(
        f" The other {len(rows)} are the ± of training accuracies of {NEARLY_ALL} % and more, and need a hypothesis"
        f" ({hypothesis}): from it {rows.follows.sum()} follow, within what the rounding of the accuracy leaves open."
        for hypothesis, rows in table.groupby("hypothesis")
    )


def _of_changes(changes: pd.DataFrame) -> str:
    """What the Δe were divided by, each counted once: a change of 0 is 0 % of either e."""
    of_baseline = pd.Series(list(map(does_follow, changes.printed, changes.of_baseline)), changes.index)
    new, both = changes.follows & ~of_baseline, changes.follows & of_baseline
    neither = changes[~changes.follows & ~of_baseline]
    return (
        f"Of the {len(changes)} Δe, {new.sum()} are (e1 - eδ) / eδ, a change in percent of the new epoch;"
        f" {(~changes.follows & of_baseline).sum()} are (e1 - eδ) / e1, in percent of the epoch at δ = 1;"
        f" {both.sum()} ({', '.join(sorted(set(changes.printed[both])))}) are both; {len(neither)} are neither,"
        f" {(neither.one_off != '').sum()} of which would be one if an e were one more or less than printed."
    )


def _shown(table: pd.DataFrame) -> pd.DataFrame:
    """The table for readers, every cell text."""
    return pd.DataFrame(
        {
            "place": table.place,
            "quantity": table.quantity,
            "printed": table.printed,
            "recomputed": table.recomputed.map(lambda value: short(value, digits=4)),
            "in % of δ = 1": table.of_baseline.map(lambda value: number(value, 2)),
            "remark": table.remark,
        }
    )
