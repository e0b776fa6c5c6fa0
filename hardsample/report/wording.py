"""What figures and tables say in words, each thing in one way: data, seeds, verdicts, missing runs and hardware."""

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd

from hardsample.data import catalogue
from hardsample.experiments.curves import Curves
from hardsample.experiments.panels import Experiment
from hardsample.report import stats

DIVERGED = "Diverged seeds are left out of means and differences, and are never won."


def data_statement(experiment: Experiment) -> str:
    """The data in words: the paper's own, another set in their place, or the generated stand-in."""
    name = experiment.data
    if catalogue.label(name):
        return catalogue.label(name)
    if experiment.stand_in:
        return f"stand-in data: {name}"
    return f"{name}, not {', '.join(experiment.own)}" if experiment.substitute else name


def metric_title(metric: str, experiment: Experiment) -> str:
    """A metric as its paper calls it, or by our column's name."""
    return experiment.metric_titles.get(metric, metric)


def seeds_in_words(counts: pd.Series) -> str:
    """n = the seeds of the cells that have any, in words."""
    counts = counts[counts > 0]
    if counts.empty:
        return "no run is done yet"
    return f"n = {span(counts)} seed{'s' * int(counts.max() > 1)}"


def span(counts: pd.Series) -> str:
    """The least and the greatest of whole numbers, or the one that they are: "3 to 12", "12"."""
    return " to ".join(dict.fromkeys(f"{count:.0f}" for count in (counts.min(), counts.max())))


def with_interval(value: float, low: float, high: float, sign: str = "", digits: int = 3) -> str:
    """A value and its interval, where there is one: "0.833 [0.829, 0.837]"; empty for what is no number."""
    interval = f" [{low:{sign}.{digits}f}, {high:{sign}.{digits}f}]" if np.isfinite(low) else ""
    return f"{value:{sign}.{digits}f}{interval}" if np.isfinite(value) else ""


def verdict(p: float) -> str:
    """An adjusted p in words: "significant" below :data:`hardsample.report.stats.LEVEL`, else "inconclusive"."""
    return "" if np.isnan(p) else "significant" if p < stats.LEVEL else "inconclusive"


def heading(experiment: Experiment, counts: pd.Series) -> str:
    """What a table for readers begins with: the data, the profile, and how many seeds its cells have."""
    data = data_statement(experiment)
    return f"**{data[0].upper()}{data[1:]}. Profile {experiment.profile}, {seeds_in_words(counts)}.**"


def missing_count(curves: Curves, whose: str = "") -> str:
    """How many runs are missing, and whose if that is given; "" for none."""
    return f"Runs still missing: {curves.missing}{whose}." if curves.missing else ""


def missing_statement(curves: Curves) -> str:
    """How many runs are missing, and whose: "Runs still missing: 48 (LB in every panel)."; "" for none."""
    panels, counts = curves.layout, curves.frame.groupby(["panel", "method"], observed=True).seed.nunique()
    most, gaps = int(counts.max()) if len(counts) else 0, {}
    for panel, methods in panels.items():
        for method in methods:
            if (found := counts.get((panel, method), 0)) < most:
                gaps.setdefault((method, found), []).append(panel)
    parts = [
        method
        + (f" in {'every panel' if len(where) == len(panels) else ', '.join(where)}" if len(panels) > 1 else "")
        + (f" ({found} of {most} seeds done)" if found else "")
        for (method, found), where in gaps.items()
    ]
    whose = f" ({'; '.join(parts)})" if parts else ""
    return missing_count(curves, whose)


def hardware_statement(curves: Curves) -> str:
    """What the runs were made on, and what sets pairs apart beside their method; "" where nothing is known of it."""
    devices = sorted(curves.hardware.items())
    parts = [device + (f" ({runs} runs)" if len(devices) > 1 else "") for device, runs in devices]
    sentences = [f"Hardware: {', '.join(parts)}."] if parts else []
    if curves.unlike:
        made = "; ".join(f"{', '.join(methods)} from {how}" for how, methods in curves.unlike.items())
        sentences.append(f"Some pairs differ in more than the method: {made}.")
    return " ".join(sentences)


def measured_statement(experiment: Experiment) -> str:
    """On which examples the train metrics are measured, in a sentence; "" where it is not known."""
    counts = experiment.measured
    which = " or ".join("all" if count is None else f"{count:,}" for count in counts)
    return f"Train metrics are measured on {which} of the training examples." if counts else ""


def last_notes(curves: Curves, missing: Callable[[Curves], str] = missing_statement) -> Iterator[str]:
    """What the notes of a table or figure end with: the runs that are missing, and size and hardware of the others."""
    if said := missing(curves):
        yield said
    if note := curves.experiment.note:
        yield f"{note[0].upper()}{note[1:]}."
    if hardware := hardware_statement(curves):
        yield hardware
