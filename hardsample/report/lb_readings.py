"""Which reading of LB is paper A's? What the paper says of LB, as tests that every reading meets or does not.

The paper ranks LB in words and figures without numbers. The bounds are ours: accuracies are close within a point;
losses are similar within 5 % of MB's, clearly worse beyond, and considerably beyond 10 %. They were set before the
study's own runs, when two readings' full-size results at the default were known, and not changed since. A test is met
by the mean over seeds; its interval is shown beside, and how many are met by the whole of it. Losses are compared
with MB's alone, also where the paper speaks of all other methods; what statement 2 asks of the training loss is no
more than statement 5 allows.
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hardsample.experiments.curves import Curves, after_pretraining
from hardsample.experiments.lb_study import DEFAULT, LARGE_BATCH, LARGE_RATE, SMALL_BATCH, SMALL_RATE
from hardsample.methods.loss_based import READINGS
from hardsample.report import figures, markup, stats, style, wording

CLOSE = 1.0  # points of accuracy
SIMILAR, CONSIDERABLE = 5.0, 10.0  # % of the baseline's loss
OVERFIT = 2.0  # % above the own least loss
ENOUGH = 4  # of the six statements: a reading that meets fewer is not the paper's
TOGETHER = "each test at the largest"
_MARKERS = ("o", "s")  # of the sizes, smaller first
COLUMNS = (
    *("reading", "statement", "setting", "test", "letters", "n", "difference", "half_width", "unit"),
    *("low", "high", "met"),
)
TESTS = {
    "acc/train": "train accuracy",
    "acc/val": "test accuracy",
    "loss/train": "train loss",
    "loss/val": "test loss",
    "first loss/train": "train loss at first, the first evaluation after the pre-training",
    "first loss/val": "test loss at first, the first evaluation after the pre-training",
    "excess": "test loss beyond train loss, as differences",
    "overfit": "rise of the test loss, its own last value above its least",
    "acc/train, PEB": "train accuracy against PEB",
    "acc/val, PEB": "test accuracy against PEB",
}


@dataclasses.dataclass(frozen=True)
class Test:
    """One part of a statement: the mean difference of ``test`` in a setting lies above ``low`` and up to ``high``.

    Differences are to MB unless ``test`` says otherwise: of accuracies in points, of losses in % of the other's.
    """

    setting: str
    test: str
    low: float = -np.inf
    high: float = np.inf


@dataclasses.dataclass(frozen=True)
class Statement:
    """What paper A says of LB in one place, in our words, and the tests that it comes to."""

    number: int
    says: str
    place: str
    tests: tuple[Test, ...]


def _alike(setting: str, *names: str, bound: float) -> tuple[Test, ...]:
    return tuple(Test(setting, name, -bound, bound) for name in names)


STATEMENTS = (
    Statement(
        1,
        "accuracy close to MB's on both sets",
        "section 4.2.2, Figure 2",
        _alike(DEFAULT, "acc/train", "acc/val", bound=CLOSE),
    ),
    Statement(
        2,
        "losses worse than MB's, clearly so on the test set, and more there than on the training set",
        "section 4.2.2, Figure 2",
        (Test(DEFAULT, "loss/train", 0.0), Test(DEFAULT, "loss/val", SIMILAR), Test(DEFAULT, "excess", 0.0)),
    ),
    Statement(
        3,
        "n = 4: losses considerably larger than MB's from the start of the fine-tuning, and no overfitting",
        "section 4.2.3, Figure 3",
        (
            *(Test(SMALL_BATCH, name, CONSIDERABLE) for name in ("first loss/train", "first loss/val")),
            *(Test(SMALL_BATCH, name, CONSIDERABLE) for name in ("loss/train", "loss/val")),
            Test(SMALL_BATCH, "overfit", high=OVERFIT),
        ),
    ),
    Statement(
        4,
        "n = 1024: the highest accuracy of all on both sets, at losses similar to MB's",
        "section 4.2.3, Figure 3",
        (
            *(Test(LARGE_BATCH, name, 0.0) for name in ("acc/train", "acc/val", "acc/train, PEB", "acc/val, PEB")),
            *_alike(LARGE_BATCH, "loss/train", "loss/val", bound=SIMILAR),
        ),
    ),
    Statement(
        5,
        "α = 0.05 and 0.1: comparable to MB on the training set, worse on the test set, above all in loss",
        "section 4.2.4, Figure 4",
        tuple(
            test
            for setting in (DEFAULT, LARGE_RATE)
            for test in (
                *_alike(setting, "acc/train", bound=CLOSE),
                *_alike(setting, "loss/train", bound=SIMILAR),
                Test(setting, "acc/val", high=0.0),
                Test(setting, "loss/val", SIMILAR),
            )
        ),
    ),
    Statement(
        6,
        "smallest learning rate: higher accuracy than MB on both sets, at comparable losses",
        "section 4.2.4, Figure 4",
        (
            *(Test(SMALL_RATE, name, 0.0) for name in ("acc/train", "acc/val")),
            *_alike(SMALL_RATE, "loss/train", "loss/val", bound=SIMILAR),
        ),
    ),
)


def table(*studies: Curves) -> pd.DataFrame:
    """One row per size, reading and test of a statement, for the curves of
    :func:`hardsample.experiments.lb_study.sizes`.

    - ``difference``: mean over the ``n`` seeds that both have, with the ``half_width`` of its 95 % t interval, in
      ``unit``: "points" of accuracy, or "%" of the loss it is compared with.
    - ``low``, ``high``: the bounds of the test; ``met``: "yes" or "no", by the mean; "not run" without a pair of seeds.
    - ``letters``: how many letters were trained on; a size without a run is left out if another has some.

    ``attrs`` hold the first ``curves`` with runs, and ``notes`` that say the size of all.
    """
    ran = [curves for curves in studies if len(curves.frame)] or list(studies[:1])
    found = pd.concat(map(_table, ran), ignore_index=True)
    notes = [note for curves in ran for note in wording.last_notes(curves, wording.missing_count)]
    found.attrs = {"curves": ran[0], "notes": notes}
    return found


def _table(curves: Curves) -> pd.DataFrame:
    """The rows of one size."""
    letters, frame = 0, curves.frame
    if len(frame):  # the smallest mini-batch rounds least
        last = frame[frame.batch_size == frame.batch_size.min()].iloc[-1]
        letters = round(last.step * last.batch_size / last.epoch)
    parts, rows = _evaluations(frame), []
    for reading in READINGS:
        for statement in STATEMENTS:
            for test in statement.tests:
                values, unit = _differences(parts, f"LB, {reading}", test)
                mean, interval = (values.mean() if len(values) else np.nan), stats.t_interval(values)
                met = "not run" if not len(values) else "yes" if test.low < mean <= test.high else "no"
                rows.append(
                    (
                        *(reading, statement.number, test.setting, test.test, letters, len(values), mean),
                        *((interval.high - interval.low) / 2, unit, test.low, test.high, met),
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
                said = (row[number] for number in numbers)
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
        for (number, setting, test), rows in own.groupby(["statement", "setting", "test"], sort=False):
            if letters != TOGETHER and (rows.met != "not run").any():
                what = (letters, str(number), f"{setting}: {TESTS[test]}", _asked(rows.iloc[0]))
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
        _notes(table),
    )
    return "\n\n".join(blocks) + "\n"


def save(table: pd.DataFrame, stem: Path) -> tuple[Path, ...]:
    """Write ``stem``.md, beside the figure and its table in .csv; equal tables give equal bytes.

    Raises:
        InputError: the folder cannot be written.
    """
    return markup.write(stem, {"md": markdown(table)})


def figure(table: pd.DataFrame) -> Figure:
    """An axes per test, a line per reading: its mean difference and interval, and in grey what the statement asks."""
    cells = list(dict.fromkeys(zip(table.statement, table.setting, table.test, strict=True)))
    cells = [cell for cell in cells if (_of(table, cell).met != "not run").any()] or cells
    sizes = sorted(table.letters.unique())
    columns = 4
    with matplotlib.rc_context(style.RC):
        page, grid = style.page(
            (-(-len(cells) // columns), columns),
            size=(1.55, 0.17 * len(READINGS) + 0.1),
            gap=(0.2, 0.62),
            right=0.12,
            bottom=0.3,
            heading=wording.data_statement(table.attrs["curves"].experiment),
            handles=_handles(sizes),
            caption=_notes(table),
            left=2.75,
        )
        for axes, cell in zip(grid.flat, cells, strict=False):
            _test(axes, _of(table, cell), cell, sizes)
        for axes in grid.flat[len(cells) :]:
            axes.set_axis_off()
        for row in grid:
            row[0].set_yticks(range(len(READINGS)), list(READINGS), fontsize=7)
    return page


def _evaluations(frame: pd.DataFrame) -> dict[tuple[str, str], dict[str, pd.DataFrame]]:
    """Of every setting and method the first and last evaluation after the pre-training and the least, by seed."""
    after = frame[after_pretraining(frame)].sort_values("step")
    parts = {}
    for cell, own in after.groupby(["panel", "method"], observed=True):
        seeds = own.groupby("seed")[list(figures.METRICS)]
        parts[cell] = {"first": seeds.first(), "last": seeds.last(), "least": seeds.min()}
    return parts


def _differences(parts: dict, method: str, test: Test) -> tuple[np.ndarray, str]:
    """Every seed's difference in a test's unit, of those that both have."""
    name, _, other = test.test.partition(", ")
    when = "first" if name.startswith("first ") else "last"
    unit = "points" if name.startswith("acc") else "%"
    own, twin = (parts.get((test.setting, who), {}) for who in (method, other or "MB"))
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
    yield from ((f"{letters:,}", own) for letters, own in by_size)
    if len(by_size) > 1:
        yield TOGETHER, together(table)


def _of(table: pd.DataFrame, cell: tuple[int, str, str]) -> pd.DataFrame:
    statement, setting, test = cell
    return table[(table.statement == statement) & (table.setting == setting) & (table.test == test)]


def _test(axes: Axes, rows: pd.DataFrame, cell: tuple[int, str, str], sizes: list[int]) -> None:
    statement, setting, test = cell
    ran = rows[rows.met != "not run"]
    ends = [*(ran.difference - ran.half_width.fillna(0)), *(ran.difference + ran.half_width.fillna(0)), 0.0]
    low, high = rows.low.iloc[0], rows.high.iloc[0]
    bounds = [bound for bound in (low, high) if np.isfinite(bound)]
    middle = np.quantile(np.abs([*ran.difference, *bounds, 1.0]), 0.8) * 2
    left, right = max(min([*ends, *bounds]), -middle), min(max([*ends, *bounds]), middle)
    room = 0.08 * (right - left) or 1.0
    axes.set_xlim(left - room, right + room)
    axes.axvspan(max(low, left - room), min(high, right + room), color="#e3ecf4", linewidth=0, zorder=0)
    axes.axvline(0, color=style.QUIET, linewidth=0.7, zorder=1)
    for row in ran.itertuples():
        size = sizes.index(row.letters)
        place = list(READINGS).index(row.reading) + 0.28 * (size - (len(sizes) - 1) / 2)
        color = "#0072b2" if row.met == "yes" else "#d55e00"
        shown = np.clip(row.difference, left, right)
        if np.isfinite(row.half_width):
            axes.plot([row.difference - row.half_width, row.difference + row.half_width], [place] * 2, color=color)
        marker = _MARKERS[size] if shown == row.difference else ">" if row.difference > right else "<"
        face = color if row.met == "yes" else "white"
        axes.plot(shown, place, marker, markersize=4, color=color, markerfacecolor=face, zorder=3)
    axes.set_ylim(len(READINGS) - 0.5, -0.5)
    axes.set_yticks(range(len(READINGS)), [])
    axes.set_title(f"{statement}  {setting}\n{TESTS[test].split(',')[0]}", loc="left", fontsize=7)
    axes.set_xlabel(rows.unit.iloc[0], fontsize=7, labelpad=1)


def _handles(sizes: list[int]) -> list[Line2D]:
    look = {"linestyle": "-", "marker": "o", "markersize": 4}
    plain = {"linestyle": "", "color": style.QUIET, "markersize": 4}
    several = zip(sizes, _MARKERS, strict=False) if len(sizes) > 1 else ()
    return [
        *(Line2D([], [], label=f"{letters:,} letters", marker=marker, **plain) for letters, marker in several),
        Line2D([], [], color="#0072b2", label="as the paper says", **look),
        Line2D([], [], color="#d55e00", markerfacecolor="white", label="not as the paper says", **look),
        Line2D([], [], color="#e3ecf4", linewidth=7, label="what the statement asks"),
    ]


def _heading(table: pd.DataFrame) -> str:
    data = wording.data_statement(table.attrs["curves"].experiment)
    letters = " and ".join(f"{letters:,}" for letters in sorted(table.letters.unique()))
    return f"{data[0].upper()}{data[1:]}: {letters} training letters, {wording.seeds_in_words(table.n)}."


def _asked(row: pd.Series) -> str:
    if np.isfinite(row.low) and np.isfinite(row.high):
        return f"{row.low:+g} to {row.high:+g} {row.unit}"
    return f"above {row.low:+g} {row.unit}" if np.isfinite(row.low) else f"at most {row.high:+g} {row.unit}"


def _cell(row) -> str:
    if row.met == "not run":
        return ""
    width = f" ± {row.half_width:.2g}" if np.isfinite(row.half_width) else ""
    text = f"{row.difference:+.2f}{width}"
    return f"**{text}**" if row.met == "yes" else text


def _notes(table: pd.DataFrame) -> str:
    """How to read the tests."""
    return " ".join(
        (
            "Differences are paired by seed, to MB at the end of training unless the test says otherwise: accuracies in"
            " points, losses in % of the other's.",
            f"A test is met by the mean. The bounds are ours: close is within {CLOSE:g} point, similar within"
            f" {SIMILAR:g} %, considerable beyond {CONSIDERABLE:g} %, overfitting a rise of more than {OVERFIT:g} %.",
            *(
                ["Each test decides at the largest number of letters that it was run at."]
                * (table.letters.nunique() > 1)
            ),
            *table.attrs["notes"],
        )
    )
