"""Which reading of LB is paper A's? Every reading held to every statement of :mod:`hardsample.report.lb_statements`.

A test is met by the mean over seeds; its interval is shown beside, and how many are met by the whole of it.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from hardsample import statistics
from hardsample.experiments.curves import METRICS, Curves, after_pretraining, keys
from hardsample.methods.loss_based import READINGS
from hardsample.numerals import number, short
from hardsample.report import markup, wording
from hardsample.report.lb_statements import CLOSE, CONSIDERABLE, OVERFIT, SIMILAR, STATEMENTS, TESTS, Test

ENOUGH = 4  # of the six statements: a reading that meets fewer is not the paper's
TOGETHER = "each test at the largest"
COLUMNS = (
    *("reading", "statement", "setting", "test", "letters", "n", "difference", "half_width", "unit"),
    *("low", "high", "met", "runs"),
)


def table(*studies: Curves) -> pd.DataFrame:
    """One row per size, reading and test of a statement, for the curves of
    :func:`hardsample.experiments.lb_study.sizes`.

    - ``difference``: mean over the ``n`` seeds that both have, with the ``half_width`` of its 95 % t interval, in
      ``unit``: "points" of accuracy, or "%" of the loss it is compared with.
    - ``low``, ``high``: the bounds of the test; ``met``: "yes" or "no", by the mean; "not run" without a pair of seeds.
    - ``runs``: the keys of the reading's runs and of those that they are compared with, seed by seed.
    - ``letters``: how many letters were trained on; a size without a run is left out if another has some.

    ``attrs`` hold the ``studies`` with runs, and ``notes`` that say the size of all.
    """
    ran = [curves for curves in studies if len(curves.frame)] or list(studies[:1])
    found = pd.concat(map(_table, ran), ignore_index=True)
    notes = [note for curves in ran for note in wording.last_notes(curves, whose=False)]
    found.attrs = {"studies": ran, "notes": notes}
    return found


def _table(curves: Curves) -> pd.DataFrame:
    """The rows of one size."""
    letters, frame = 0, curves.frame
    if len(frame):  # the smallest mini-batch rounds least
        last = frame[frame.batch_size == frame.batch_size.min()].iloc[-1]
        letters = round(last.step * last.batch_size / last.epoch)
    parts, runs, rows = _evaluations(frame), keys(frame), []
    for reading in READINGS:
        for statement in STATEMENTS:
            for test in statement.tests:
                values, unit = _differences(parts, f"LB, {reading}", test)
                mean, interval = (values.mean() if len(values) else np.nan), statistics.t_interval(values)
                compared = test.compared(f"LB, {reading}") if len(values) else ()
                behind = " ".join(runs[test.setting, method] for method in compared)
                met = "not run" if not len(values) else "yes" if test.low < mean <= test.high else "no"
                rows.append(
                    (
                        *(reading, statement.number, test.setting, test.test, letters, len(values), mean),
                        *((interval.high - interval.low) / 2, unit, test.low, test.high, met, behind),
                    )
                )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def met(table: pd.DataFrame) -> pd.DataFrame:
    """Of one size, a row per reading, a column per statement: "yes" if all its tests that ran are met, "no", "not run".

    Columns ``statements`` and ``tests`` count what is met, ``wholly`` the tests met by the whole interval, ``of`` those
    that ran.
    """
    rows = {}
    for reading, own in table.groupby("reading", sort=False):
        ran = own[own.met != "not run"]
        row = {
            statement.number: "not run" if part.empty else "yes" if (part.met == "yes").all() else "no"
            for statement in STATEMENTS
            for part in [ran[ran.statement == statement.number]]
        }
        rows[reading] = row | {
            "statements": sum(answer == "yes" for answer in row.values()),
            "tests": int((ran.met == "yes").sum()),
            "wholly": int(_wholly(ran).sum()),
            "of": len(ran),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def _wholly(tests: pd.DataFrame) -> pd.Series:
    """Which tests are met by the whole of the interval."""
    low, high = tests.difference - tests.half_width, tests.difference + tests.half_width
    return (low > tests.low) & (high <= tests.high)


def together(table: pd.DataFrame) -> pd.DataFrame:
    """Of every reading and test the row of the largest size that it was run at: what the paper did is full size."""
    ran = table.assign(ran=table.met != "not run").sort_values(["ran", "letters"], kind="stable")
    return ran.drop_duplicates(["reading", "statement", "setting", "test"], keep="last").sort_index()[list(COLUMNS)]


def nearest(table: pd.DataFrame) -> str:
    """The reading that meets most statements; of equals, the one that meets most tests, then the first.

    Each test at the largest size that it was run at (:func:`together`).
    """
    found = met(together(table))
    return found.sort_values(["statements", "tests"], ascending=False, kind="stable").index[0]


def verdict(table: pd.DataFrame) -> str:
    """In a sentence or two: is LB identified, and which reading comes nearest?"""
    found = met(together(table))
    if not found.of.any():
        return "No reading has been run yet."
    best, of = nearest(table), f"of the {len(STATEMENTS)} statements"
    untried = (found[[statement.number for statement in STATEMENTS]] == "not run").sum(axis=1)
    count, ran = found.statements[best], len(STATEMENTS) - untried[best]
    says = f"The reading that meets most is “{best}”: {count} of the {ran} for which it was run"
    if count < ENOUGH:
        open_yet = (found.statements + untried).max() >= ENOUGH
        so_far = " so far, and not every statement was tried with every reading" if open_yet else ""
        return f"**LB is not identified**: no reading meets {ENOUGH} {of}{so_far}. {says}."
    return f"**“{best}” counts as the paper's LB**: it meets {count} {of}, and {ENOUGH} are asked for. {says}."


def markdown(table: pd.DataFrame) -> str:
    """The study for readers: the verdict, reading by statement, the statements, every test."""
    numbers = [statement.number for statement in STATEMENTS]
    head = ("letters", "n", "reading", *map(str, numbers), "statements met", "tests met", "by the whole interval")
    tests = ("letters", "statement", "test", "asked", *(f"reading {i}" for i in range(1, len(READINGS) + 1)))
    lines, every = [], []
    for letters, own in _sizes(table):
        for reading, row in met(own).iterrows():
            if row.of:
                ran = own[(own.reading == reading) & (own.n > 0)]
                said = ("" if row[place] == "not run" else row[place] for place in numbers)
                lines.append(
                    (
                        letters,
                        wording.span(ran.n),
                        reading,
                        *said,
                        str(row.statements),
                        f"{row.tests} of {row.of}",
                        str(row.wholly),
                    )
                )
        for (statement, setting, test), rows in own.groupby(["statement", "setting", "test"], sort=False):
            if letters != TOGETHER and (rows.met != "not run").any():
                what = (letters, str(statement), f"{setting}: {TESTS[test]}", _asked(rows.iloc[0]))
                every.append((*what, *map(_cell, rows.itertuples())))
    blocks = (
        f"**{_heading(table)}**",
        verdict(table),
        markup.markdown_table(head, lines),
        "What paper A says of LB, in our words:",
        "\n".join(f"{s.number}. {s.says} ({s.place})." for s in STATEMENTS),
        "**Every test**: mean difference ± half-width of its 95 % t interval; in bold what the statement asks.",
        markup.markdown_table(tests, every),
        "\n".join(f"{i}. {reading}" for i, reading in enumerate(READINGS, 1)),
        notes_in_words(table),
    )
    return "\n\n".join(blocks) + "\n"


def save(table: pd.DataFrame, stem: Path) -> tuple[Path, ...]:
    """Write ``stem``.md, beside the figure and its table in .csv; equal tables give equal bytes.

    Raises:
        InputError: the folder cannot be written.
    """
    return markup.write(stem, {"md": markdown(table)})


def _evaluations(frame: pd.DataFrame) -> dict[tuple[str, str], dict[str, pd.DataFrame]]:
    """Of every setting and method the first and last evaluation after the pre-training and the least, by seed."""
    after = frame[after_pretraining(frame)].sort_values("step")
    parts = {}
    for cell, own in after.groupby(["panel", "method"], observed=True):
        seeds = own.groupby("seed")[list(METRICS)]
        parts[cell] = {"first": seeds.first(), "last": seeds.last(), "least": seeds.min()}
    return parts


def _differences(parts: dict, method: str, test: Test) -> tuple[np.ndarray, str]:
    """Every seed's difference in a test's unit, of those that both have."""
    name = test.test.partition(", ")[0]
    when = "first" if name.startswith("first ") else "last"
    unit = "points" if name.startswith("acc") else "%"
    own, twin = (parts.get((test.setting, who), {}) for who in (method, test.other))
    if not own or not twin:
        return np.array([]), unit
    if name == "overfit":
        return ((own["last"] / own["least"] - 1)["loss/val"] * 100).to_numpy(), unit
    own, twin = own[when].align(twin[when], join="inner", axis=0)
    relative = (own / twin - 1) * 100
    if name == "excess":
        return (relative["loss/val"] - relative["loss/train"]).to_numpy(), unit
    metric = name.removeprefix("first ")
    return (100 * (own - twin) if unit == "points" else relative)[metric].to_numpy(), unit


def _sizes(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """The rows of every size under its name and, of more than one, those that decide."""
    by_size = list(table.groupby("letters"))
    yield from ((number(letters, 0), own) for letters, own in by_size)
    if len(by_size) > 1:
        yield TOGETHER, together(table)


def _heading(table: pd.DataFrame) -> str:
    data = wording.data_statement(table.attrs["studies"][0].experiment)
    letters = " and ".join(number(letters, 0) for letters in sorted(table.letters.unique()))
    return f"{data[0].upper()}{data[1:]}: {letters} training letters, {wording.seeds_in_words(table.n)}."


def _asked(row: pd.Series) -> str:
    if np.isfinite(row.low) and np.isfinite(row.high):
        return f"{short(row.low, '+')} to {short(row.high, '+')} {row.unit}"
    low, high = short(row.low, "+"), short(row.high, "+")
    return f"above {low} {row.unit}" if low else f"at most {high} {row.unit}"


def _cell(row) -> str:
    if row.met == "not run":
        return ""
    digits = 1 if row.half_width >= 10 else 2
    width = f" ± {number(row.half_width, digits)}" if np.isfinite(row.half_width) else ""
    text = f"{number(row.difference, digits, '+')}{width}"
    return f"**{text}**" if row.met == "yes" else text


def notes_in_words(table: pd.DataFrame) -> str:
    """How to read the tests."""
    return " ".join(
        (
            "Differences are paired by seed, to MB at the end of training unless the test says otherwise: accuracies in"
            " points, losses in % of the other's.",
            "A test is met by the mean; what was not run is blank. The bounds are ours: close is within"
            f" {CLOSE:g} point, similar within {SIMILAR:g} %, considerable beyond {CONSIDERABLE:g} %, overfitting a"
            f" rise of more than {OVERFIT:g} %.",
            *(
                ["Each test decides at the largest number of letters that it was run at."]
                * (table.letters.nunique() > 1)
            ),
            *table.attrs["notes"],
        )
    )
