"""The diagram of paper B's two training methods (its Figure 2), drawn by code, and the updates that they make."""

from collections.abc import Sequence
from fractions import Fraction

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle
from matplotlib.path import Path

from hardsample.errors import InputError
from hardsample.numerals import count
from hardsample.report.style import INK, QUIET, RC

WIDTH, HEIGHT = 7.2, 3.75  # inches, which are the diagram's coordinates too
CELL, PITCH, TALLEST = 0.23, 0.27, 0.34  # a mini-batch, the distance to the next, the bar of the greatest loss
PLAIN, CHOSEN = "#dfe3e8", "#efb3c7"  # light enough for text; the second is the colour of δ = 0.5, paler
LOSSES = (0.55, 0.85, 0.3, 1.0, 0.15, 0.7)  # of the six mini-batches drawn; any would do
SELECTED = 3  # δN of them


def update_counts(n_batches: int, epochs: int, deltas: Sequence[float]) -> pd.DataFrame:
    """The updates that E epochs make by hard mini-batches, δ = 1 being ordinary training (paper B, equations 2 to 4).

    Columns: delta, first_pass (N), per_round (δN, on average), rounds (ζ), updates (N + ζδN).

    Raises:
        InputError: N or E is below 1, or a δ is not in (0, 1].
    """
    if n_batches < 1 or epochs < 1:
        raise InputError(f"n_batches is {n_batches} and epochs {epochs}: give at least 1 of each.")
    rows = []
    for delta in deltas:
        if not 0 < delta <= 1:
            raise InputError(f"delta is {delta:g}: give a share above 0, up to 1.")
        exact = Fraction(str(delta))
        per_round, rounds = exact * n_batches, (epochs - 1) / exact  # eq. 2
        updates = n_batches + rounds * per_round  # eq. 4
        rows.append((delta, n_batches, float(per_round), float(rounds), int(updates)))
    return pd.DataFrame(rows, columns=["delta", "first_pass", "per_round", "rounds", "updates"])


def training_methods(n_batches: int, epochs: int) -> Figure:
    """Ordinary mini-batch training (left) and training on hard mini-batches (right), with N and E in numbers."""
    total = f"{n_batches:,} × {epochs:,} = {count(n_batches * epochs, 'update')}"
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(WIDTH, HEIGHT))
        axes = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(0, HEIGHT))
        axes.set_axis_off()
        _ordinary(axes, f"$N \\, E$ = {total}")
        _hard(axes, f"$N + ζ \\, δN = N \\, E$ = {total}, for every δ")
        _legend(axes)
    return figure


def _ordinary(axes: Axes, total: str) -> None:
    """Algorithm 1: all mini-batches through the network, again and again."""
    _frame(axes, 0.08, 0.5, 2.22, 3.17)
    _title(axes, 0.2, "Ordinary training, δ = 1")
    left, right = _mini_batches(axes, 1.19, 2.7, range(len(LOSSES)))
    _text(axes, 1.19, 3.03, "all $N$ mini-batches")
    _arrow(axes, (1.05, 2.65), (1.05, 1.94))
    _network(axes, 1.05, 1.65, "each in turn")
    _arrow(axes, (1.7, 1.65), (2.14, 1.65), (2.14, 2.7 + CELL / 2), (right + 0.05, 2.7 + CELL / 2))
    _text(axes, 2.08, 2.2, "repeat for\n$E$ epochs", ha="right")
    _text(axes, 1.19, 0.68, total)


def _hard(axes: Axes, total: str) -> None:
    """Algorithm 2: once through all mini-batches, then rounds over those of highest loss."""
    _frame(axes, 2.42, 0.5, 4.7, 3.17)
    _title(axes, 2.54, "Hard mini-batches, δ < 1")
    _, right = _mini_batches(axes, 3.41, 2.7, range(len(LOSSES)))
    _text(axes, 3.41, 3.03, "all $N$ mini-batches, once")
    _arrow(axes, (right + 0.05, 2.7 + CELL / 2), (4.4, 2.7 + CELL / 2))
    _network(axes, 4.78, 2.7 + CELL / 2, width=0.74)
    left, _ = _mini_batches(axes, 6.1, 2.7, range(len(LOSSES)), losses=True)
    _arrow(axes, (5.16, 2.7 + CELL / 2), (left - 0.05, 2.7 + CELL / 2))
    _text(axes, 6.1, 3.42, "list of $(b_i, L_i)$")

    _frame(axes, 2.54, 0.86, 4.46, 1.32, linestyle=(0, (4, 2)))
    _text(axes, 2.62, 2.05, "repeat for $ζ = (E - 1)/δ$ rounds", ha="left")
    _arrow(axes, (6.1, 2.65), (6.1, 2.0))
    _text(axes, 6.04, 2.42, "sort by loss, descending", ha="right")
    order = sorted(range(len(LOSSES)), key=LOSSES.__getitem__, reverse=True)
    left, _ = _mini_batches(axes, 6.1, 1.36, order, losses=True, chosen=SELECTED)
    _arrow(axes, (left - 0.05, 1.36 + CELL / 2), (4.17, 1.36 + CELL / 2))
    _text(axes, 4.76, 1.36 + CELL / 2 + 0.1, "the first $δN$")
    _network(axes, 3.5, 1.36 + CELL / 2, "each in turn")
    _arrow(axes, (3.5, 1.19), (3.5, 0.98), (6.1, 0.98), (6.1, 1.31))
    _text(axes, 4.85, 1.08, "their new losses into the list, sort again")
    _text(axes, 4.77, 0.68, total)


def _legend(axes: Axes) -> None:
    """What the marks mean, in one line below."""
    place = 0.12
    for face, height, width, words in (
        (PLAIN, 0.15, 1.12, "mini-batch $b_i$"),
        (INK, 0.2, 1.62, "its loss $L_i$ when last trained"),
        (CHOSEN, 0.15, 2.17, "among the $δN$ of highest loss"),
    ):
        axes.add_patch(Rectangle((place, 0.19), 0.1 if face == INK else 0.15, height, facecolor=face, linewidth=0))
        _text(axes, place + 0.22, 0.265, words, ha="left")
        place += width + 0.25
    _text(axes, WIDTH - 0.1, 0.265, "drawn for $N$ = 6, δ = 0.5", ha="right", color=QUIET)


def _mini_batches(
    axes: Axes, middle: float, bottom: float, order: Sequence[int], *, losses: bool = False, chosen: int = 0
) -> tuple[float, float]:
    """A row of mini-batches, the first ``chosen`` coloured, with bars for their losses; its left and right edge."""
    left = middle - (PITCH * (len(order) - 1) + CELL) / 2
    for position, number in enumerate(order):
        start, color = left + PITCH * position, CHOSEN if position < chosen else PLAIN
        axes.add_patch(Rectangle((start, bottom), CELL, CELL, facecolor=color, edgecolor=INK, linewidth=0.6))
        _text(axes, start + CELL / 2, bottom + CELL / 2, f"$b_{number}$")
        if losses:
            bar = (start + 0.065, bottom + CELL + 0.03), 0.1, TALLEST * LOSSES[number]
            axes.add_patch(Rectangle(*bar, facecolor=INK, linewidth=0))
    return left, 2 * middle - left


def _network(axes: Axes, x: float, y: float, how: str = "", width: float = 1.3) -> None:
    """The network as a box around (x, y), with what it does to a mini-batch where there is room for it."""
    height = 0.54 if how else 0.4
    _frame(axes, x - width / 2, y - height / 2, width, height, facecolor="#f6f3ec", edgecolor=INK)
    lines = ("network", f"{how}: forward,", "backward, update") if how else ("network",)
    for line, text in enumerate(lines):
        place = y + 0.15 * ((len(lines) - 1) / 2 - line)
        _text(axes, x, place, text, fontweight="normal" if line else "bold")


def _frame(axes: Axes, left: float, bottom: float, width: float, height: float, **look) -> None:
    look = {"facecolor": "none", "edgecolor": RC["axes.edgecolor"], "linewidth": 0.8} | look
    shape = "round,pad=0,rounding_size=0.05"
    axes.add_patch(FancyBboxPatch((left, bottom), width, height, boxstyle=shape, **look))


def _title(axes: Axes, left: float, title: str) -> None:
    axes.text(left, 3.48, title, va="center", color=INK, fontsize=RC["axes.titlesize"], fontweight="bold")


def _arrow(axes: Axes, *points: tuple[float, float]) -> None:
    """An arrow along the points."""
    axes.add_patch(
        FancyArrowPatch(path=Path(points), arrowstyle="-|>", mutation_scale=8, color=INK, linewidth=0.9, shrinkA=0)
    )


def _text(axes: Axes, x: float, y: float, text: str, *, ha: str = "center", color: str = INK, **look) -> None:
    axes.text(x, y, text, ha=ha, va="center", color=color, fontsize=7.5, **look)
