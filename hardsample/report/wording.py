"""What figures and tables say in words, each thing in one way: data, seeds, verdicts, missing runs and hardware."""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import pandas as pd

from hardsample import statistics
from hardsample.config import Run
from hardsample.data import catalogue
from hardsample.experiments.curves import Curves
from hardsample.experiments.panels import Experiment
from hardsample.numerals import count, number, percent

DIVERGED = "Diverged seeds are left out of means and differences, and are never won."
_LISTED = 6  # gaps that are listed one by one


def data_statement(experiment: Experiment) -> str:
    """The data in words: the paper's own, a known set in their place, the generated stand-in, or one's own by name."""
    name = experiment.data
    if catalogue.label(name):
        return catalogue.label(name)
    if experiment.stand_in:
        return f"stand-in data: {name}"
    return f"{name}, not {', '.join(experiment.own)}" if experiment.substitute else name


def sentence(text: str) -> str:
    """With a capital and a full stop."""
    return f"{text[0].upper()}{text[1:]}{'' if text.endswith('.') else '.'}" if text else ""


def metric_title(metric: str, experiment: Experiment) -> str:
    """A metric as its paper calls it, or by our column's name."""
    return experiment.metric_titles.get(metric, metric)


def seeds_in_words(counts: pd.Series) -> str:
    """n = the seeds of the cells that have any, in words."""
    counts = counts[counts > 0]
    if counts.empty:
        return "no run is done yet"
    return f"n = {span(counts)} {'seeds' if counts.max() > 1 else 'seed'}"


def span(counts: pd.Series) -> str:
    """The least and the greatest of whole numbers, or the one that they are: "3 to 12", "12"."""
    return " to ".join(dict.fromkeys(number(end, 0) for end in (counts.min(), counts.max())))


def with_interval(value: float, low: float, high: float, sign: str = "", digits: int = 3) -> str:
    """A value and its interval, where there is one: "0.833 [0.829, 0.837]"; empty for what is no number."""
    text = number(value, digits, sign)
    return f"{text} [{number(low, digits, sign)}, {number(high, digits, sign)}]" if text and np.isfinite(low) else text


def verdict(p: float) -> str:
    """An adjusted p in words: "significant" below :data:`hardsample.statistics.LEVEL`, else "inconclusive"."""
    return "" if np.isnan(p) else "significant" if p < statistics.LEVEL else "inconclusive"


def too_few_statement(seeds: float, tests: float, what: str = "") -> str:
    """That so few seeds can show nothing (of ``what``) among so many tests, and how many it takes; "" where they do."""
    needed = statistics.seeds_needed(int(tests))
    if not tests or seeds >= needed:
        return ""
    of = f" of {what}" if what else ""
    return (
        f"With {count(seeds, 'seed')} no difference{of} can be significant, whatever its size: {count(tests, 'test')}"
        f" {'takes' if tests == 1 else 'take'} {needed}."
    )


def p_statement(tests: int, family: str) -> str:
    """What the columns p and smallest say of a family of so many tests: those of "the table"."""
    return (
        f"p: two-sided exact sign-flip test over seeds, adjusted by Holm for the {count(tests, 'test')} of {family}, so"
        f" that the chance of any false claim among them stays below {percent(statistics.LEVEL)}; significant below"
        f" {statistics.LEVEL:g}, else inconclusive. Smallest: the least mean difference that would be significant, at"
        " the spread of these seeds."
    )


def heading(experiment: Experiment, counts: pd.Series) -> str:
    """What a table for readers begins with: the data, the profile, and how many seeds its cells have."""
    said = f"{data_statement(experiment)}. Profile {experiment.profile}, {seeds_in_words(counts)}"
    return f"**{f'{said}.' if said.startswith(experiment.data) else sentence(said)}**"


def not_run_statement(missing: int, whose: Iterable[str] = (), beside: Iterable[str] = ()) -> str:
    """What is not run: so many runs of the grid, whose, and what is not in the grid; "" for nothing."""
    told, parts = "; ".join(whose), list(beside)
    if missing:
        parts.insert(0, f"{count(missing, 'run')} ({told})" if told else count(missing, "run"))
    return f"Not run: {'; '.join(parts)}." if parts else ""


def missing_statement(curves: Curves) -> str:
    """What is not run, and whose: "Not run: 48 runs (LB; PEB in n = 4 (1 of 3 seeds done))."; "" for nothing."""
    panels, counts = curves.layout, curves.frame.groupby(["panel", "method"], observed=True).seed.nunique()
    most, gaps = int(counts.max()) if len(counts) else 0, {}
    begun = {panel: methods for panel, methods in panels.items() if panel in set(curves.frame.panel) or not most}
    whose = [f"all of {panel}" for panel, methods in panels.items() if methods and panel not in begun]
    for panel, methods in begun.items():
        for method in methods:
            if (found := counts.get((panel, method), 0)) < most:
                gaps.setdefault((method, found), []).append(panel)
    for (method, found), where in gaps.items():
        everywhere = sum(method in methods for methods in begun.values())
        few = " and ".join(where) if len(where) <= 3 else f"{len(where)} of {everywhere} panels"
        place = "" if len(where) == everywhere else f" in {few}"
        whose.append(f"{method}{place}{f' ({found} of {most} seeds done)' if found else ''}")
    if len(whose) > _LISTED:
        whose[_LISTED - 1 :] = [f"{len(whose) - _LISTED + 1} more"]
    return not_run_statement(curves.missing, whose, [panel for panel, methods in panels.items() if not methods])


def origin_statement(curves: Curves) -> str:
    """What the runs were made on, what sets pairs apart beside their method, and which are of other code; "" for none.

    What was executed again with today's code is said, too.
    """
    devices, standing = sorted(curves.hardware.items()), curves.standing
    parts = [device + (f" ({count(runs, 'run')})" if len(devices) > 1 else "") for device, runs in devices]
    sentences = [f"Hardware: {', '.join(parts)}."] if parts else []
    if curves.unlike:
        made = "; ".join(f"{', '.join(methods)} from {how}" for how, methods in curves.unlike.items())
        sentences.append(f"Some pairs differ in more than the method: {made}.")
    if standing.other:
        sentences.append(f"{other_code(curves)}: {_by_words(curves, standing.other)}.")
    if standing.rerun:
        again = {run: f"seed {run.seed} {words}" for run, words in standing.rerun.items()}
        sentences.append(f"Executed again with today's code, with the same result: {_by_words(curves, again)}.")
    return " ".join(sentences)


def other_code(*studies: Curves) -> str:
    """How many of the runs are of other code than today's, without a full stop; "" for none."""
    done = sum(curves.frame.run.nunique() for curves in studies)
    other = sum(len(curves.standing.other) for curves in studies)
    return f"Made by other code than today's: {'all' if other == done else other} of {count(done, 'run')}" * bool(other)


def _by_words(curves: Curves, words: Mapping[Run, str]) -> str:
    """Curves by what is said of their runs: "PLB, PEB from source a8d7207; MB from source 1c2d3e4"."""
    found: dict[str, dict[str, None]] = {}
    for panel in curves.experiment.panels:
        for run in panel.runs:
            if run in words:
                found.setdefault(words[run], {})[panel.variant(run)] = None
    return "; ".join(f"{', '.join(methods)} ({said})" for said, methods in found.items())


def measured_statement(experiment: Experiment) -> str:
    """On which examples the train metrics are measured, in a sentence; "" where it is not known."""
    counts = experiment.measured
    which = " or ".join("all" if examples is None else number(examples, 0) for examples in counts)
    return f"Train metrics are measured on {which} of the training examples." if counts else ""


def last_notes(curves: Curves, *, whose: bool = True) -> Iterator[str]:
    """What the notes of a table or figure end with: the runs that are missing, and size and origin of the others.

    Without ``whose`` the missing runs are only counted.
    """
    missing = missing_statement(curves) if whose else not_run_statement(curves.missing)
    yield from filter(None, (missing, sentence(curves.experiment.note), origin_statement(curves)))
