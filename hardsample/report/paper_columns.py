"""How the rows of paper B's tables are written for readers: the headings, and the text of every cell."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pandas as pd

from hardsample.training import networks

DOUBTFUL = "†"


@dataclasses.dataclass(frozen=True)
class Column:
    """One readable column: its heading, and the text of a row's cell."""

    heading: str
    text: Callable[[pd.Series], str]


def _number(value: float, digits: int, sign: str = "") -> str:
    return f"{value:{sign}.{digits}f}" if np.isfinite(value) else ""


def _plain(heading: str, name: str, digits: int, sign: str = "") -> Column:
    return Column(heading, lambda row: _number(row[name], digits, sign))


def _mean(heading: str, name: str, digits: int, sign: str = "") -> Column:
    """A mean and half its interval, which is symmetric."""

    def text(row: pd.Series) -> str:
        half = _number((row[f"{name}_high"] - row[f"{name}_low"]) / 2, digits)
        return _number(row[name], digits, sign) + (f" ± {half}" if half else "")

    return Column(heading, text)


def _median(heading: str, name: str, digits: int) -> Column:
    def text(row: pd.Series) -> str:
        low, high = _number(row[f"{name}_low"], digits), _number(row[f"{name}_high"], digits)
        return _number(row[name], digits) + (f" [{low}, {high}]" if low else "")

    return Column(heading, text)


def _printed(name: str, digits: int, *, sign: str = "", interval: str = "") -> Column:
    """The paper's number, marked where it is in doubt."""

    def text(row: pd.Series) -> str:
        value = _number(row[name], digits, sign)
        value += f" ± {_number(row[interval], digits)}" if interval and value else ""
        return f"{value} {DOUBTFUL}" if value and row.doubt else value

    return Column("paper", text)


def _count(row: pd.Series) -> str:
    if row.status == "not run":
        return row.status
    diverged = f", {row.diverged} diverged" if row.diverged else ""
    return f"{row.n}{diverged}{', incomplete' if row.status == 'incomplete' else ''}"


def _epoch(row: pd.Series) -> str:
    seeds = row.n + row.diverged
    if not seeds:
        return ""
    text = _mean("", "e", 1).text(row) if row.converged else "not converged"
    return text if row.converged == seeds else f"{text} ({row.converged}/{seeds})"


def _fresh(row: pd.Series) -> str:
    """The difference to reshuffled training, where the row itself was run."""
    if row.n and not np.isfinite(row.fresh_pairs):
        return "not run"
    half = _number((row.fresh_high - row.fresh_low) / 2, 1)
    return _number(row.fresh_difference, 1, "+") + (f" ± {half}" if half else "")


def _agreement(heading: str, name: str) -> Column:
    return Column(heading, lambda row: _number(row[name], 2, "+") if row[name] else "exact")


def _differing(row: pd.Series) -> str:
    differs = abs(row.change_recomputed - row.change_paper) >= 0.01
    return _number(row.change_recomputed, 2, "+") if differs else ""


_NETWORK = Column("network", lambda row: networks.TITLES[row.network])
_PAIRED = (
    Column("p (Holm)", lambda row: f"{row.p_holm:.2g}" if np.isfinite(row.p_holm) else ""),
    _plain("smallest", "smallest", 1),
    Column("won", lambda row: f"{row.seeds_won:.0f}/{row.pairs:.0f}" if np.isfinite(row.pairs) else ""),
)
LAYOUTS = {
    "table-1": (
        _plain("δ", "delta", 1),
        Column("rounds", lambda row: str(row.rounds) if row.rounds else row.status),
        _median("seconds", "seconds", 4),
        _plain("paper", "seconds_paper", 4),
        _plain("- paper", "seconds_difference", 4, "+"),
        _median("ratio", "ratio", 3),
        _plain("paper", "ratio_paper", 3),
        _plain("- paper", "ratio_difference", 3, "+"),
    ),
    "table-2": (
        _NETWORK,
        Column("image size", lambda row: f"{row.image_size}x{row.image_size}"),
        Column("parameters", lambda row: f"{row.parameters:,}"),
        _plain("M", "parameters_millions", 2),
        _plain("paper", "parameters_paper", 2),
        _agreement("- paper", "parameters_difference"),
        Column("FLOPs", lambda row: f"{row.flops:,}"),
        _plain("G", "flops_giga", 2),
        _plain("paper", "flops_paper", 2),
        _agreement("- paper", "flops_difference"),
    ),
    "table-3": (
        _NETWORK,
        _plain("δ", "delta", 1),
        Column("seeds", _count),
        _mean("train, %", "train", 1),
        _printed("train_paper", 1, interval="train_paper_interval"),
        _plain("- paper", "train_difference", 1, "+"),
        _mean("test, %", "test", 1),
        _printed("test_paper", 1, interval="test_paper_interval"),
        _plain("- paper", "test_difference", 1, "+"),
        _mean("test - (δ = 1)", "difference", 1, "+"),
        _plain("paper", "difference_paper", 1, "+"),
        *_PAIRED,
        Column("test - reshuffled", _fresh),
        Column("e", _epoch),
        Column("every", lambda row: f"{row.e_spacing:g}" if np.isfinite(row.e_spacing) else ""),
        _plain("paper", "e_paper", 0),
        _plain("- paper", "e_difference", 1, "+"),
        _plain("Δe, %", "e_change", 2, "+"),
        _plain("paper", "e_change_paper", 2, "+"),
        _plain("fewer, %", "fewer", 2, "+"),
    ),
    "table-6": (
        _NETWORK,
        Column("data set", lambda row: row.data_set),
        Column("seeds", _count),
        _plain("δ chosen", "delta", 1),
        _plain("δ = 1, %", "baseline", 1),
        _plain("best, %", "chosen", 1),
        _plain("change, %", "change", 2, "+"),
        _printed("change_paper", 2, sign="+"),
        _plain("- paper", "change_difference", 2, "+"),
        _mean("difference, points", "difference", 2, "+"),
        *_PAIRED,
        Column("best - reshuffled", _fresh),
        _plain("naive δ", "naive_delta", 1),
        _plain("naive change, %", "naive_change", 2, "+"),
        Column("paper, recomputed", _differing),
    ),
}
