"""Paired comparisons as rows of a figure: a dot for every seed, their mean and its interval, and what is cut marked."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.transforms import ScaledTranslation

from hardsample.numerals import short
from hardsample.report.scales import round_ticks
from hardsample.report.style import QUIET

_MARGIN = 0.37  # inches
CUT = "Triangles: beyond the axis, with the values there."


def limits(values: np.ndarray, *, fence: float = 3.0) -> tuple[float, float]:
    """The ends of a linear axis that holds 0 and all finite values but outliers.

    An outlier lies more than ``fence`` interquartile ranges beyond the quartiles.
    """
    values = np.asarray(values, dtype=float)
    values = values[np.isfinite(values)]
    if not len(values):
        return -1.0, 1.0
    quartiles = np.quantile(values, (0.25, 0.75))
    reach = fence * (quartiles[1] - quartiles[0])
    within = values[(values >= quartiles[0] - reach) & (values <= quartiles[1] + reach)]
    low, high = min(within.min(), 0.0), max(within.max(), 0.0)
    room = (high - low) or 1.0
    return float(low - 0.06 * room), float(high + 0.06 * room)


def beyond(values: np.ndarray, ends: Sequence[float]) -> tuple[bool, bool]:
    """Does any value lie to the left of those ends, and does any to the right?"""
    return bool((np.asarray(values) < ends[0]).any()), bool((np.asarray(values) > ends[1]).any())


def differences_axis(
    axes: Axes, ends: Sequence[float], methods: Sequence[str], cut: tuple[bool, bool] = (False, False)
) -> None:
    """A linear axis of differences between those ends, with signs at its ticks, and a line for every method.

    Where something is ``cut`` there is a margin for its marks beyond the end, under which nothing else lies.
    """
    inches = axes.get_position().width * axes.figure.get_figwidth()
    margins = [_MARGIN * (ends[1] - ends[0]) / (inches - _MARGIN * sum(cut)) * side for side in cut]
    axes.set_xlim(ends[0] - margins[0], ends[1] + margins[1])
    for end, side in zip(ends, cut, strict=True):
        if side:
            axes.axvline(end, color=QUIET, linewidth=0.6, linestyle=(0, (1, 2)), zorder=1)
    ticks = _ticks(ends, inches - _MARGIN * sum(cut))
    axes.set_xticks(ticks, [signed(tick) for tick in ticks])
    axes.set_ylim(max(len(methods), 1) - 0.5, -0.5)
    axes.set_yticks(range(len(methods)), methods)
    axes.tick_params(axis="y", length=0, pad=2, labelsize=8)
    axes.grid(axis="y", visible=False)
    for place in range(0, len(methods), 2):
        axes.axhspan(place - 0.5, place + 0.5, color="#f4f4f4", linewidth=0, zorder=0)
    axes.axvline(0, color=QUIET, linewidth=0.9, zorder=1)


def _ticks(ends: Sequence[float], inches: float) -> Sequence[float]:
    """As many round numbers as have room for their labels on an axis of that length."""
    for most in range(max(2, int(inches / 0.26)), 1, -1):
        ticks = round_ticks(*ends, most)
        widest = max((len(signed(tick)) for tick in ticks), default=0)
        if len(ticks) < 3 or (ticks[1] - ticks[0]) / (ends[1] - ends[0]) * inches > 0.08 + 0.062 * widest:
            break
    return ticks


def signed(value: float) -> str:
    """A difference with its sign: "+0.5", "−2", "0"."""
    return short(0.0 if abs(value) < 1e-12 else value, "+", 3).replace("-", "\N{MINUS SIGN}")


def comparison(
    axes: Axes,
    height: float,
    seeds: Sequence[float],
    mean: float,
    interval: Sequence[float],
    ends: Sequence[float],
    *,
    color: str,
    marker: str,
    filled: bool = True,
) -> None:
    """Draw one comparison at that height of an axis with those ends: mean and interval, and under them the seeds.

    What lies beyond an end has a triangle at the edge, with the mean's value if it is the mean that does, and with the
    furthest seed's.
    """
    seeds, interval = np.asarray(seeds, dtype=float), np.asarray(interval, dtype=float)
    seeds, interval = seeds[np.isfinite(seeds)], interval[np.isfinite(interval)]
    if len(interval):
        shown = np.clip(interval, *ends)
        axes.plot(shown, (height, height), color=color, linewidth=3.6, alpha=0.35, solid_capstyle="butt")
    under = axes.transData + ScaledTranslation(0, -3.4 / 72, axes.figure.dpi_scale_trans)
    dots = {"markersize": 5.5, "markeredgewidth": 0, "alpha": 0.75, "transform": under, "zorder": 3.5}
    within = seeds[(seeds >= ends[0]) & (seeds <= ends[1])]
    axes.plot(within, np.full(len(within), height), ".", color=color, **dots)
    face = {"color": color, "markerfacecolor": color if filled else "white", "markeredgewidth": 1}
    if ends[0] <= mean <= ends[1]:
        axes.plot(mean, height, marker, markersize=4.8, zorder=4, **face)
    for edge, sign, shape in ((0, -1, "<"), (1, 1, ">")):
        out, wide = (values[sign * (values - ends[edge]) > 0] for values in (seeds, interval))
        lost = sign * (mean - ends[edge]) > 0
        if not len(out) and not len(wide) and not lost:
            continue
        place = axes.get_yaxis_transform()
        axes.plot(edge, height, shape, markersize=4.5, transform=place, clip_on=False, zorder=5, **face)
        furthest = signed(out[np.abs(out).argmax()]) if len(out) else ""
        text = ", to ".join(filter(None, (f"mean {signed(mean)}" if lost else "", furthest)))
        beside = {"textcoords": "offset points", "ha": "right" if edge else "left", "va": "center_baseline"}
        beside["bbox"] = {"facecolor": "white", "edgecolor": "none", "alpha": 0.6, "pad": 0.3}
        axes.annotate(text, (edge, height), (-5 * sign, 0), xycoords=place, color=color, fontsize=7, **beside)
