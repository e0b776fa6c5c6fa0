"""How every figure looks: style and palette, the scales of the metrics, and the page around the axes.

Figures are plain :class:`matplotlib.figure.Figure` objects, never pyplot's, so drawing one changes no global state.
"""

import math
import textwrap
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, NullLocator

from hardsample.methods.registry import LOOKS, Look
from hardsample.numerals import number

RC = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.labelsize": 8.5,
    "axes.edgecolor": "#8c8c8c",
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.6,
    "xtick.color": "#8c8c8c",
    "ytick.color": "#8c8c8c",
    "xtick.labelcolor": "#262626",
    "ytick.labelcolor": "#262626",
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "lines.linewidth": 1.5,
    "figure.dpi": 100,
    "pdf.fonttype": 42,
    "savefig.dpi": 200,
    "text.usetex": False,
}
LEAST_ERROR = 5e-4  # what an accuracy of 1 is drawn as, on an axis of the error's logarithm
ACCURACY_TICKS = (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999)
LOW_ACCURACY_TICKS = (0, 0.005, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.25, 0.3)
LOSS_TICKS = tuple(float(f"{digit}e{power}") for power in range(-6, 7) for digit in (1, 1.5, 2, 3, 5, 7))
INK, QUIET, NOTICE = "#262626", "#6e6e6e", "#a63603"


# Okabe and Ito's colours, told apart by colour-blind readers; each also has its own dashes and marker for grey prints.
Style, STYLES = Look, LOOKS  # each method brings its own, where it is registered
SPARE_STYLES = (
    Look("#e69f00", (0, (3, 1, 1, 1, 1, 1)), "P"),
    Look("#56b4e9", (0, (6, 2)), "X"),
    Look("#b3a100", (0, (2, 1)), "<"),
    Look("#7b4fa3", (0, (1, 2)), ">"),
)


def style(method: str) -> Look:
    """The method's look; one that has none of its own gets a spare one, always the same."""
    return STYLES.get(method) or SPARE_STYLES[zlib.crc32(method.encode()) % len(SPARE_STYLES)]


def in_order(*groups: Iterable[str]) -> list[str]:
    """The methods of all groups, each once, in the order of the palette."""
    found = dict.fromkeys(method for group in groups for method in group)
    return sorted(found, key=lambda method: list(STYLES).index(method) if method in STYLES else len(STYLES))


def page(
    shape: tuple[int, int],
    *,
    size: tuple[float, float],
    gap: tuple[float, float],
    right: float,
    bottom: float,
    heading: str,
    handles: Sequence[Line2D],
    caption: str,
    left: float = 0.66,
    notice: bool = False,
) -> tuple[Figure, np.ndarray]:
    """Axes [rows, columns] of exactly ``size`` inches, the heading and one legend above them, the caption below.

    The heading is red where it is a ``notice``: the data are not the paper's.
    """
    (rows, columns), line = shape, 0.15
    width = left + columns * size[0] + (columns - 1) * gap[0] + right
    unbroken = caption.replace(" = ", "\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}")
    lines = textwrap.wrap(unbroken, int((width - 0.3) * 17.5), break_on_hyphens=False)
    bottom += 0.12 + line * len(lines)
    legend_width = sum(0.54 + 0.065 * len(handle.get_label()) for handle in handles)
    legend_rows = max(1, math.ceil(legend_width / (width - left - 0.1)))
    top = 0.74 + 0.17 * (legend_rows - 1)
    height = top + rows * size[1] + (rows - 1) * gap[1] + bottom
    figure = Figure(figsize=(width, height))
    grid = figure.subplots(
        rows,
        columns,
        squeeze=False,
        gridspec_kw={
            "left": left / width,
            "right": 1 - right / width,
            "top": 1 - top / height,
            "bottom": bottom / height,
            "wspace": gap[0] / size[0],
            "hspace": gap[1] / size[1],
        },
    )
    figure.text(0.12 / width, 0.1 / height, "\n".join(lines), color=QUIET, fontsize=7.5, va="bottom", linespacing=1.25)
    left = grid[0, 0].get_position().x0
    ink = NOTICE if notice else INK
    figure.text(left, 1 - 0.1 / height, heading, va="top", color=ink, fontsize=9, fontweight="bold")
    figure.legend(
        handles=list(handles),
        loc="upper left",
        bbox_to_anchor=(left - 0.07 / width, 1 - 0.25 / height),
        ncols=math.ceil(len(handles) / legend_rows),
        handlelength=2.4,
        columnspacing=1.4,
        borderaxespad=0,
        borderpad=0.1,
    )
    return figure, grid


def handle(method: str) -> Line2D:
    """The method's entry in a legend."""
    look = style(method)
    return Line2D([], [], color=look.color, linestyle=look.line, marker=look.marker, markersize=4, label=method)


def accuracy_scale(axes: Axes, points: pd.DataFrame) -> None:
    """Even steps for equal factors of the error: 0.90 to 0.95 is as far as 0.80 to 0.90, and both can be read."""
    best = points["mean"].max() if points["mean"].notna().any() else 0.9
    top = min(1 - max((1 - best) / 1.25, LEAST_ERROR), max(1.25 * best, 0.02))
    axes.set_yscale("function", functions=(_error_scale, lambda scaled: 1 - 10**-scaled))
    axes.set_ylim(0, top)
    set_ticks(axes, ACCURACY_TICKS if top > 0.3 else LOW_ACCURACY_TICKS, _error_scale)


def _error_scale(accuracy):
    return -np.log10(np.maximum(1 - np.asarray(accuracy), LEAST_ERROR))


def loss_scale(axes: Axes, points: pd.DataFrame) -> None:
    """Logarithmic, so that a method with ten times the loss of the others leaves them readable."""
    means = points["mean"][points["mean"] > 0]
    low, high = (means.min() / 1.25, means.max() * 1.25) if len(means) else (0.1, 10.0)
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    set_ticks(axes, LOSS_TICKS, np.log10)


def linear_loss_scale(axes: Axes, points: pd.DataFrame) -> None:
    """From 0 to the greatest mean, but to no more than twice the greatest at the start."""
    means = points["mean"]
    start = means[points.epoch == points.epoch.min()].max()
    high = 1.05 * min(means.max(), 2 * start) if means.notna().any() else 1.0
    axes.set_ylim(0, high)
    axes.set_yticks([tick for tick in MaxNLocator(5).tick_values(0, high) if 0 <= tick <= high])


def set_ticks(axes: Axes, candidates: Sequence[float], scale: Callable) -> None:
    """As many of the candidates as stand well apart on that scale, from the top down."""
    low, high = axes.get_ylim()
    ticks: list[float] = []
    for tick in sorted((tick for tick in candidates if low <= tick <= high), reverse=True):
        if not ticks or scale(ticks[-1]) - scale(tick) > 0.11 * (scale(high) - scale(low)):
            ticks.append(tick)
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.yaxis.set_minor_locator(NullLocator())


def epochs_axis(axes: Axes, end: float, room: float) -> None:
    """Epochs 0 to ``end``, and ``room`` beyond as a share of them."""
    axes.set_xlim(0, end * (1 + room))
    axes.set_xticks([tick for tick in MaxNLocator(6, steps=[1, 2, 5, 10]).tick_values(0, end) if tick <= end * 1.001])


def final_values(axes: Axes, finals: Mapping[str, float], text=lambda method, value: number(value, 3)) -> None:
    """Write the final means beside the right edge, pushed apart where they would overlap.

    Where methods share a colour each number has its method's marker too.
    """
    finals = {method: value for method, value in finals.items() if np.isfinite(value)}
    order = sorted(finals, key=finals.get)
    heights = [
        axes.transAxes.inverted().transform(axes.transData.transform((0, finals[method])))[1] for method in order
    ]
    shared = len({style(method).color for method in finals}) < len(finals)
    least = 9.5 / 72 / (axes.get_position().height * axes.figure.get_figheight())
    for method, height in zip(order, _spread(heights, least), strict=True):
        look, place = style(method), axes.transAxes
        if shared:
            axes.plot(1.035, height, look.marker, color=look.color, markersize=4, transform=place, clip_on=False)
        left, label = 1.065 if shared else 1.02, text(method, finals[method])
        axes.text(left, height, label, transform=place, va="center", color=look.color, fontsize=7.5)


def _spread(heights: Sequence[float], least: float) -> np.ndarray:
    """Ascending heights moved as little as it takes to keep ``least`` between neighbours: pool what collides."""
    groups: list[list[float]] = []  # centre, count
    for height in heights:
        groups.append([float(np.clip(height, 0.02, 0.98)), 1])
        while len(groups) > 1 and groups[-1][0] - groups[-2][0] < least * (groups[-1][1] + groups[-2][1]) / 2:
            centre, count = groups.pop()
            groups[-1] = [
                (groups[-1][0] * groups[-1][1] + centre * count) / (groups[-1][1] + count),
                groups[-1][1] + count,
            ]
    return np.array([centre + least * (k - (count - 1) / 2) for centre, count in groups for k in range(count)])
