"""How the rows of paper B's tables are written for readers: the headings, and the text of every cell."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pandas as pd

from hardsample.experiments import hard_samples
from hardsample.numerals import number, p_value
from hardsample.report.wording import verdict, with_interval
from hardsample.training import networks

DOUBTFUL = "†"


@dataclasses.dataclass(frozen=True)
class Column:
    """One readable column: its heading, and the text of a row's cell."""

    heading: str
    text: Callable[[pd.Series], str]


def _plain(heading: str, name: str, digits: int, sign: str = "") -> Column:
    return Column(heading, lambda row: number(row[name], digits, sign))


def _mean(heading: str, name: str, digits: int, sign: str = "") -> Column:
    """A mean and half its interval, which is symmetric."""

    def text(row: pd.Series) -> str:
        half = number((row[f"{name}_high"] - row[f"{name}_low"]) / 2, digits)
        return number(row[name], digits, sign) + (f" ± {half}" if half else "")

    return Column(heading, text)


def _median(heading: str, name: str, digits: int) -> Column:
    return Column(heading, lambda row: with_interval(row[name], row[f"{name}_low"], row[f"{name}_high"], "", digits))


def _printed(heading: str, name: str, digits: int, *, sign: str = "", interval: str = "") -> Column:
    """The paper's number, marked where it is in doubt."""

    def text(row: pd.Series) -> str:
        value = number(row[name], digits, sign)
        value += f" ± {number(row[interval], digits)}" if interval and value else ""
        return f"{value} {DOUBTFUL}" if value and row.doubt else value

    return Column(f"paper: {heading}", text)


def _count(row: pd.Series) -> str:
    diverged = f", {row.diverged} diverged" if row.diverged else ""
    return f"{row.n}{diverged}{', incomplete' if row.status == 'incomplete' else ''}"


def _epoch(row: pd.Series) -> str:
    seeds = row.n + row.diverged
    text = _mean("", "e", 1).text(row) if row.converged else "not converged"
    return text if row.converged == seeds else f"{text} ({row.converged}/{seeds})"


def _change(row: pd.Series) -> str:
    return number(row.change, 2, "+") or ("at chance" if np.isfinite(row.chosen) else "")


def _difference(heading: str, kind: str = "") -> Column:
    """A paired difference: ± half its interval, n where it is not the row's, and p where it was tested."""

    def text(row: pd.Series) -> str:
        value, low, high = (row[f"{kind}difference{end}"] for end in ("", "_low", "_high"))
        half, p, n = number((high - low) / 2, 1), p_value(row[f"{kind}p_holm"]), row[f"{kind}usable"]
        said = number(value, 1, "+") + (f" ± {half}" if half else "")
        said += f" (n = {number(n, 0)})" if said and n != row.n else ""
        return f"{said}, p {p}" if p else said

    return Column(heading, text)


def _share(row: pd.Series) -> str:
    """How many of so many seeds have converged."""
    return f"{number(row.converged, 0)}/{number(row.n, 0)}" if np.isfinite(row.converged) else ""


def _earlier(row: pd.Series) -> str:
    """The difference in e, or under how many rules there is one."""
    if not np.isfinite(row.rules):
        return with_interval(row.difference, row.difference_low, row.difference_high, "+", 1)
    later = f", significantly later under {number(row.significantly_later, 0)}" if row.significantly_later else ""
    neither = row.rules - row.compared
    unknown = f" (neither converges under {number(neither, 0)})" if neither else ""
    return (
        f"earlier under {number(row.earlier, 0)} of {number(row.rules, 0)} rules{unknown}, significantly under"
        f" {number(row.significantly_earlier, 0)}{later}"
    )


def _agreement(heading: str, name: str) -> Column:
    return Column(heading, lambda row: number(row[name], 2, "+") if row[name] else "exact")


def _text(heading: str) -> Column:
    """What is written in the table under the heading itself."""
    return Column(heading, lambda row: row[heading])


def _tested(row: pd.Series) -> str:
    return f"{p_value(row.p_holm)}, {verdict(row.p_holm)}" if np.isfinite(row.p_holm) else ""


_NETWORK = Column("network", lambda row: networks.find(row.network).title)
LAYOUTS = {
    "table-1": (
        _plain("δ", "delta", 1),
        Column("rounds", lambda row: str(row.rounds)),
        _median("seconds", "seconds", 4),
        _plain("paper: seconds", "seconds_paper", 4),
        _median("ratio", "ratio", 3),
        _median("+ tests", "tests_ratio", 3),
        _median("described loop", "described_ratio", 3),
        _median("walked", "walked_ratio", 3),
        _median("walked + tests", "walked_tests_ratio", 3),
        _plain("paper: ratio", "ratio_paper", 3),
    ),
    "table-1-parts": (
        _plain("δ", "delta", 1),
        *(_plain(part, part, 2) for part in ("loading", "skipped", "update", "reading", "sorting", "test")),
        _median("sum", "total", 1),
        _median("ratio", "ratio", 3),
    ),
    "table-2": (
        _NETWORK,
        Column("image size", lambda row: f"{row.image_size}x{row.image_size}"),
        _plain("parameters", "parameters", 0),
        _plain("M", "parameters_millions", 2),
        _plain("paper", "parameters_paper", 2),
        _agreement("- paper", "parameters_difference"),
        _plain("FLOPs", "flops", 0),
        _plain("G", "flops_giga", 2),
        _plain("paper", "flops_paper", 2),
        _agreement("- paper", "flops_difference"),
    ),
    "table-3": (
        _NETWORK,
        _plain("δ", "delta", 1),
        Column("n", _count),
        _mean("test, %", "test", 1),
        _difference("test - (δ = 1)"),
        _difference("test - reshuffled", "fresh_"),
        _printed("test, %", "test_paper", 1, interval="test_paper_interval"),
        _plain("paper: test - (δ = 1)", "difference_paper", 1, "+"),
        Column("e", _epoch),
        _difference("e - (δ = 1)", "epochs_"),
        _plain("paper: e", "e_paper", 0),
    ),
    "table-6": (
        _NETWORK,
        Column("data set", lambda row: row.data_set),
        Column("n", _count),
        _plain("best δ", "delta", 1),
        _plain("δ = 1, %", "baseline", 1),
        _plain("best, %", "chosen", 1),
        _difference("best - (δ = 1)"),
        _difference("best - reshuffled", "fresh_"),
        Column("change, %", _change),
        _printed("change, %", "change_paper", 2, sign="+"),
    ),
    "spread": (
        *map(_text, ("top-1, %", "choice")),
        *(_text(f"δ = {delta:g}") for delta in hard_samples.DELTAS),
    ),
    "convergence": (
        *map(_text, ("rule", "method")),
        Column("converged", _share),
        _mean("e", "e", 1),
        Column("e - (δ = 1)", _earlier),
        _plain("smallest", "smallest", 1),
        Column("p (Holm)", _tested),
    ),
}
