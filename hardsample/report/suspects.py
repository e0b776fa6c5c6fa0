"""Training examples that most runs find hardest at their end: candidates for a wrong or ambiguous label."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from hardsample import statistics
from hardsample.config import Run
from hardsample.experiments.curves import Curves, keys
from hardsample.numerals import count, number
from hardsample.report import figures, kept, markup
from hardsample.report.draws import class_names
from hardsample.report.figures import caption_of
from hardsample.report.style import INK, QUIET, RC, page
from hardsample.report.wording import data_statement, with_interval

SHOWN = 24
COLUMNS = ("place", "example", "label", "predicted", "agree", "listed", "of", "loss")
_ROW = 12  # images in a row of the figure
_ARROW = "\N{RIGHTWARDS ARROW}"


def table(curves: Curves, details: Mapping[Run, kept.Detail]) -> pd.DataFrame:
    """A row for each training example that is among the hardest at the end of more than half of the runs.

    Those listed by most runs come first, among equals those of the higher ``loss``, the mean over the runs.
    ``predicted`` is what most runs take it for, and ``agree`` of them do; ``listed`` runs of ``of`` have it among their
    hardest. ``drawn/PEB`` is how often a method drew it since the pre-training, against its average example, the mean
    over seeds; ``runs`` are the keys of all. ``attrs`` have the ``images``, uint8 [C, H, W] by index, and the
    ``draws``: by method every seed's mean over the examples that are shown.
    """
    found = kept.by_method(curves, details)
    runs = [detail for seeds in found.values() for detail in seeds.values()]
    behind = " ".join(keys(curves.frame).values())
    rows, images = [], {}
    for index, listed in sorted(_listed(runs).items()):
        if 2 * listed <= len(runs):
            continue
        taken = np.bincount([run["train/predicted"][index] for run in runs])
        row = {"example": index, "label": runs[0]["train/label"][index], "predicted": taken.argmax()}
        row |= {"agree": taken.max(), "listed": listed, "of": len(runs)}
        row["loss"] = np.mean([float(run["train/loss"][index]) for run in runs])
        for method, seeds in found.items():
            row[f"drawn/{method}"] = np.mean([relative_draws(run)[index] for run in seeds.values()])
        images[index] = next(_image(run, index) for run in runs if index in run["hardest/index"])
        rows.append(row)
    own = kept.ordered(rows, [*COLUMNS, *(f"drawn/{method}" for method in found)])
    own = own.sort_values(["listed", "loss"], ascending=False, kind="stable").reset_index(drop=True)
    names = class_names(1 + max((int(run["train/label"].max()) for run in runs), default=25))
    for column in ("label", "predicted"):
        own[column] = [names[int(label)] if int(label) < len(names) else str(label) for label in own[column]]
    own["place"], own["runs"] = own.index + 1, behind
    shown = own["example"].head(SHOWN).astype(int).tolist()
    draws = {
        method: {seed: relative_draws(run)[shown].mean() for seed, run in seeds.items()}
        for method, seeds in found.items()
        if shown
    }
    own.attrs = {"images": images, "draws": draws, "hardest": len(runs[0]["hardest/index"]) if runs else 0}
    return own


def relative_draws(detail: kept.Detail) -> np.ndarray:
    """How often a run drew each training example since its pre-training, against its average one."""
    drawn = detail["train/drawn"].astype(float)
    return drawn / max(drawn.mean(), 1e-9)


def _listed(runs: list[kept.Detail]) -> dict[int, int]:
    """How many runs have each training example among their hardest, of those that any has."""
    indices, counts = np.unique(np.concatenate([run["hardest/index"] for run in runs] or [[]]), return_counts=True)
    return dict(zip(indices.astype(int).tolist(), counts.tolist(), strict=True))


def _image(detail: kept.Detail, index: int) -> np.ndarray:
    return detail["hardest/image"][detail["hardest/index"].tolist().index(index)]


def figure(curves: Curves, rows: pd.DataFrame) -> Figure:
    """The images of the first of :func:`table`'s examples, each with its label and what it is taken for."""
    shown = rows.head(SHOWN)
    caption = (
        f"Training examples among the {rows.attrs['hardest']} of highest loss at the end of most runs: label {_ARROW}"
        f" what most runs take it for; below, in how many of {count(rows.of.iloc[0], 'run')}. They are candidates for a"
        " wrong or ambiguous label; none is proven to be one."
        if len(rows)
        else "No training example is among the hardest of more than half of the runs."
        if len(curves.frame)
        else "No run is done yet."
    )
    with matplotlib.rc_context(RC):
        drawn, grid = page(
            (max(1, -(-len(shown) // _ROW)), _ROW),
            size=(0.62, 0.62),
            gap=(0.1, 0.5),
            right=0.15,
            bottom=0.3,
            left=0.15,
            heading=data_statement(curves.experiment),
            notice=curves.experiment.in_place,
            handles=[],
            caption=caption_of(curves, caption),
        )
        for axes in grid.flat:
            axes.set_axis_off()
        for axes, row in zip(grid.flat, shown.itertuples(), strict=False):
            image = rows.attrs["images"][row.example]
            axes.imshow(np.moveaxis(image, 0, -1).squeeze(), cmap="gray_r", vmin=0, vmax=255)
            axes.set_title(f"{row.label} {_ARROW} {row.predicted}", fontsize=9, fontweight="normal", pad=2, color=INK)
            below = {"ha": "center", "va": "top", "color": QUIET, "fontsize": 7}
            axes.text(0.5, -0.06, f"{row.listed} of {row.of}", transform=axes.transAxes, **below)
    return drawn


def findings(rows: pd.DataFrame, baseline: str) -> Iterator[str]:
    """How many there are, and how often the methods but the baseline draw those that are shown."""
    if rows.empty:
        return
    shown, runs = min(len(rows), SHOWN), count(rows.of.iloc[0], "run")
    yield (
        f"**{count(len(rows), 'training example')} {'is' if len(rows) == 1 else 'are'} among the"
        f" {rows.attrs['hardest']} of highest loss at the end of more than half of {runs}.** They are candidates for a"
        " wrong or ambiguous label; none is proven to be one."
    )
    draws = {method: seeds for method, seeds in rows.attrs["draws"].items() if method != baseline}
    said = []
    for method, seeds in draws.items():
        found = statistics.summary([*seeds.values()])
        said.append(f"{with_interval(found.mean, found.interval.low, found.interval.high, digits=2)} times by {method}")
    if said:
        yield (
            f"Against the average example of the same runs, the {shown} shown are drawn"
            f" {' and '.join(said)}.{_apart(draws)}"
        )


def _apart(draws: Mapping[str, Mapping[int, float]]) -> str:
    """Which of the last two methods draws them more often, by seed, if its interval leaves no doubt of it."""
    if len(draws) < 2:
        return ""
    (other, others), (method, seeds) = [*draws.items()][-2:]
    found = statistics.summary([seeds[seed] - others[seed] for seed in sorted({*seeds} & {*others})])
    ends = found.interval
    word = "less often than" if ends.high < 0 else "more often than" if ends.low > 0 else "not clearly apart from"
    return (
        f" {method} draws them {word} {other}: {with_interval(found.mean, ends.low, ends.high, '+', 2)}"
        " times the average's draws."
    )


def save(drawn: Figure, rows: pd.DataFrame, stem: Path) -> tuple[Path, ...]:
    """Write ``stem``-suspects.pdf, .png and .csv.

    Raises:
        InputError: the folder cannot be written.
    """
    return figures.save(drawn, rows, stem.with_name(f"{stem.name}-suspects"))


def markdown(rows: pd.DataFrame) -> str:
    """The examples that are shown, in a table; "" for none."""
    methods = [column for column in rows if column.startswith("drawn/")]
    header = (
        "",
        "example",
        "label",
        "taken for",
        "by",
        "listed by",
        "loss",
        *(f"{name[6:]}'s draws" for name in methods),
    )
    lines = [_line(row, methods) for _, row in rows.head(SHOWN).iterrows()]
    return markup.markdown_table(header, lines) if lines else ""


def _line(row: Mapping[str, Any], methods: list[str]) -> list[str]:
    of = f"{row['of']} runs"
    cells = [str(row["place"]), str(row["example"]), row["label"], row["predicted"], f"{row['agree']} of {of}"]
    return [*cells, f"{row['listed']} of {of}", number(row["loss"], 2), *(number(row[name], 2) for name in methods)]
