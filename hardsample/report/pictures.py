"""What a person looks at to understand base values: the examples themselves, and how their values spread."""

import math
from collections.abc import Mapping, Sequence

import matplotlib
import seaborn
from matplotlib.figure import Figure
from torch import Tensor

from hardsample.report.style import INK, QUIET, RC, style

COLUMNS = 12


def examples(images: Tensor, captions: Sequence[str]) -> Figure:
    """Images in rows of twelve, each under its caption.

    Args:
        images: uint8 [n, C, H, W] with one or three channels.
        captions: n short texts.
    """
    rows = math.ceil(len(images) / COLUMNS)
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(0.68 * COLUMNS, 0.86 * rows), layout="constrained")
        grid = figure.subplots(rows, COLUMNS, squeeze=False)
        for axes in grid.flat:
            axes.set_axis_off()
        for axes, image, caption in zip(
            grid.flat, images.permute(0, 2, 3, 1).squeeze(-1).cpu().numpy(), captions, strict=False
        ):
            axes.imshow(image, cmap="gray_r", vmin=0, vmax=255)
            axes.set_title(caption, fontsize=9, fontweight="normal", pad=2, color=INK)
    return figure


def base_values(by_epoch: Mapping[int, Tensor], classes: int) -> Figure:
    """How the base values by entropy (paper A, equation 6) spread over all examples after every epoch.

    Args:
        by_epoch: epoch -> float [N]; a violin each, with lines at its quartiles.
        classes: K; the dashed line is the entropy of a uniform guess, ln K.
    """
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(6.4, 3.0), layout="constrained")
        axes = figure.subplots()
        seaborn.violinplot(
            {epoch: values.cpu().numpy() for epoch, values in by_epoch.items()},
            ax=axes,
            color=style("PEB").color,
            cut=0,
            density_norm="width",
            inner="quart",
            saturation=0.6,
            alpha=0.7,
            linewidth=0.9,
        )
        axes.axhline(math.log(classes), color=QUIET, linewidth=0.9, linestyle=(0, (4, 3)))
        axes.annotate(
            f"uniform guess, ln {classes}",
            (1, math.log(classes)),
            (0, 2),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            ha="right",
            va="bottom",
            color=QUIET,
        )
        axes.set(xlabel="epochs", ylabel="base value: entropy / nats", ylim=(-0.05, math.log(classes) * 1.12))
        axes.grid(axis="x", visible=False)
        lines = "dashed: median, dotted: quartiles"
        axes.set_title(lines, loc="right", color=QUIET, fontsize=7.5, fontweight="normal")
    return figure
