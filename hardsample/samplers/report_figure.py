"""The picture of a sampler's report."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from hardsample.samplers.report import SamplerReport

_INK, _QUIET, _FILL, _MARK = "#262626", "#6e6e6e", "#56b4e9", "#d55e00"
_STYLE: dict[Any, Any] = {
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}
_BINS = 40
_NAMED = 26  # classes whose names fit below the axis


def draw(report: "SamplerReport") -> Figure:
    """A panel of how often examples were drawn, and, where they are known, of values and of classes."""
    panels: list[Callable[[Axes, SamplerReport], None]] = [_draws]
    panels += [_values] if report.hardest else []
    panels += [_classes] if report.classes else []
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(0.3 + 3.0 * len(panels), 2.6))
        figure.set_layout_engine("constrained", w_pad=0.1, wspace=0.06)
        figure.suptitle(str(report).splitlines()[0], x=0.02, ha="left", fontsize=8.5, color=_QUIET)
        for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
            panel(axes, report)
            axes.tick_params(color=_QUIET)
    return figure


def _draws(axes: Axes, report: "SamplerReport") -> None:
    edges = np.unique(np.linspace(0, report.draws.max() + 1, _BINS + 1).round()) - 0.5
    axes.hist(report.draws, edges.tolist(), color=_FILL)
    axes.set(title="How often each was drawn", xlabel="draws", ylabel="examples", yscale="symlog", xlim=(-0.5, None))
    axes.yaxis.set_major_formatter("{x:,.0f}")
    _mark(axes, report.draws.mean(), " mean", "left")


def _values(axes: Axes, report: "SamplerReport") -> None:
    found = np.array([value for value in report.frame()["value"] if value > 0] or [1.0])
    axes.hist(found, np.geomspace(found[-1] * 0.99, found[0] * 1.01, _BINS + 1).tolist(), color=_FILL)
    axes.set(title="Values when last seen", xlabel="value", ylabel="examples", xscale="log")
    _mark(axes, found[: report.top][-1], f"top {report.top:,} ", "right")


def _classes(axes: Axes, report: "SamplerReport") -> None:
    places = np.arange(len(report.classes))
    draws, data = [100 * one.draws for one in report.classes], [100 * one.data for one in report.classes]
    axes.bar(places, draws, color=_FILL, label="draws")
    axes.plot(places, data, "_", color=_INK, markersize=180 / max(20, len(places)), label="data")
    axes.set(title="Classes", xlabel="label", ylabel="share, %", ylim=(0, 1.3 * max(draws + data)))
    axes.legend(loc="upper right", ncols=2, borderaxespad=0, handlelength=1.2, columnspacing=1)
    if len(places) <= _NAMED:
        axes.set_xticks(places, [str(one.label) for one in report.classes])


def _mark(axes: Axes, place: float, words: str, side: str) -> None:
    """A dashed line at a place of the horizontal axis, and words beside it."""
    axes.axvline(place, color=_MARK, linewidth=1.2, linestyle="--")
    axes.text(place, 0.98, words, color=_MARK, fontsize=7.5, va="top", ha=side, transform=axes.get_xaxis_transform())
