"""No table prints a number that is none, a zero with a sign or "1 epochs", whatever its numbers are."""

import re

import numpy as np
import pytest
from made_up_contest import one_panel
from made_up_tables import ALL
from synthetic import curves, hard_curves

from hardsample import paths
from hardsample.report import contest_markdown, contest_tables, paper_tables, tables

EMPTY = re.compile(
    r"\b(?i:nan|inf)\b|\| None\b|(?<![\w.])[-+]0(?:\.0+)?(?![\w.])"
    r"|(?<![\w.,])1 (?:epochs|seeds|runs|rounds|tests|updates|settings|differences|panels|pairs)\b"
)
STRANGE = (np.nan, np.inf, -np.inf, -0.0, -1e-7, 1e-7, 0.0)
KEPT = re.compile(  # counts, and what names a row
    r"(?:report_|loss_|control_|gap_)?(?:n|diverged|pairs|usable|seeds_won|reached|evaluations|apart|rounds|converged|delta)"
    r"|control.*|same_as"
)


def spoiled(frame, seed):
    """The table with every other number strange."""
    random, frame = np.random.default_rng(seed), frame.copy()
    for name in frame.select_dtypes(float):
        if not KEPT.fullmatch(name):
            strange = random.random(len(frame)) < 0.5
            frame.loc[strange, name] = random.choice(STRANGE, strange.sum())
    return frame


def test_what_is_looked_for_is_found():
    for text in ("| nan |", "-0.00 [-15", "[-0.000, +0.065]", "+0.0 ± 4", "(1 runs)", "| None |", "1 epochs", "inf %"):
        assert EMPTY.search(text), text
    for text in ("0.00", "-0.01", "+0.05", "11 runs", "1 run", "None is above", "information", "lr-0.5"):
        assert not EMPTY.search(text), text


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("make", [lambda: curves(seeds=12, epochs=2), lambda: hard_curves(seeds=1, epochs=3)])
def test_statistics(make, seed):
    made = make()
    table, pairs = tables.final_metrics(made), tables.pairs(made)
    for one in (table, pairs):
        object.__setattr__(one, "frame", spoiled(one.frame, seed))
    assert not EMPTY.findall(tables.markdown(table, pairs))


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", ["table-1", "table-3", "table-6"])
def test_tables_of_paper_b(name, seed):
    table = ALL[name]()
    attrs, table = table.attrs, spoiled(table, seed)
    table.attrs = attrs
    assert not EMPTY.findall(paper_tables.markdown(table)) and not EMPTY.findall(paper_tables.latex(table))


@pytest.mark.parametrize("seed", range(2))
def test_contests(seed):
    table = contest_tables.table(one_panel())
    attrs, table = table.attrs, spoiled(table, seed)
    table.attrs = attrs
    assert not EMPTY.findall(contest_markdown.markdown(table))


@pytest.mark.slow
def test_what_is_committed():
    found = {path.name: EMPTY.findall(path.read_text()) for path in (paths.project_root() / "figures").rglob("*.md")}
    assert len(found) > 10 and not any(found.values()), found
