"""The axes of metrics: what they hold, how they are spaced, and a mark wherever something drawn lies beyond them."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.ticker import MaxNLocator, NullLocator

from hardsample.numerals import short
from hardsample.report.style import QUIET

BAND_FROM = 6  # seeds; of fewer every one is drawn
BEGINNING = 0.2  # of the epochs: where it alone would take up most of an axis, the axis leaves it out
HIGH_ACCURACY = 0.8  # above it accuracies are spaced by the logarithm of the error
ZERO_ERROR = 1e-3  # is added to an error before its logarithm is taken, so that an accuracy of 1 has a place
ACCURACY_TICKS = (0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 1.0)
LOSS_TICKS = tuple(float(f"{digit}e{power}") for power in range(-6, 7) for digit in (1, 1.5, 2, 3, 5, 7))
CUT = "Triangles: what is cut off, and the value that it reaches."
_FILLED, _APART, _OUTLIER, _DEEP = 0.45, 0.4, 30, 3  # shares of an axis, factors of a median and of a minimum
_ROOM = 0.05  # at both ends of an axis


def banded(rows: pd.DataFrame) -> bool:
    """Has a curve, given its points, enough seeds for a band of ± 2 standard deviations?"""
    return bool(rows.n.max() >= BAND_FROM)


def band(rows: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """The ends of the band of a curve's points: mean ± 2 standard deviations, but no share below 0 or above 1."""
    low, high = rows["mean"] - 2 * rows.sd, rows["mean"] + 2 * rows.sd
    bounded = ~rows.metric.str.startswith("loss")
    return low.where(~bounded, low.clip(lower=0)), high.where(~bounded, high.clip(upper=1))


def drawn(points: pd.DataFrame) -> pd.DataFrame:
    """Everything that is drawn of the points: finite values, each with its epoch, in the columns epoch and value.

    Means, the bands of curves with enough seeds and the seeds of the others, and every seed's final value.
    """
    seeds = [column for column in points if column.startswith("seed ")]
    parts = [points[["epoch", "mean"]].to_numpy(float)]
    for _, rows in points.groupby(["panel", "method"], sort=False):
        around = np.column_stack(band(rows) if banded(rows) else [rows[seed] for seed in seeds]).astype(float)
        parts += [np.column_stack((rows.epoch, values)) for values in around.T]
        final = rows[seeds].iloc[-1].to_numpy(float)
        parts.append(np.column_stack((np.full(len(final), rows.epoch.iloc[-1]), final)))
    found = pd.DataFrame(np.concatenate(parts).astype(float), columns=["epoch", "value"])
    return found[np.isfinite(found.value)]


@dataclasses.dataclass(frozen=True)
class Scale:
    """A y axis: its ends and its ``spacing``, "linear", "log", or "error".

    "error" is linear up to an accuracy of 0.8, and above by the logarithm of the error.
    """

    spacing: str
    low: float
    high: float

    def apply(self, axes: Axes) -> None:
        """Give the axes these ends, this spacing, and ticks."""
        if self.spacing == "error":
            axes.set_yscale("function", functions=(_stretched, _unstretched))
        else:
            axes.set_yscale(self.spacing)
        axes.set_ylim(self.low, self.high)
        if self.spacing == "linear":
            set_ticks(axes, round_ticks(self.low, self.high, 6))
        elif self.spacing == "log":
            narrow = self.high < 5 * self.low
            set_ticks(axes, round_ticks(self.low, self.high, 8) if narrow else LOSS_TICKS, np.log10)
        else:
            count = 10 if self.low > HIGH_ACCURACY else 6
            narrow = 1 - self.low < 5 * (1 - self.high) or self.high < 0.95
            set_ticks(axes, round_ticks(self.low, self.high, count) if narrow else ACCURACY_TICKS, _stretched)

    def beyond(self, values: pd.Series) -> pd.Series:
        """Which of the values lie beyond the axis."""
        return (values < self.low) | (values > self.high)


def round_ticks(low: float, high: float, count: int) -> np.ndarray:
    """Multiples of 1, 2 or 5 times a power of ten between two ends, about ``count`` or fewer."""
    rough = (high - low) / count
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(size * power for size in (1, 2, 5, 10) if size * power >= 0.8 * rough)
    return step * np.arange(np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9) + 1)


def set_ticks(axes: Axes, candidates: Iterable[float], stretch=np.asarray) -> None:
    """As many of the candidates as stand well apart where ``stretch`` puts them, the roundest and highest first."""
    low, high = axes.get_ylim()
    words = {short(tick, digits=10): float(tick) for tick in candidates if low <= tick <= high}
    apart, ticks = 0.13 * (stretch(high) - stretch(low)), {}
    for word in sorted(words, key=lambda word: (len(word), -words[word])):
        if all(abs(stretch(words[word]) - stretch(tick)) > apart for tick in ticks.values()):
            ticks[word] = words[word]
    axes.set_yticks(list(ticks.values()), list(ticks))
    axes.yaxis.set_minor_locator(NullLocator())


def _stretched(accuracy):
    accuracy, room = np.asarray(accuracy, dtype=float), 1 - HIGH_ACCURACY
    logs = np.log((room + ZERO_ERROR) / np.maximum(1 - accuracy + ZERO_ERROR, 1e-9))
    return np.where(accuracy > HIGH_ACCURACY, HIGH_ACCURACY + room * logs, accuracy)


def _unstretched(stretched):
    stretched, room = np.asarray(stretched, dtype=float), 1 - HIGH_ACCURACY
    errors = (room + ZERO_ERROR) * np.exp(-np.maximum(stretched - HIGH_ACCURACY, 0) / room) - ZERO_ERROR
    return np.where(stretched > HIGH_ACCURACY, 1 - errors, stretched)


def accuracy_scale(points: pd.DataFrame) -> Scale:
    """Of accuracies: linear up to 0.8, and above spaced by the logarithm of the error.

    There 0.90 to 0.95 is as far as 0.80 to 0.90, and both can be read.
    """
    values = drawn(points)
    if values.empty:
        return Scale("linear", 0, 1)
    kept = _without_beginning(values.assign(value=_stretched(values.value)))
    low, high = (float(_unstretched(end)) for end in _with_room(kept.min(), kept.max(), 0.002))
    return Scale("error" if high > HIGH_ACCURACY else "linear", low, high)


def loss_scale(points: pd.DataFrame, *, whole: bool = False) -> Scale:
    """Of losses: logarithmic, so that a method with ten times the loss of the others leaves them readable.

    Beyond it lie the curves that end above thirty times the median, and what of a band lies below a third of the least
    mean; and the first epochs, unless it is to hold the ``whole``.
    """
    curve = [points.panel, points.method]
    ends = points.groupby(curve, sort=False)["mean"].transform("last")
    finals = points.groupby(curve, sort=False)["mean"].last()
    points = points[~(ends > _OUTLIER * finals[finals > 0].median())]
    values, means = drawn(points), points["mean"][points["mean"] > 0]
    values = values[values.value >= means.min() / _DEEP]
    if values.empty:
        return Scale("log", 0.1, 10)
    logs = values.assign(value=np.log10(values.value))
    kept = logs.value if whole else _without_beginning(logs)
    low, high = _with_room(kept.min(), kept.max(), 0.03)
    return Scale("log", float(10**low), float(10**high))


def linear_loss_scale(points: pd.DataFrame) -> Scale:
    """Of losses, from 0 to all that is drawn, but to no more than twice the greatest mean at the start."""
    values, means = drawn(points).value, points["mean"]
    if values.empty:
        return Scale("linear", 0, 1)
    start = means[points.epoch == points.epoch.min()].max()
    return Scale("linear", 0, 1.05 * float(np.nanmin([values.max(), 2 * start])))


def _without_beginning(values: pd.DataFrame) -> pd.Series:
    """The values after the first epochs, if those would take up most of the axis; else all."""
    later = values.value[values.epoch >= BEGINNING * values.epoch.max()]
    return later if np.ptp(later) < _FILLED * np.ptp(values.value) else values.value


def _with_room(low: float, high: float, least: float) -> tuple[float, float]:
    room = _ROOM * max(high - low, least)
    return float(low - room), float(high + room)


def of_rows(points: pd.DataFrame, metrics: Sequence[str], panels: Sequence[str]) -> tuple[dict, bool]:
    """Scales by (metric, panel) for a grid of axes, and whether the panels of a row have scales of their own.

    A row shares one scale, unless in some row a panel would fill less than two fifths of it.
    """
    own, joint = {}, {}
    for metric in metrics:
        of_metric = points[points.metric == metric]
        make = loss_scale if metric.startswith("loss") else accuracy_scale
        joint[metric] = make(of_metric)
        for panel in panels:
            of_panel = of_metric[of_metric.panel == panel]
            own[metric, panel] = joint[metric] if of_panel.empty else make(of_panel)
    apart = any(_extent(scale) < _APART * _extent(joint[metric]) for (metric, _), scale in own.items())
    return own if apart else {(metric, panel): joint[metric] for metric, panel in own}, apart


def _extent(scale: Scale) -> float:
    stretch = np.log if scale.spacing == "log" else _stretched
    return float(stretch(scale.high) - stretch(scale.low))


def cuts(points: pd.DataFrame, scales: Mapping[tuple[str, str], Scale]) -> bool:
    """Does anything drawn of the points lie beyond its scale?"""
    parts = points.groupby(["metric", "panel"], sort=False)
    return any(scales[cell].beyond(drawn(rows).value).any() for cell, rows in parts if cell in scales)


def epochs_axis(axes: Axes, end: float, room: float) -> None:
    """Epochs 0 to ``end``, and ``room`` beyond as a share of them."""
    axes.set_xlim(0, end * (1 + room))
    axes.set_xticks([tick for tick in MaxNLocator(6, steps=[1, 2, 5, 10]).tick_values(0, end) if tick <= end * 1.001])


def chance_line(axes: Axes, chance: float | None) -> None:
    """The accuracy of a uniform guess, where it lies within the axes."""
    low, high = axes.get_ylim()
    if chance is not None and low < chance < high:
        axes.axhline(chance, color=QUIET, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1.5)
        beside = {"xytext": (0, 2), "textcoords": "offset points", "ha": "right", "va": "bottom", "fontsize": 7}
        axes.annotate("chance", (0.99, chance), xycoords=axes.get_yaxis_transform(), color=QUIET, **beside)


def mark_cuts(axes: Axes) -> None:
    """A triangle at the edge wherever a line, dot or band goes on beyond the y axis, with the furthest value of lines.

    What is cut at neighbouring epochs has one mark together, in its method's colour if it is of one alone.
    """
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    found = pd.DataFrame(list(_vertices(axes)), columns=["x", "y", "color", "line"]).sort_values("x", kind="stable")
    apart = max(0.1 * (right - left), 1.1 * np.diff(found.x.unique()).max(initial=0))
    for edge, marker, out, furthest in (
        (0, "v", found.y < low, "min"),
        (1, "^", found.y > high, "max"),
    ):
        cut = found[out]
        groups = (cut.x.diff() > apart).cumsum()
        for _, own in cut.groupby(groups):
            begins = own.x.min() <= found.x.min()
            lines = own[own.line]
            value = short(getattr(lines.y, furthest)(), digits=2) if len(lines) else ""
            inside = found.x[(found.x > own.x.max()) & ~out]
            place = inside.min() if begins and len(inside) else own.x.min()
            color = own.color.iloc[0] if own.color.nunique() == 1 else QUIET
            _mark(axes, place, edge, marker, f"from {value}" if begins and value else value, color)


def _mark(axes: Axes, x: float, edge: int, marker: str, text: str, color: str) -> None:
    left, right = axes.get_xlim()
    turned = x > left + 0.7 * (right - left)
    axes.plot(x, edge, marker, color=color, markersize=4.5, transform=axes.get_xaxis_transform(), clip_on=False)
    axes.annotate(
        text,
        (x, edge),
        (-5 if turned else 5, -2 if edge else 2),
        xycoords=axes.get_xaxis_transform(),
        textcoords="offset points",
        ha="right" if turned else "left",
        va="top" if edge else "bottom",
        color=color,
        fontsize=7,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.6},
    )


def _vertices(axes: Axes):
    """(x, y, colour, is it of a line or dot) of all that is drawn in the data's coordinates."""
    for line in axes.lines:
        if line.get_transform() == axes.transData:
            for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True):
                if np.isfinite(y):
                    yield float(x), float(y), to_hex(line.get_color()), True
    for collection in axes.collections:
        color = to_hex(collection.get_facecolor()[0]) if len(collection.get_facecolor()) else QUIET
        for path in collection.get_paths():
            yield from ((float(x), float(y), color, False) for x, y in path.vertices)
