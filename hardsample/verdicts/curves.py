"""The main figures as curves that can be looked into: seeds on and off, and the value under the pointer, by Bokeh.

The page holds Bokeh's core, compressed, and unpacks it when the first of these figures is opened. What is drawn stands
in the figures' own .csv files; looks and scales are those of the pictures.
"""

import base64
import dataclasses
import gzip
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import bokeh
import pandas as pd
from bokeh.document import Document
from bokeh.models import ColumnDataSource, HoverTool, Line, MultiLine, Range1d, Scatter, Span, VArea
from bokeh.plotting import figure
from markupsafe import Markup
from matplotlib.colors import to_hex

from hardsample.experiments.hard_samples import METRIC_TITLES
from hardsample.experiments.panels import Experiment
from hardsample.experiments.shipped import shipped
from hardsample.numerals import number
from hardsample.report import scales
from hardsample.report.figures import panel_looks, place, seed_columns, stem
from hardsample.report.style import QUIET, Look, in_order
from hardsample.report.wording import data_statement
from hardsample.verdicts.gallery import anchor, group
from hardsample.verdicts.gallery import title as title_of
from hardsample.verdicts.swatches import swatch

SHOWN = {
    **{f"base-values/figure-{number}": ("acc/val", "loss/val") for number in (1, 2, 3, 4)},
    "hard-samples/figure-1": ("loss/train",),
    **dict.fromkeys(("hard-samples/figure-3", "hard-samples/figure-5"), ("acc/val", "acc/train")),
}
"""The figures, and which of their metrics."""
_ON = "sd19-letters", "cifar10-rebuilt", "cifar100"
_MARKERS = {"o": "circle", "s": "square", "D": "diamond", "^": "triangle", "v": "inverted_triangle", "X": "x"}
_THICK, _HEIGHT = 2, 280  # pixels
_DIGITS = 4  # of what is drawn, after the point


@dataclasses.dataclass(frozen=True)
class Interactive:
    """A figure's plots: ``plots`` are their names and titles, in the order of the document's roots.

    ``curves`` are the methods with their looks; ``document`` is Bokeh's, as JSON, :func:`packed`; ``picture`` is what
    links to the static figure lead to.
    """

    name: str
    title: str
    data: str
    picture: str
    curves: tuple[tuple[str, Markup], ...]
    plots: tuple[tuple[str, str], ...]
    document: str


def library() -> str:
    """Bokeh's core for the browser, :func:`packed`."""
    code = Path(bokeh.__file__).parent / "server" / "static" / "js" / "bokeh.min.js"
    return packed(code.read_text())


def packed(text: str) -> str:
    """A text compressed, in base64: what a browser's DecompressionStream unpacks. Equal texts give equal ones."""
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def interactive() -> list[Interactive]:
    """Those of the figures that have been drawn."""
    drawn = ((experiment, stem(experiment).with_suffix(".csv")) for experiment, _ in shipped(SHOWN))
    return [
        _interactive(experiment, pd.read_csv(path))
        for experiment, path in drawn
        if experiment.folder in _ON and path.is_file()
    ]


def _interactive(experiment: Experiment, points: pd.DataFrame) -> Interactive:
    metrics = [metric for metric in SHOWN[experiment.name] if metric in set(points.metric)]
    panels = {panel: in_order(own.method) for panel, own in points.groupby("panel", sort=False)}
    wanted, _ = scales.of_rows(points, metrics, list(panels))
    looked, ends = panel_looks(panels), _ends_of_pretraining(experiment)
    name, drawn = anchor(place(experiment).as_posix()), {}
    for metric in metrics:
        for panel, looks in looked.items():
            own, title = (
                points[(points.metric == metric) & (points.panel == panel)],
                f"{METRIC_TITLES[metric]}, {panel}",
            )
            drawn[title] = _plot(own, looks, wanted[metric, panel], title, experiment.epochs_title, ends.get(panel))
    looks = {method: look for own in looked.values() for method, look in own.items()}
    return Interactive(
        name=f"curves-{name}",
        title=f"{group(experiment.name.split('/')[0])}, {title_of(experiment.name)}",
        data=data_statement(experiment),
        picture=name,
        curves=tuple((method, swatch(looks[method])) for method in in_order(looks)),
        plots=tuple((f"plot-{name}-{rank}", title) for rank, title in enumerate(drawn, 1)),
        document=packed(_json(drawn.values())),
    )


def _ends_of_pretraining(experiment: Experiment) -> Mapping[str, float]:
    """The epoch at which the pre-training ends, by the panels that have one."""
    ends = {panel.title: max(run.pretrain_epochs for run in panel.runs) for panel in experiment.panels if panel.runs}
    return {panel: end for panel, end in ends.items() if end > 0}


def _plot(
    points: pd.DataFrame,
    looks: Mapping[str, Look],
    scale: scales.Scale,
    title: str,
    epochs_title: str,
    pretrained: float | None,
) -> figure:
    """One metric of one panel: of every method its mean, its band and its seeds, each tagged with both names."""
    drawn = figure(
        title=title,
        height=_HEIGHT,
        sizing_mode="stretch_width",
        y_axis_type="log" if scale.spacing == "log" else "linear",
        y_range=Range1d(scale.low, scale.high),
        x_range=Range1d(0, float(points.epoch.max())),
        x_axis_label=epochs_title,
        tools="pan,box_zoom,reset",
        toolbar_location="above",
    )
    drawn.toolbar.update(logo=None, active_drag=None)
    drawn.yaxis.minor_tick_line_color = drawn.xaxis.minor_tick_line_color = None
    if pretrained is not None:
        drawn.add_layout(Span(location=pretrained, dimension="height", line_color=QUIET, line_dash=[3, 3]))
    for method, look in looks.items():
        _curve(drawn, points[points.method == method], look)
    _say_values(drawn, points, list(looks))
    return drawn


def _say_values(drawn: figure, points: pd.DataFrame, methods: Sequence[str]) -> None:
    """Under the pointer, every method's mean and two standard deviations at the nearest epoch."""
    by_epoch = {method: points[points.method == method].set_index("epoch") for method in methods}
    epochs = sorted(set(points.epoch))
    columns: dict[str, Sequence] = {"epoch": epochs, "mean": _short(points.groupby("epoch")["mean"].mean())}
    for column, own in enumerate(by_epoch.values()):
        own = own.reindex(epochs)
        columns[f"said {column}"] = [
            f"{number(mean, _DIGITS)} ± {number(2 * sd, _DIGITS)}" if math.isfinite(mean) else "not run"
            for mean, sd in zip(own["mean"], own.sd, strict=True)
        ]
    unseen = drawn.add_glyph(ColumnDataSource(columns), Line(x="epoch", y="mean", line_alpha=0))
    told = [(method, f"@{{said {column}}}") for column, method in enumerate(methods)]
    pointer = {"mode": "vline", "line_policy": "nearest", "point_policy": "follow_mouse"}
    drawn.add_tools(HoverTool(renderers=[unseen], tooltips=[("epoch", "@epoch{0.[00]}"), *told], **pointer))


def _curve(drawn: figure, rows: pd.DataFrame, look: Look) -> None:
    """Draw a method's seeds, band and mean."""
    method, color, seeds = rows.method.iloc[0], to_hex(look.color), seed_columns(rows)
    low, high = scales.band(rows)
    columns = {"epoch": rows.epoch, "mean": rows["mean"], "low": low, "high": high}
    source = ColumnDataSource({name: _short(values) for name, values in columns.items()})
    every = {"xs": [_short(rows.epoch)] * len(seeds), "ys": [_short(rows[seed]) for seed in seeds]}
    thin = MultiLine(line_color=color, line_width=0.8, line_alpha=0.6)
    band = VArea(x="epoch", y1="low", y2="high", fill_color=color, fill_alpha=0.16)
    dots = Scatter(
        x="epoch", y="mean", marker=_MARKERS.get(look.marker, "circle"), size=5, fill_color=color, line_color=color
    )
    mean = Line(x="epoch", y="mean", line_color=color, line_width=_THICK, line_dash=_dashes(look))
    drawn.add_glyph(ColumnDataSource(every), thin, name=method, tags=[method, "seeds"], visible=False)
    drawn.add_glyph(source, band, name=method, tags=[method, "band"])
    drawn.add_glyph(source, dots, name=method, tags=[method, "mean"])
    drawn.add_glyph(source, mean, name=method, tags=[method, "mean"])


def _dashes(look: Look) -> list[int]:
    return [] if isinstance(look.line, str) else [max(1, round(_THICK * length)) for length in look.line[1]]


def _short(values: pd.Series) -> list[float]:
    return values.to_numpy(float).round(_DIGITS).tolist()


def _json(plots: Iterable[figure]) -> str:
    """Bokeh's document of them, its models numbered from 1: Bokeh counts on from those of an earlier page."""
    document, numbers = Document(), {}
    with document.models.freeze():
        for plot in plots:
            document.add_root(plot)
    text = json.dumps(document.to_json(deferred=False), separators=(",", ":"))
    return re.sub(r'"p\d+"', lambda found: numbers.setdefault(found[0], f'"p{len(numbers) + 1}"'), text)
