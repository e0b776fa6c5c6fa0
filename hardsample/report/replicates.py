"""The same runs computed twice, on other hardware or in another precision: how far they lie apart, row by row.

A run's key does not name the device, so a second computation lives in a store of its own: ``hardsample tables``
compares it with ``runs/``.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from hardsample import statistics
from hardsample.config import PRECISIONS, Run
from hardsample.data import catalogue
from hardsample.errors import InputError
from hardsample.experiments.curves import METRICS
from hardsample.numerals import count, number, p_value, short
from hardsample.records import ASPECTS, StoredRun, check_fingerprints, made, unlike
from hardsample.report import markup
from hardsample.report.wording import with_interval

COLUMNS = (
    *("data", "method", "batch_size", "learning_rate", "pretrain_epochs", "seed"),
    *("precision", "device", "other_precision", "other_device", "metric"),
    *("evaluations", "value", "other_value", "end", "largest", "largest_epoch", "sd", "seeds"),
)
_HELD_OUT = ("acc/val", "loss/val")
_SETTING = ("data", "method", "batch_size", "learning_rate", "pretrain_epochs")


def compare(stored: Iterable[StoredRun], others: Iterable[StoredRun]) -> pd.DataFrame:
    """Each of the ``others`` beside the same run as ``stored``, one row per run and metric.

    The same run has the same key; where that is not stored, the run that differs in precision alone stands in.

    - ``value``, ``other_value``: the metric at the end; ``end``: other minus stored there.
    - ``largest``: the difference of greatest size over the ``evaluations`` at equal steps, and its ``largest_epoch``.
    - ``sd``: standard deviation (ddof 1) of the metric at the end over the ``seeds`` of the setting that are stored.

    ``attrs["unpaired"]`` names those of the ``others`` that have no counterpart, and ``attrs["unlike"]`` has those of
    precision, torch and code (:func:`hardsample.records.made`) in which a pair differs: aspect -> both sides' words.

    Raises:
        InputError: the two were made with different data of the same name.
    """
    found = {record.run: record for record in stored}
    alike: dict[Run, list[StoredRun]] = {}
    for record in found.values():
        alike.setdefault(dataclasses.replace(record.run, seed=0), []).append(record)
    rows, unpaired, twins = [], [], []
    for record in others:
        same = _counterpart(record.run, found)
        if same is None:
            unpaired.append(f"{record.run.label}-s{record.run.seed}")
            continue
        check_fingerprints((one.run, one.provenance) for one in (same, record))
        twins.append(tuple(made(one.run, one.provenance) for one in (same, record)))
        rows += _rows(same, record, alike[dataclasses.replace(same.run, seed=0)])
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table.attrs = {"unpaired": unpaired, "unlike": unlike(twins, ASPECTS[1:])}
    return table


def markdown(table: pd.DataFrame) -> str:
    """The table of :func:`compare` for readers: a line per run, its difference in every metric."""
    head = ("run", "seed", "replicate", "stored run", *METRICS)
    lines = []
    for _, run in table.groupby([*_SETTING, "precision", "other_precision", "seed"], sort=False):
        first, of = run.iloc[0], run.set_index("metric")
        lines.append(
            (
                f"{first.method}, n = {first.batch_size}, α = {short(first.learning_rate)},"
                f" pre-training {short(first.pretrain_epochs)}",
                str(first.seed),
                f"{first.other_device}, {first.other_precision}",
                f"{first.device}, {first.precision}",
                *(_cell(of.loc[metric]) for metric in METRICS),
            )
        )
    names = ", ".join(catalogue.label(name) or name for name in table.data.unique())
    body = markup.markdown_table(head, lines)
    blocks = (f"**The same runs computed twice. {names}.**", body, _notes(table), *_gains_blocks(gains(table)))
    return "\n\n".join(blocks) + "\n"


def gains(table: pd.DataFrame, baseline: str = "MB") -> pd.DataFrame:
    """Each method minus the baseline on either side, a row for each setting, seed and metric held out.

    ``stored`` and ``replicate`` are the method minus the baseline of the same seed and device at the end; ``apart`` is
    the second minus the first: 0 where the gain does not depend on the device.
    """
    setting = [name for name in _SETTING if name != "method"]
    index = [*setting, "precision", "device", "other_precision", "other_device", "seed", "metric"]
    wanted = table[table.metric.isin(_HELD_OUT)]
    sides = wanted.pivot(index=index, columns="method", values=["value", "other_value"])
    rows = []
    for method in sides.columns.unique("method").drop(baseline, errors="ignore"):
        if baseline in sides["value"]:
            here, there = (sides[side][method] - sides[side][baseline] for side in ("value", "other_value"))
            own = pd.DataFrame({"stored": here, "replicate": there, "apart": there - here}).dropna().reset_index()
            rows.append(own.assign(method=method, baseline=baseline))
    columns = [*index, "method", "baseline", "stored", "replicate", "apart"]
    return pd.concat(rows)[columns] if rows else pd.DataFrame(columns=columns)


def save(table: pd.DataFrame, stem: Path) -> tuple[Path, ...]:
    """Write ``stem``.csv and .md, each whole or not at all; equal tables give equal bytes.

    Raises:
        InputError: the folder cannot be written.
    """
    return markup.write(stem, {"csv": markup.csv(table), "md": markdown(table)})


def save_each(table: pd.DataFrame, folders: Mapping[str, Path]) -> tuple[Path, ...]:
    """Write ``replicates`` into the folder of each data set that the table has rows of.

    Raises:
        InputError: the table is empty, or a folder cannot be written.
    """
    if table.empty:
        raise InputError("no finished run was computed twice: give a folder of runs that are stored here too.")
    written: tuple[Path, ...] = ()
    for name, rows in table.groupby("data"):
        rows.attrs = table.attrs
        written += save(rows, folders[name] / "replicates")
    return written


def _counterpart(run: Run, stored: Mapping[Run, StoredRun]) -> StoredRun | None:
    others = (dataclasses.replace(run, precision=precision) for precision in PRECISIONS if precision != run.precision)
    return next((stored[wanted] for wanted in (run, *others) if wanted in stored), None)


def _rows(same: StoredRun, record: StoredRun, seeds: list[StoredRun]) -> list[dict]:
    here, there = _metrics(same), _metrics(record)
    steps = here.index.intersection(there.index)
    apart = there.loc[steps] - here.loc[steps]
    ends = pd.DataFrame([_metrics(seed).iloc[-1] for seed in seeds])
    about = {name: getattr(same.run, name) for name in _SETTING} | {
        "seed": same.run.seed,
        "precision": same.run.precision,
        "device": same.provenance["device"],
        "other_precision": record.run.precision,
        "other_device": record.provenance["device"],
    }
    rows = []
    for metric in METRICS:
        largest = apart[metric].abs().idxmax()
        rows.append(
            about
            | {
                "metric": metric,
                "evaluations": int(apart[metric].notna().sum()),
                "value": here[metric].iloc[-1],
                "other_value": there[metric].iloc[-1],
                "end": apart[metric].iloc[-1],
                "largest": apart[metric][largest],
                "largest_epoch": here.epoch[largest],
                "sd": ends[metric].std(),
                "seeds": len(ends),
            }
        )
    return rows


def _metrics(record: StoredRun) -> pd.DataFrame:
    return pd.DataFrame(record.rows, columns=list(record.columns)).set_index("step")[["epoch", *METRICS]].astype(float)


def _cell(row: pd.Series) -> str:
    scaled = f" = {number(row.end / row.sd, 1, '+')} sd" if row.sd > 0 else ""
    return f"{number(row.end, 4, '+')}{scaled} ({number(row.largest, 4, '+')} at {short(row.largest_epoch)})"


def _gains_blocks(found: pd.DataFrame) -> Iterator[str]:
    """Whether the gains depend on the device: a line each, and what so few of them can tell."""
    if found.empty:
        return
    yield "**Does a method's difference from its baseline depend on the device?**"
    lines, said = [], []
    for (method, baseline, metric), own in found.groupby(["method", "baseline", "metric"], sort=False):
        accuracy = metric.startswith("acc")
        scale, digits = (100, 2) if accuracy else (1, 4)
        for row in own.itertuples():
            values = [number(scale * value, digits, "+") for value in (row.stored, row.replicate, row.apart)]
            sides = f"{row.device}, {row.precision}", f"{row.other_device}, {row.other_precision}"
            what = f"{method} - {baseline}, {metric}{', points' if accuracy else ''}"
            here, there, apart = values
            lines.append((what, str(row.seed), f"{here} ({sides[0]})", f"{there} ({sides[1]})", apart))
        found_apart = statistics.summary(scale * own.apart)
        ends = found_apart.interval
        mean = with_interval(found_apart.mean, ends.low, ends.high, "+", digits)
        needed = statistics.seeds_needed(1)
        few = f": inconclusive, {count(needed, 'seed')} are needed" if found_apart.n < needed else ""
        said.append(f"{method} - {baseline} in {metric}: {mean}{few} (n = {found_apart.n}).")
    yield markup.markdown_table(("difference", "seed", "stored", "replicate", "replicate - stored"), lines)
    yield f"Replicate minus stored, mean over seeds [95 % t interval]: {' '.join(said)}"


def _notes(table: pd.DataFrame) -> str:
    sizes, seeds = (table.end / table.sd).abs(), " to ".join(map(str, sorted({table.seeds.min(), table.seeds.max()})))
    notes = [
        "Each cell: replicate minus stored run at the end of training, the same in standard deviations (sd) over the"
        f" {seeds} stored seeds of the setting, and in brackets the largest difference over all evaluations, at its"
        " epoch.",
        f"At the end the root mean square of all {len(sizes)} differences is"
        f" {number(np.sqrt((sizes**2).mean()), 1)} standard deviations; two different seeds of one setting"
        " differ by 1.4 (√2) in this measure.",
    ]
    notes.append(_equivalence_note(table[table.metric == "acc/val"].end))
    if differing := table.attrs.get("unlike"):
        sides = [", ".join(" or ".join(words[side]) for words in differing.values()) for side in (0, 1)]
        notes.append(
            f"The pairs differ in more than their hardware: stored runs are of {sides[0]}, replicates of {sides[1]}."
        )
    if table.attrs.get("unpaired"):
        notes.append(f"Without a counterpart: {', '.join(table.attrs['unpaired'])}.")
    return " ".join(notes)


def _equivalence_note(differences: pd.Series) -> str:
    """Are the accuracies shown to be equivalent? From fewer pairs than a sign-flip test takes that is not said."""
    found = statistics.equivalence(differences, statistics.MARGIN)
    pairs, mean = count(found.n, "pair"), f"{number(100 * found.difference, 2, '+')} points"
    said = f"The mean difference in test accuracy over {pairs} is {mean}"
    needed, margin = statistics.seeds_needed(1), f"{short(100 * statistics.MARGIN)} points"
    if found.n < needed:
        return f"{said}: too few to be called equivalent or not: we ask for {needed} pairs."
    ends = ", ".join(number(100 * end, 2, "+") for end in (found.interval.low, found.interval.high))
    shown = "equivalent" if found.p < statistics.LEVEL else "not shown to be equivalent"
    return f"{said} [90 % {ends}]: {shown} within {margin} (two one-sided t tests, p = {p_value(found.p)})."
