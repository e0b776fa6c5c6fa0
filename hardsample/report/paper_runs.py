"""What Tables 1 and 3 to 6 of paper B have in common: the final metrics of runs, and sentences on them."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from hardsample import statistics
from hardsample.data import catalogue
from hardsample.experiments import hard_samples
from hardsample.experiments.curves import Curves
from hardsample.experiments.panels import Experiment
from hardsample.experiments.specs import written_name
from hardsample.report import paper_tables, tables, wording
from hardsample.report.paper_columns import DOUBTFUL
from hardsample.training import networks

FRESH = "reshuffled"  # what FMB's runs are called
TOLERANCE = 0.05  # of the loss's whole fall, within which it has converged
_FINITE = ("acc/train", "acc/val", "loss/train")  # at the end of a seed that did not diverge
_FINAL = ("step", *_FINITE, "acc/choose", "acc/report", "acc/train-sd", "acc/val-sd", "batches/train", "batches/val")


def compared_in_points(own: pd.Series, baseline: pd.Series) -> dict[str, float]:
    """Two accuracies, as shares, compared in points and by seed."""
    return tables.compared(100 * own, 100 * baseline)


def against_fresh(own: pd.Series, fresh: pd.Series) -> dict[str, float]:
    """The same, against reshuffled training, in the columns that say so."""
    return {f"{paper_tables.FRESH}{name}": value for name, value in compared_in_points(own, fresh).items()}


def compared_in_epochs(own: pd.DataFrame, baseline: pd.DataFrame) -> dict[str, float]:
    """The epochs of convergence of two :func:`final_metrics`, by seed; empty where no seed of either converged.

    A seed that has not converged counts as one evaluation after its last.
    """
    if own.e.isna().all() and baseline.e.isna().all():
        return {}
    found = tables.compared(own.e_or_later, baseline.e_or_later, higher_is_better=False)
    return {f"{paper_tables.EPOCHS}{name}": value for name, value in found.items()}


def networks_of(curves: Curves) -> tuple[str, ...]:
    """The networks that the experiment has cells of, the paper's in its order; all of the paper's where it has none."""
    asked = dict.fromkeys(network for network, _ in curves.experiment.cells.values())
    known = [network for network in networks.TITLES if network in asked or not asked]
    return tuple(dict.fromkeys((*known, *asked)))


def curves_of(curves: Curves, network: str, slot: str | None) -> pd.DataFrame:
    """The curves of a network, on one of the paper's data sets or on the only one."""
    return curves.frame[curves.frame.panel.isin(_titles(curves, network, slot))]


def _titles(curves: Curves, network: str, slot: str | None) -> list[str]:
    cells = curves.experiment.cells
    return [title for title, cell in cells.items() if cell[0] == network and slot in (None, cell[1])]


def every_delta(curves: Curves, network: str, slot: str | None) -> dict[float, pd.DataFrame]:
    """The final metrics of each δ that the experiment shows there; of every δ, where it shows none."""
    names = {delta: f"δ = {delta:g}" for delta in hard_samples.DELTAS}
    titles = _titles(curves, network, slot)
    shown = {name for title in titles for name in curves.experiment.layout.get(title, ())} & {*names.values()}
    return {
        delta: final_metrics(curves, network, slot, name) for delta, name in names.items() if name in shown or not shown
    }


def final_metrics(curves: Curves, network: str, slot: str | None, method: str) -> pd.DataFrame:
    """Each seed's last evaluation, by seed, with the epoch ``e`` of its convergence; NaN for one that diverged.

    ``e_or_later`` is one evaluation after the last where a seed has not converged.
    """
    found = curves_of(curves, network, slot)
    own = found[found.method == method].sort_values(["seed", "step"])
    ends = own.drop_duplicates("seed", keep="last").set_index("seed")
    finals = ends[list(_FINAL)].astype(float)
    epochs = [
        statistics.convergence(run.epoch, run["loss/train"], tolerance=TOLERANCE) for _, run in own.groupby("seed")
    ]
    finals["e"] = np.array(epochs, dtype=float)
    finals["e_or_later"] = finals.e.fillna(own.groupby("seed").epoch.agg(statistics.after_the_last))
    finals[~np.isfinite(finals[list(_FINITE)]).all(axis=1)] = np.nan
    return finals.assign(data=ends.data)


def seeds_wanted(curves: Curves) -> int:
    """Seeds per cell: those of the fullest one, or more where all are short of some."""
    found = curves.frame.drop_duplicates(["panel", "method", "seed"])
    fullest = found.groupby(["panel", "method"], observed=True).size().max() if len(found) else 0
    cells = sum(len(variants) for variants in curves.experiment.layout.values())
    return max(int(fullest), round((len(found) + curves.missing) / max(cells, 1)))


def conditions_and_counts(curves: Curves, finals: Sequence[pd.DataFrame], n: int, wanted: int) -> dict:
    """Status, conditions and numbers of seeds of one row, from the final metrics that enter it."""
    if all(own.empty for own in finals):
        status = "not run"
    elif min(map(len, finals)) < wanted:
        status = "incomplete"
    else:
        status = "measured" if n else "diverged"
    data = next((own.data.iloc[0] for own in finals if len(own)), "")
    diverged = sum(int(own["acc/val"].isna().sum()) for own in finals)
    return {"status": status} | conditions(curves.experiment, data) | {"n": n, "diverged": diverged}


def conditions(experiment: Experiment, data: str) -> dict[str, str]:
    return {"data": data, "profile": written_name(experiment.profile), "protocol": experiment.protocol}


def signed(paper: pd.Series, name: str) -> float:
    """A change as printed, where an arrow stands for the sign."""
    return -paper[name] if paper.direction == "down" else paper[name]


def relative_change(new: float, old: float) -> float:
    """In %, of the new value: what Table 6's printed changes are of."""
    return 100 * (new - old) / new if new else np.nan


def at_chance(shares: pd.Series, data: str, images: int | None) -> bool:
    """Are accuracies [S] of a data set, as shares, not shown to be above a guess? A share of one says nothing.

    Where their t interval, or of one seed the binomial one over so many test ``images``, begins at or below the
    accuracy of a guess; 0 stands for one that is not known.
    """
    chance, found = catalogue.chance(data) or 0.0, statistics.summary(shares)
    low = found.interval.low
    if found.n == 1:
        low = found.mean - (statistics.binomial_half_width(found.mean, images).item() if images else 0.0)
    return not low > chance


def opening(experiment: Experiment, size: str) -> list[str]:
    """What was run, in words: data first."""
    data = wording.data_statement(experiment)
    if experiment.stand_in:
        data += f", in place of the paper's {', '.join(experiment.own)}: no number here can reproduce the paper's"
    return [wording.sentence(data), wording.sentence(f"{experiment.note}; {size}")]


def seeds_statement(rows: Iterable[Mapping]) -> str:
    """n = the seeds of the fullest row, in words."""
    counts = [row["n"] for row in rows if row["status"] not in ("not run", "diverged")]
    if not counts:
        return "no run is done yet" if all(row["status"] == "not run" for row in rows) else "every run diverged"
    return wording.seeds_in_words(pd.Series(counts))


def reshuffled_statement(what: str) -> str:
    return (
        f"{what} - reshuffled: to ordinary training, whose mini-batches are formed anew every epoch where δ = 1 keeps"
        " the first ones."
    )


def last_notes(curves: Curves, rows: Sequence[Mapping]) -> list[str]:
    """What went wrong or is missing, what the runs were made on, and the doubts about the printed numbers shown."""
    notes = []
    if any(row["diverged"] for row in rows):
        notes.append(wording.DIVERGED)
    notes += [_not_run(curves, rows), wording.origin_statement(curves)]
    doubts = dict.fromkeys(row["doubt"] for row in rows if row.get("doubt") and row["status"] != "not run")
    return notes + [f"{DOUBTFUL} {wording.sentence(doubt)}" for doubt in doubts]


def _not_run(curves: Curves, rows: Sequence[Mapping]) -> str:
    """The cells without a run, by network, and how many runs the others lack: "Not run: ResNet-50; ..."."""
    absent, parts = [row for row in rows if row["status"] == "not run"], []
    if len(absent) < len(rows):
        for network in dict.fromkeys(row["network"] for row in absent):
            own = [row for row in absent if row["network"] == network]
            cells = [f"δ = {row['delta']:g}" if "data_set" not in row else row["data_set"] for row in own]
            whole = len(own) == sum(row["network"] == network for row in rows)
            parts.append(networks.find(network).title + ("" if whole else f" ({', '.join(cells)})"))
    return wording.not_run_statement(curves.missing, beside=parts)
