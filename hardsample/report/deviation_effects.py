"""What each choice of :mod:`hardsample.report.deviations` changes, by the stored runs that differ in it alone."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hardsample import statistics
from hardsample.config import Run
from hardsample.data import catalogue
from hardsample.experiments import published
from hardsample.experiments.panels import variant
from hardsample.methods.loss_based import NEAREST, READINGS, reading
from hardsample.numerals import count, short
from hardsample.records import ASPECTS, StoredRun, check_fingerprints, made, unlike
from hardsample.report import markup
from hardsample.report.deviations import DEVIATIONS, METHODS, PAPERS, Deviation
from hardsample.report.wording import with_interval
from hardsample.training import networks

METRICS = {"acc/val": "test accuracy", "loss/val": "test loss"}  # at the end of training
COLUMNS = (
    *("paper", "question", "says", "here", "option", "default", "other"),
    *("data", "network", "method", "train_examples", "epochs", "n"),
    *("devices", "unlike", "metric", "difference", "low", "high"),
)
_HEADER = ("question", "the paper", "here", "option", "default", "other values", "effect of the other value")


def table(records: Iterable[StoredRun]) -> pd.DataFrame:
    """One row per choice, other value, setting and metric that stored runs tell of; one per choice where none do.

    A pair is two runs of a seed that differ in this choice alone, the other value minus the default. Only runs with
    true labels, the cross-entropy and data that are not generated count, of the choice's paper: its methods and, for
    paper A, its network.

    - ``says``, ``here``; ``option``, ``default``, ``other``: names and values as text, "" where there is no option.
    - ``data``, ``network``, ``method`` (the curve's name; LB with its reading), ``train_examples``, ``epochs``: the
      setting; ``n``: pairs of seeds in it, 0 where none are stored; ``devices``: what they were computed on;
      ``unlike``: in which of device, precision, torch and code (:func:`hardsample.records.made`) the two of a pair
      differ beside the choice, in words, "" for none.
    - ``metric``: a key of ``METRICS``; ``difference``: mean over seeds; ``low``, ``high``: its 95 % t interval, NaN
      from one pair.

    Raises:
        InputError: one data set's runs were made with different data.
    """
    alike = sorted(records, key=lambda record: record.run.detail != "metrics")  # the last of two counts
    found = {_trained(record.run): record for record in alike}
    check_fingerprints((run, record.provenance) for run, record in found.items())
    rows = []
    for deviation in DEVIATIONS:
        about = {name: getattr(deviation, name) for name in ("paper", "question", "says")}
        about["here"] = _here(deviation)
        about |= {"option": option_in_words(deviation), "default": values_in_words(deviation.default, deviation)}
        others = "; ".join(values_in_words(other, deviation) for other in deviation.others)
        effects = list(_effects(deviation, found))
        rows += [about | effect for effect in effects] or [about | {"other": others, "n": 0}]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _trained(run: Run) -> Run:
    """The run without what it keeps, which changes no number."""
    return dataclasses.replace(run, detail="metrics")


def markdown(rows: pd.DataFrame) -> str:
    """The table for readers: a block for each paper, a line for each choice; effects in test accuracy."""
    parts = ["**What the papers leave open, and what is done otherwise here.**", _notes()]
    for paper, title in PAPERS.items():
        lines = []
        for _, choice in rows[rows.paper == paper].groupby("question", sort=False):
            first = choice.iloc[0]
            others = "; ".join(dict.fromkeys(choice.other))
            effect = _effect(choice) if first.option else ""
            lines.append((first.question, first.says, first.here, first.option, first.default, others, effect))
        parts += [f"**{title}**", markup.markdown_table(_HEADER, lines)]
    return "\n\n".join(parts) + "\n"


def save(rows: pd.DataFrame, stem: Path) -> tuple[Path, ...]:
    """Write ``stem``.csv and .md, each whole or not at all; equal tables give equal bytes.

    Raises:
        InputError: the folder cannot be written.
    """
    return markup.write(stem, {"csv": markup.csv(rows), "md": markdown(rows)})


def option_in_words(deviation: Deviation) -> str:
    """What changes it, in words: fields of a run, or options of methods; "" for nothing."""
    if not deviation.default:
        return ""
    return f"{', '.join(deviation.default)} of {', '.join(deviation.methods) or 'a run'}"


def _here(deviation: Deviation) -> str:
    """What is done here; of LB's options also what the reading that figures and the contest show has."""
    if deviation.methods != ("LB",):
        return deviation.here
    own = {name: value for name, value in READINGS[NEAREST].items() if name in deviation.default}
    which = f"has {', '.join(f'{name} {value}' for name, value in own.items())}" if own else "has the same"
    return f"{deviation.here}. This is LB's default reading; what figures and the contest call LB, {NEAREST!r}, {which}"


def _method(run: Run) -> str:
    """What a run's curve is called; of LB its reading, or its options where they are none of the readings."""
    if run.method != "LB":
        return variant(run)
    options = ", ".join(f"{name} {value}" for name, value in run.options.items())
    return f"LB, {'default reading' if not run.options else reading(run.options) or options}"


def values_in_words(values: Mapping[str, Any], deviation: Deviation) -> str:
    """Values in words, with their names where the choice has several options."""
    named = len(deviation.default) > 1
    return ", ".join(f"{name} {_text(value)}" if named else _text(value) for name, value in values.items())


def _text(value: Any) -> str:
    if value is None:
        return "not set"
    return short(value) if isinstance(value, float) else str(value)


def _effects(deviation: Deviation, found: Mapping[Run, StoredRun]) -> Iterator[dict[str, Any]]:
    """A row of :func:`table` for each other value, setting and metric, without the columns of the choice itself."""
    for other in deviation.others:
        settings: dict[Run, list[tuple[StoredRun, StoredRun]]] = {}
        for run, record in found.items():
            twin = _changed(run, deviation, other)
            if twin in found:
                settings.setdefault(dataclasses.replace(run, seed=0), []).append((found[twin], record))
        for setting, pairs in settings.items():
            about = {name: getattr(setting, name) for name in ("data", "network", "train_examples", "epochs")}
            about["method"] = _method(setting)
            devices = sorted({record.provenance["device"] for pair in pairs for record in pair})
            about |= {"other": values_in_words(other, deviation), "n": len(pairs), "devices": " and ".join(devices)}
            about["unlike"] = _set_apart(pairs, deviation)
            for metric in METRICS:
                ends = (
                    [record.rows[-1][record.columns.index(metric)] for record in side]
                    for side in zip(*pairs, strict=True)
                )
                paired = statistics.paired(*ends)
                low, high = paired.interval.low, paired.interval.high
                yield about | {"metric": metric, "difference": paired.difference, "low": low, "high": high}


def _set_apart(pairs: Sequence[tuple[StoredRun, StoredRun]], deviation: Deviation) -> str:
    """What sets pairs apart beside the choice: how the runs of either value were made, where a pair differs in it."""
    twins = [tuple(made(record.run, record.provenance) for record in pair) for pair in pairs]
    differing = unlike(twins, [aspect for aspect in ASPECTS if aspect not in deviation.default])
    sides = [", ".join(" or ".join(words[side]) for words in differing.values()) for side in (0, 1)]
    return f"the other value from {sides[0]}, the default from {sides[1]}" if differing else ""


def _changed(run: Run, deviation: Deviation, other: Mapping[str, Any]) -> Run | None:
    """The run with the other value, if it is one of the papers' with the default."""
    if networks.find(run.network).paper != published.PAPERS[deviation.paper]:
        return None
    if run.label_noise or run.class_imbalance != 1 or run.loss != "cross-entropy":
        return None
    if catalogue.is_stand_in(run.data):
        return None
    if run.method not in (deviation.methods or METHODS[deviation.paper]):
        return None
    values = run.options if deviation.methods else run.to_dict()
    if any(values.get(name, default) != default for name, default in deviation.default.items()):
        return None
    return dataclasses.replace(run, **({"options": {**run.options, **other}} if deviation.methods else other))


def _effect(choice: pd.DataFrame) -> str:
    """The effects on test accuracy, those of the same data, size and seeds together."""
    together: dict[str, list[str]] = {}
    for row in choice[choice.metric == "acc/val"].itertuples():
        size = count(row.train_examples, "example") if np.isfinite(row.train_examples) else "all examples"
        effect = with_interval(row.difference, row.low, row.high, "+")
        where = f"{catalogue.label(row.data) or row.data}, {size}, {count(row.epochs, 'epoch')}"
        mixed = f"; some pairs differ in more: {row.unlike}" if row.unlike else ""
        together.setdefault(f"{where}, n = {row.n}{mixed}", []).append(f"{row.other}, {row.method}: {effect}")
    return "; ".join(f"{', '.join(effects)} ({where})" for where, effects in together.items()) or "not run"


def _notes() -> str:
    return (
        "Effect: test accuracy at the end with the other value minus that with the default, paired by seed, mean"
        " [95 % t interval], for every setting in which stored runs differ in this choice alone, with true labels,"
        " the cross-entropy and data that are not generated; `not run` where there are none. Intervals are over seeds,"
        " not over the choice of test images, and not adjusted for their number. The .csv has test losses too, and the"
        " devices. An option's default is the library's; `published` is the protocol of that name, of paper B alone."
    )
