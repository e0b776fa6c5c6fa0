"""How every figure looks: style and palette, every method's look, and the page around the axes.

Figures are plain :class:`matplotlib.figure.Figure` objects, never pyplot's, so drawing one changes no global state.
"""

import math
import textwrap
import zlib
from collections.abc import Iterable, Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hardsample.methods.registry import LOOKS, Look
from hardsample.numerals import number

_OF_WINDOWS = ("backend", "backend_fallback", "interactive", "toolbar")
RC = {name: value for name, value in matplotlib.rcParamsDefault.items() if name not in _OF_WINDOWS} | {
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
"""Every setting that a figure depends on, matplotlib's own where it is not ours: what a reader's matplotlibrc says does
not count."""
INK, QUIET, NOTICE = "#262626", "#6e6e6e", "#a63603"


# Okabe and Ito's colours, told apart by colour-blind readers; each also has its own dashes and marker for grey prints.
Style, STYLES = Look, LOOKS  # each method brings its own, where it is registered
_SPARE_COLORS = ("#e69f00", "#56b4e9", "#b3a100", "#7b4fa3", "#8c564b")
_SPARE_MARKS = (
    ((0, (3, 1, 1, 1, 1, 1)), "P"),
    ((0, (6, 2)), "X"),
    ((0, (2, 1)), "<"),
    ((0, (1, 2)), ">"),
    ((0, (8, 2, 2, 2)), "h"),
)
SPARE_STYLES = tuple(
    Look(color, *_SPARE_MARKS[(place + turn) % len(_SPARE_MARKS)])
    for turn in range(len(_SPARE_MARKS))
    for place, color in enumerate(_SPARE_COLORS)
)


def looks(methods: Iterable[str]) -> dict[str, Look]:
    """Every method's look in one figure, no two alike, in the order of the palette.

    A method has its own look; a spare one, if it can the same in every figure, where it has none or another method has
    it too.
    """
    found: dict[str, Look] = {}
    for method in in_order(methods):
        first = zlib.crc32(method.encode()) % len(SPARE_STYLES)
        spare = SPARE_STYLES[first:] + SPARE_STYLES[:first]
        choices = (STYLES[method], *spare) if method in STYLES else spare
        free = (look for look in choices if not any(_alike(look, other) for other in found.values()))
        found[method] = next(free, choices[0])
    return found


def _alike(one: Look, other: Look) -> bool:
    return one.color == other.color and (one.line == other.line or one.marker == other.marker)


def style(method: str) -> Look:
    """The look of a method that is alone in its figure: its own, or a spare one."""
    return looks([method])[method]


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


def handle(method: str, look: Look) -> Line2D:
    """The method's entry in a legend."""
    return Line2D([], [], color=look.color, linestyle=look.line, marker=look.marker, markersize=4, label=method)


def final_values(
    axes: Axes, finals: Mapping[str, float], looks: Mapping[str, Look], text=lambda method, value: number(value, 3)
) -> None:
    """Write the final means beside the right edge, pushed apart where they would overlap.

    Where methods share a colour each number has its method's marker too.
    """
    finals = {method: value for method, value in finals.items() if np.isfinite(value)}
    order = sorted(finals, key=finals.get)
    heights = [
        axes.transAxes.inverted().transform(axes.transData.transform((0, finals[method])))[1] for method in order
    ]
    shared = len({looks[method].color for method in finals}) < len(finals)
    least = 9.5 / 72 / (axes.get_position().height * axes.figure.get_figheight())
    for method, height in zip(order, _spread(heights, least), strict=True):
        look, place = looks[method], axes.transAxes
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
            together = groups[-1][1] + count
            half = min(least * (together - 1) / 2, 0.5)
            mean = (groups[-1][0] * groups[-1][1] + centre * count) / together
            groups[-1] = [float(np.clip(mean, half, 1 - half)), together]
    return np.array([centre + least * (k - (count - 1) / 2) for centre, count in groups for k in range(count)])
