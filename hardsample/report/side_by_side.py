"""Paper B's tables, ours beside what the paper prints: numbers for machines, Markdown and LaTeX for readers.

Every table is a frame of plain numbers in the columns of ``COLUMNS``; accuracies are in %, their differences in points,
and what does not exist is NaN. Its ``attrs`` hold what a reader is told: ``title``; ``head``, sentences on the data,
the profile and the definitions; ``notes``, sentences on the columns; ``layout``, how its rows are written.
"""

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from hardsample.experiments import hard_samples, published
from hardsample.experiments.curves import Curves, Timings
from hardsample.experiments.panels import Experiment
from hardsample.report import markup, tables, wording
from hardsample.report import stats as statistics
from hardsample.training import networks

_COMPARED = ("difference", "difference_low", "difference_high", "p", "p_holm", "smallest", "seeds_won", "pairs")
_FRESH = ("fresh_difference", "fresh_low", "fresh_high", "fresh_pairs")
COLUMNS = {
    "table-1": (
        *("delta", "status", "data", "profile", "protocol", "rounds"),
        *("seconds", "seconds_low", "seconds_high", "seconds_paper", "seconds_difference"),
        *("ratio", "ratio_low", "ratio_high", "ratio_paper", "ratio_difference"),
    ),
    "table-2": (
        *("network", "image_size", "classes"),
        *("parameters", "parameters_millions", "parameters_paper", "parameters_difference"),
        *("flops", "flops_giga", "flops_paper", "flops_difference"),
    ),
    "table-3": (
        *("network", "delta", "status", "data", "profile", "protocol", "n", "diverged"),
        *("train", "train_low", "train_high", "train_paper", "train_paper_interval", "train_difference"),
        *("test", "test_low", "test_high", "test_paper", "test_paper_interval", "test_difference"),
        *(*_COMPARED, "difference_paper", *_FRESH, "updates"),
        *("e", "e_low", "e_high", "converged", "e_spacing", "e_paper", "e_difference"),
        *("e_change", "e_change_paper", "fewer", "doubt"),
    ),
    "table-6": (
        *("network", "data_set", "status", "data", "profile", "protocol", "n", "diverged"),
        *("delta", "baseline", "chosen", "change", *_COMPARED, *_FRESH),
        *("naive_delta", "naive_change", "change_paper", "change_difference", "change_recomputed", "doubt"),
    ),
}
DOUBTFUL = "†"
FRESH = "reshuffled"  # what FMB's runs are called
_TABLES = dict(zip(hard_samples.SLOTS, ("table-3", "table-4", "table-5"), strict=True))  # the paper's, by data set
_TOLERANCE = 0.05  # of the loss's whole fall, within which it has converged
_FINITE = ("acc/train", "acc/val", "loss/train")  # at the end of a seed that did not diverge
_FINAL = ("step", *_FINITE, "acc/choose", "acc/report", "acc/train-sd", "acc/val-sd", "batches/train", "batches/val")


def table_1(timings: Timings) -> pd.DataFrame:
    """Seconds per training iteration, a row per δ: median over rounds, quartiles as ``_low`` and ``_high``.

    ``ratio`` is to δ = 1 within the same round, its median and quartiles likewise; ``_difference`` is ours minus the
    paper's number. ``timings`` come from ``timing.measure``.
    """
    paper = published.read("hard-samples-table-1").set_index("delta").seconds
    seconds = timings.frame.pivot(index="round", columns="delta", values="seconds").reindex(columns=hard_samples.DELTAS)
    ratios = seconds.div(seconds[1.0], axis=0)
    rows = []
    for delta in hard_samples.DELTAS:
        measured = seconds[delta].dropna()
        row = {"delta": delta, "status": "measured" if len(measured) else "not run", "rounds": len(measured)}
        expected = {"seconds": paper[delta], "ratio": paper[delta] / paper[1.0]}
        for name, values in (("seconds", measured), ("ratio", ratios[delta].dropna())):
            row |= _quartiles(name, values) | {f"{name}_paper": expected[name]}
            row[f"{name}_difference"] = row[name] - expected[name]
        rows.append(row | _conditions(timings.experiment, timings.experiment.data if len(measured) else ""))
    head = [
        *_head(timings.experiment, f"{int(seconds.count().max())} rounds"),
        f"Device: {timings.device}, threads: {timings.threads}; the paper's: NVIDIA A100, 40 GB.",
    ]
    notes = [
        "Seconds: one training iteration (one mini-batch), median over rounds [quartiles]; every round measures all δ"
        " in turn. Ratio: to δ = 1 in the same round. Differences are ours minus the paper's number.",
    ]
    title = "Table 1 (ResNet-18, CIFAR-10): seconds per training iteration for each δ"
    return _table("table-1", rows, title, head, notes)


def table_2(image_size: int = 128, classes: int = 10) -> pd.DataFrame:
    """Parameters and FLOPs (2 x multiply-adds) of the networks for one image, in the paper's order.

    ``_millions`` and ``_giga`` are cut after two decimals, as the paper's numbers are; ``_difference`` is zero where
    they are the printed number exactly.
    """
    rows = []
    for paper in published.read("hard-samples-table-2").itertuples():
        parameters = networks.parameters(paper.network, classes)
        flops = networks.flops(paper.network, classes, image_size)
        millions, giga = _cut(parameters, 10**6), _cut(flops, 10**9)
        rows.append(
            {
                "network": paper.network,
                "image_size": image_size,
                "classes": classes,
                "parameters": parameters,
                "parameters_millions": millions,
                "parameters_paper": paper.parameters_millions,
                "parameters_difference": _difference(millions, paper.parameters_millions),
                "flops": flops,
                "flops_giga": giga,
                "flops_paper": paper.flops_giga,
                "flops_difference": _difference(giga, paper.flops_giga),
            }
        )
    head = [f"Counted for images of {image_size}x{image_size} and {classes} classes; no data and no training."]
    if image_size != 128 or classes != 10:
        head.append("The paper's numbers are for 128x128 and 10 classes.")
    notes = [
        "FLOPs: 2 x multiply-adds of one image's forward pass by torch's counter, which counts convolutions and linear"
        " layers and neither normalisation, activations nor pooling. The paper cuts its numbers after two decimals, and"
        ' ours are cut alike before they are compared: "exact" means the same digits.',
    ]
    return _table("table-2", rows, "Table 2: parameters and FLOPs of the networks", head, notes)


def table_3(curves: Curves) -> pd.DataFrame:
    """Tables 3, 4 and 5: a row per network and δ, in the paper's order.

    - ``status``: "measured"; "incomplete", with fewer seeds than wanted; "diverged", all of them; "not run".
    - ``n``, ``diverged``: seeds that ended with finite metrics, and the others, which enter no mean.
    - ``train``, ``test``: top-1 accuracy at the end, mean over seeds with its t interval; of the published protocol's
      single checkpoint the t interval over the mini-batches of its evaluation. ``_difference``: minus the paper's.
    - ``difference``: test accuracy minus that of δ = 1, paired by seed, with its t interval, exact sign-flip ``p``,
      ``p_holm`` over the table, ``seeds_won`` of ``pairs`` seeds; ``difference_paper`` from the printed accuracies.
      Both p are NaN where the seeds are too few for any difference to be significant among the table's tests;
      ``smallest``: the smallest difference that would be, ``statistics.smallest_difference``.
    - ``fresh_difference``: test accuracy minus that of reshuffled training, paired over ``fresh_pairs`` seeds, with its
      t interval. It is no test.
    - ``updates``: made by the end, of a seed that did not diverge.
    - ``e``: mean over the ``converged`` seeds of ``statistics.convergence`` of the training loss, in epochs of N
      updates; ``e_spacing``: epochs between evaluations. ``e_difference`` to the paper's, where the runs have its
      budget of epochs, updates and examples. ``e_change``: the paper's Δe = (e(δ = 1) - e) / e in %; ``fewer``: the
      same divided by e(δ = 1). Both need every seed of both to have converged.
    - ``doubt``: why the printed accuracies of the row are no target; it has no differences to them then.
    """
    name = curves.experiment.name.split("/")[-1]
    paper = published.read(f"hard-samples-{name}").set_index(["network", "delta"])
    slot = next(slot for _, slot in curves.experiment.cells.values())
    wanted = _wanted(curves)
    rows, budgets = [], []
    for network in networks.TITLES:
        finals = _every_delta(curves, network, None)
        fresh = _finals(curves, network, None, FRESH)
        budgets.append(_Budget.of(curves, network))
        for delta, own in finals.items():
            expected = paper.loc[network, delta]
            row = {"network": network, "delta": delta} | _state(curves, [own], int(own["acc/val"].count()), wanted)
            row |= _accuracies(own, expected) | _convergence(own, finals[1.0], expected)
            row |= {"updates": own.step.max(), "e_spacing": budgets[-1].spacing if len(own) else np.nan}
            if not budgets[-1].is_the_papers(slot):
                row["e_difference"] = np.nan
            row["difference_paper"] = _printed_difference(paper, network, delta)
            if delta != 1:
                row |= _compared(own["acc/val"], finals[1.0]["acc/val"])
            rows.append(row | _against_fresh(own["acc/val"], fresh["acc/val"]))
    return _table(
        "table-3",
        rows,
        f"Table {name[-1]} ({slot}): accuracy and convergence for each δ",
        [*_head(curves.experiment, _seeds(rows)), _interval_statement(curves, rows), _e_statement()],
        [*_notes_3(), *_budget_notes(slot, budgets), *_end_notes(rows), *_notes(curves, rows)],
    )


def table_6(curves: Curves) -> pd.DataFrame:
    """A row per network and data set of the paper: the best δ < 1 against δ = 1.

    - ``delta``: the one with the fewest diverged seeds and, of those, the highest mean ``acc/choose``, the accuracy on
      one half of the test set. ``baseline``, ``chosen``: mean accuracy of δ = 1 and of that δ on the other half,
      ``acc/report``, over the ``n`` seeds finite in both; ``diverged`` counts those of every δ. ``change``: their
      relative difference in % as the paper has it, (chosen - baseline) / chosen.
    - ``difference`` and what follows it, ``fresh_difference`` too: as in :func:`table_3`, on ``acc/report``;
      ``p_holm`` over this table.
    - ``naive_delta``, ``naive_change``: chosen and reported on the whole test set, which is what the paper does.
    - ``change_paper``: as printed, a fall negative; ``change_difference``: ours minus it; ``change_recomputed``: from
      the accuracies that the paper's own Tables 3-5 print.
    - ``status``, ``doubt``: as in :func:`table_3`; the doubt is about those tables' rows.
    """
    paper = published.read("hard-samples-table-6").set_index(["network", "data_set"])
    recomputed = _recomputed()
    wanted = _wanted(curves)
    slots = dict.fromkeys((*hard_samples.SLOTS, *(slot for _, slot in curves.experiment.cells.values())))
    rows = []
    for network in networks.TITLES:
        for slot in slots:
            finals = _every_delta(curves, network, slot)
            chosen, n = _chosen(finals, _finals(curves, network, slot, FRESH))
            row = {"network": network, "data_set": slot} | _state(curves, list(finals.values()), n, wanted) | chosen
            if slot in hard_samples.SLOTS:
                change, doubt = recomputed[network, slot]
                expected = _signed(paper.loc[network, slot], "change")
                row |= {"change_paper": expected, "change_recomputed": change, "doubt": doubt}
                row["change_difference"] = np.nan if doubt else row.get("change", np.nan) - expected
            rows.append(row)
    head = [
        *_head(curves.experiment, _seeds(rows)),
        "Per cell, δ is chosen on one half of the test set, by the mean over seeds, and reported on the other half.",
    ]
    title = "Table 6: test accuracy of the best δ < 1 against δ = 1"
    return _table("table-6", rows, title, head, [*_notes_6(), *_notes(curves, rows)])


def markdown(table: pd.DataFrame) -> str:
    """Any of the tables for readers of Markdown: title, head, a line per row, notes."""
    statement, *others = table.attrs["head"]
    blocks = [
        f"**{table.attrs['title']}**",
        " ".join((f"**{statement}**", *others)),
        markup.markdown_table([column.heading for column in _layout(table)], _cells(table)),
        " ".join(table.attrs["notes"]),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def latex(table: pd.DataFrame) -> str:
    """Any of the tables as a LaTeX float in ASCII; it needs the package booktabs."""
    head = [_tex(sentence) for sentence in table.attrs["head"]]
    body = [f"{' & '.join(map(_tex, line))} \\\\" for line in _cells(table)]
    lines = [
        "% Needs \\usepackage{booktabs}; the widest tables also a landscape page.",
        *(f"% {sentence}" for sentence in head),
        "\\begin{table*}",
        "\\centering\\scriptsize\\setlength{\\tabcolsep}{3pt}",
        f"\\caption{{{' '.join((_tex(table.attrs['title']) + '.', *head))}}}",
        f"\\begin{{tabular}}{{l{'r' * (len(_layout(table)) - 1)}}}",
        "\\toprule",
        f"{' & '.join(_tex(column.heading) for column in _layout(table))} \\\\",
        "\\midrule",
        *body,
        "\\bottomrule",
        "\\end{tabular}",
        f"\\par\\medskip\\parbox{{\\textwidth}}{{{' '.join(map(_tex, table.attrs['notes']))}}}",
        "\\end{table*}",
    ]
    return "\n".join(lines) + "\n"


def save(table: pd.DataFrame, stem: Path) -> tuple[Path, ...]:
    """Write ``stem``.md, .csv and .tex, each whole or not at all; equal tables give equal bytes.

    Raises:
        InputError: the folder cannot be written.
    """
    return markup.write(stem, {"md": markdown(table), "csv": markup.csv(table), "tex": latex(table)})


def _table(layout: str, rows: list[dict], title: str, head: list[str], notes: list[str]) -> pd.DataFrame:
    """The rows in the layout's columns; p values are adjusted over all, and left out where seeds are too few."""
    table = pd.DataFrame(rows, columns=list(COLUMNS[layout]))
    if "p" in table:
        usable = [row.get("usable", 0) for row in rows]
        notes = [*notes, _test_note(int(table.p.notna().sum()), max(usable))]
        tested = statistics.family(table.p, table.difference_low, table.difference_high, usable)
        table["p"], table["p_holm"], table["smallest"] = tested
    if "doubt" in table:
        table["doubt"] = table.doubt.fillna("")
    table.attrs = {"layout": layout, "title": title, "head": head, "notes": [note for note in notes if note]}
    return table


def _compared(own: pd.Series, baseline: pd.Series) -> dict[str, float]:
    """Two accuracies, as shares, compared in points and by seed."""
    return tables.compared(100 * own, 100 * baseline)


def _against_fresh(own: pd.Series, fresh: pd.Series) -> dict[str, float]:
    """The same in ``_FRESH``, against reshuffled training; no p, for it is no test of the table."""
    found = _compared(own, fresh)
    names = ("difference", "difference_low", "difference_high", "pairs")
    return {name: found[of] for name, of in zip(_FRESH, names, strict=True)} if found else {}


def _of(curves: Curves, network: str, slot: str | None) -> pd.DataFrame:
    """The curves of a network, on one of the paper's data sets or on the only one."""
    titles = [
        title for title, cell in curves.experiment.cells.items() if cell[0] == network and slot in (None, cell[1])
    ]
    return curves.frame[curves.frame.panel.isin(titles)]


def _every_delta(curves: Curves, network: str, slot: str | None) -> dict[float, pd.DataFrame]:
    return {delta: _finals(curves, network, slot, f"δ = {delta:g}") for delta in hard_samples.DELTAS}


def _finals(curves: Curves, network: str, slot: str | None, method: str) -> pd.DataFrame:
    """Each seed's last evaluation, by seed, with the epoch ``e`` of its convergence; NaN for one that diverged."""
    found = _of(curves, network, slot)
    own = found[found.method == method].sort_values(["seed", "step"])
    ends = own.drop_duplicates("seed", keep="last").set_index("seed")
    finals = ends[list(_FINAL)].astype(float)
    epochs = [
        statistics.convergence(run.epoch, run["loss/train"], tolerance=_TOLERANCE) for _, run in own.groupby("seed")
    ]
    finals["e"] = np.array(epochs, dtype=float)
    finals[~np.isfinite(finals[list(_FINITE)]).all(axis=1)] = np.nan
    return finals.assign(data=ends.data)


def _wanted(curves: Curves) -> int:
    """Seeds per cell: those of the fullest one, or more where all are short of some."""
    found = curves.frame.drop_duplicates(["panel", "method", "seed"])
    fullest = found.groupby(["panel", "method"], observed=True).size().max() if len(found) else 0
    cells = sum(len(variants) for variants in curves.experiment.layout.values())
    return max(int(fullest), round((len(found) + curves.missing) / max(cells, 1)))


def _state(curves: Curves, finals: Sequence[pd.DataFrame], n: int, wanted: int) -> dict:
    """Status, conditions and numbers of seeds of one row, from the final metrics that enter it."""
    if all(own.empty for own in finals):
        status = "not run"
    elif min(map(len, finals)) < wanted:
        status = "incomplete"
    else:
        status = "measured" if n else "diverged"
    data = next((own.data.iloc[0] for own in finals if len(own)), "")
    diverged = sum(int(own["acc/val"].isna().sum()) for own in finals)
    return {"status": status} | _conditions(curves.experiment, data) | {"n": n, "diverged": diverged}


def _conditions(experiment: Experiment, data: str) -> dict[str, str]:
    return {"data": data, "profile": experiment.profile, "protocol": experiment.protocol}


def _accuracies(own: pd.DataFrame, paper: pd.Series) -> dict[str, float]:
    row = {"doubt": paper.doubt}
    for name, part in (("train", "train"), ("test", "val")):
        summary = _summary(own, part)
        row |= {name: summary.mean, f"{name}_low": summary.interval.low, f"{name}_high": summary.interval.high}
        row |= {f"{name}_paper": paper[name], f"{name}_paper_interval": paper[f"{name}_interval"]}
        row[f"{name}_difference"] = np.nan if paper.doubt else summary.mean - paper[name]
    return row


def _summary(own: pd.DataFrame, part: str) -> statistics.Summary:
    """Accuracy in % over seeds; a single checkpoint's interval is over the mini-batches of its evaluation, if known."""
    summary = statistics.summary(100 * own[f"acc/{part}"])
    if len(own) == 1 and own[f"batches/{part}"].iloc[0] > 1:
        from scipy import stats

        count, sd = own[f"batches/{part}"].iloc[0], 100 * own[f"acc/{part}-sd"].iloc[0]
        half = stats.t.ppf((1 + statistics.CONFIDENCE) / 2, count - 1) * sd / np.sqrt(count)
        summary = dataclasses.replace(summary, interval=statistics.Interval(summary.mean - half, summary.mean + half))
    return summary


def _convergence(own: pd.DataFrame, baseline: pd.DataFrame, paper: pd.Series) -> dict[str, float]:
    summary = statistics.summary(own.e)
    row = {"e": summary.mean, "e_low": summary.interval.low, "e_high": summary.interval.high, "converged": summary.n}
    row |= {"e_paper": paper.epoch, "e_difference": summary.mean - paper.epoch}
    row["e_change_paper"] = _signed(paper, "epoch_change")
    if own is not baseline and len(own) and len(baseline) and own.e.notna().all() and baseline.e.notna().all():
        fall = baseline.e.mean() - summary.mean
        row |= {"e_change": 100 * fall / summary.mean, "fewer": 100 * fall / baseline.e.mean()}
    return row


def _signed(paper: pd.Series, name: str) -> float:
    """A change as printed, where an arrow stands for the sign."""
    return -paper[name] if paper.direction == "down" else paper[name]


def _printed_difference(paper: pd.DataFrame, network: str, delta: float) -> float:
    own, baseline = paper.loc[network, delta], paper.loc[network, 1.0]
    return np.nan if delta == 1 or own.doubt or baseline.doubt else own.test - baseline.test


def _chosen(finals: Mapping[float, pd.DataFrame], fresh: pd.DataFrame) -> tuple[dict[str, float], int]:
    """Table 6's numbers of one cell, and of how many seeds: from the final metrics of each δ, and reshuffled ones."""
    baseline = finals[1.0]
    candidates = {delta: own for delta, own in finals.items() if delta < 1 and own["acc/val"].notna().any()}
    if not candidates or baseline["acc/val"].isna().all():
        return {}, 0

    def on_half(delta: float) -> tuple[int, float]:
        own = candidates[delta]["acc/choose"]
        return -own.isna().sum(), own.mean()

    delta = max(candidates, key=on_half)
    naive = max(candidates, key=lambda delta: candidates[delta]["acc/val"].mean())
    own = candidates[delta]["acc/report"]
    pairs = pd.DataFrame({"baseline": baseline["acc/report"], "chosen": own}).dropna()
    row = {
        "delta": delta,
        "baseline": 100 * pairs.baseline.mean(),
        "chosen": 100 * pairs.chosen.mean(),
        "change": _relative(pairs.chosen.mean(), pairs.baseline.mean()),
        "naive_delta": naive,
        "naive_change": _relative(candidates[naive]["acc/val"].mean(), baseline["acc/val"].mean()),
    }
    row |= _compared(own, baseline["acc/report"]) | _against_fresh(own, fresh["acc/report"])
    return row, len(pairs)


def _relative(new: float, old: float) -> float:
    """In %, of the new value: what Table 6's printed changes are of."""
    return 100 * (new - old) / new if new else np.nan


def _recomputed() -> dict[tuple[str, str], tuple[float, str]]:
    """Table 6's changes from the accuracies printed in Tables 3-5, each with the doubt about those, if any."""
    changes = {}
    for slot, name in _TABLES.items():
        for network, rows in published.read(f"hard-samples-{name}").groupby("network"):
            test = rows.set_index("delta").test
            doubt = next((f"Table {name[-1]}: {doubt}" for doubt in rows.doubt if doubt), "")
            changes[network, slot] = (_relative(test[test.index < 1].max(), test[1.0]), doubt)
    return changes


def _quartiles(name: str, values: pd.Series) -> dict[str, float]:
    low, median, high = np.quantile(values, (0.25, 0.5, 0.75)) if len(values) else (np.nan,) * 3
    return {name: median, f"{name}_low": low, f"{name}_high": high}


def _cut(count: int, unit: int) -> float:
    """``count`` in units, cut after two decimals."""
    return count * 100 // unit / 100


def _difference(ours: float, printed: float) -> float:
    return round(ours - printed, 2) + 0.0  # never -0.0


def _head(experiment: Experiment, size: str) -> list[str]:
    """What was run, in words: data first."""
    data = wording.data_statement(experiment)
    if experiment.stand_in:
        data += f", in place of the paper's {', '.join(experiment.own)}: no number here can reproduce the paper's"
    sentences = (data, f"{experiment.note}; {size}")
    return [f"{sentence[0].upper()}{sentence[1:]}." for sentence in sentences if sentence]


def _seeds(rows: Iterable[Mapping]) -> str:
    """n = the seeds of the fullest row, in words."""
    counts = sorted({row["n"] for row in rows if row["status"] not in ("not run", "diverged")})
    if not counts:
        return "no run is finished yet" if all(row["status"] == "not run" for row in rows) else "every run diverged"
    if len(counts) > 1:
        return f"n = {counts[0]} to {counts[-1]} seeds"
    return f"n = {counts[0]} seed{'s' * (counts[0] > 1)}"


def _interval_statement(curves: Curves, rows: Iterable[Mapping]) -> str:
    if max(row["n"] + row["diverged"] for row in rows) > 1:
        return "±: 95 % t interval of the mean over seeds."
    if curves.experiment.protocol == "published":
        return "±: 95 % t interval over the mini-batches of the one checkpoint, not over seeds."
    return "One seed has no interval."


def _e_statement() -> str:
    return (
        "e: the first evaluation, in epochs of N updates for every δ, from which on the training loss stays within"
        f" {100 * _TOLERANCE:g} % of its whole fall from its last value; the paper does not define when a loss has"
        " converged. Every: the epochs between evaluations, and e is known no finer; the paper's algorithms test after"
        " every epoch of N updates, or round of δN."
    )


@dataclasses.dataclass(frozen=True)
class _Budget:
    """A network's runs: epochs of so many updates of so many examples, and the epochs between evaluations."""

    epochs: float
    updates: float
    examples: float
    spacing: float

    @classmethod
    def of(cls, curves: Curves, network: str) -> "_Budget":
        """As the longest of its runs has it; NaN where there is none that did not diverge."""
        own = _of(curves, network, None)
        ends = own[(own.epoch == own.epoch.max()) & own["loss/train"].notna()]
        if ends.empty:
            return cls(*(np.nan,) * 4)
        last = ends.iloc[0]
        epochs = np.sort(own[(own.method == last.method) & (own.seed == last.seed)].epoch)
        between = float(np.median(np.diff(epochs))) if len(epochs) > 1 else np.nan
        return cls(last.epoch, round(last.step / last.epoch) if last.epoch else np.nan, last.batch_size, between)

    def is_the_papers(self, slot: str) -> bool:
        """Is it that of the paper's runs on this data set?"""
        epochs, updates, examples = _papers_budget(slot)
        return (self.epochs, self.examples) == (epochs, examples) and self.updates in updates

    def __str__(self) -> str:
        return f"{self.epochs:g} epochs of {self.updates:,} updates of {self.examples:g} examples"


def _papers_budget(slot: str) -> tuple[float, tuple[int, ...], int]:
    """Epochs, updates of one (without a short last mini-batch, or with it) and examples of an update in the paper."""
    paper, size = hard_samples.PROFILES["paper"], hard_samples.EXAMPLES.get(slot, 0)
    return paper.epochs, (size // paper.batch_size, -(-size // paper.batch_size)), paper.batch_size


def _budget_notes(slot: str, budgets: Sequence[_Budget]) -> list[str]:
    """Why some e have no difference to the paper's."""
    others = dict.fromkeys(str(b) for b in budgets if np.isfinite(b.epochs) and not b.is_the_papers(slot))
    if not others:
        return []
    epochs, updates, examples = _papers_budget(slot)
    return [
        f"e is not compared with the paper's where the budget is not the paper's {epochs:g} epochs of"
        f" {' or '.join(map(str, dict.fromkeys(updates)))} updates of {examples} examples: here it is"
        f" {' and '.join(others)}."
    ]


def _end_notes(rows: Sequence[Mapping]) -> list[str]:
    """Which trainings end before E N updates, as the paper's pseudo-code does."""
    whole = {row["network"]: row["updates"] for row in rows if row["delta"] == 1}
    ends = {}
    for row in rows:
        if row["updates"] < whole[row["network"]]:
            ends[f"{row['updates']:,.0f} of {whole[row['network']]:,.0f} at δ = {row['delta']:g}"] = None
    if not ends:
        return []
    return [
        "Below δ = 1 a training ends as the paper's pseudo-code does, after int(ζ) rounds of int(δN) updates,"
        f" ζ = (E - 1) / δ, and so before E N updates: {', '.join(ends)}."
    ]


def _test_note(tests: int, most: int) -> str:
    """What a family of tests can tell, of which none has more than ``most`` pairs of seeds."""
    if not tests:
        return ""
    needed = statistics.seeds_needed(tests)
    family = f"{tests} test{'s' * (tests > 1)}"
    if most < needed:
        return (
            f"With {most} seed{'s' * (most > 1)} no difference can be significant, whatever its size: {family} need"
            f"{'s' * (tests == 1)} {needed}. Differences are shown without p."
        )
    return (
        f"p is adjusted by Holm over the table's {family} and shown where there are the {needed} seeds that they need."
        f" Smallest: the smallest difference that would be significant ({statistics.LEVEL:g}) at the spread seen. The"
        " tests cover seeds, not the choice of test images."
    )


def _notes_3() -> list[str]:
    return [
        'Train, test: top-1 accuracy at the end. Paper: as printed; "- paper": ours minus the printed number.',
        "Test - (δ = 1): in points, paired by seed, with an exact two-sided sign-flip test where the seeds suffice;"
        " beside it the difference of the printed accuracies."
        f" {_reshuffled('Test')}",
        "Δe = (e(δ = 1) - e) / e in %, as the paper has it, which divides by the new value; fewer: the same difference"
        " divided by e(δ = 1). Both from the mean e, where every seed of both converged.",
    ]


def _reshuffled(what: str) -> str:
    return (
        f"{what} - reshuffled: to ordinary training whose mini-batches are formed anew every epoch, where δ = 1 keeps"
        " the first ones; in points, paired by seed, with the 95 % t interval."
    )


def _notes_6() -> list[str]:
    return [
        "Change: (best - baseline) / best in %, as the paper has it, which divides by the new value. Difference: of the"
        " same two accuracies, in points, paired by seed, with the 95 % t interval over seeds, and an exact two-sided"
        f" sign-flip test where the seeds suffice. {_reshuffled('Best')}"
        " A δ of which fewer seeds diverged comes first.",
        "Naive: best on the whole test set and reported on it, as the paper does; of three draws against one it is"
        " expected above zero by chance. Recomputed: from the accuracies in the paper's own Tables 3-5, where that"
        " differs from what Table 6 prints (cut after two decimals).",
    ]


def _notes(curves: Curves, rows: Sequence[Mapping]) -> list[str]:
    """What went wrong or is missing, what the runs were made on, and the doubts about printed numbers."""
    notes = []
    if any(row["diverged"] for row in rows):
        notes.append("Diverged seeds are left out of means and differences, and are never won.")
    notes += [wording.missing_count(curves), wording.hardware_statement(curves)]
    doubts = dict.fromkeys(row["doubt"] for row in rows if row.get("doubt"))
    return notes + [f"{DOUBTFUL} {doubt[0].upper()}{doubt[1:].rstrip('.')}." for doubt in doubts]


@dataclasses.dataclass(frozen=True)
class _Column:
    """One readable column: its heading, and the text of a row's cell."""

    heading: str
    text: Callable[[pd.Series], str]


def _number(value: float, digits: int, sign: str = "") -> str:
    return f"{value:{sign}.{digits}f}" if np.isfinite(value) else ""


def _plain(heading: str, name: str, digits: int, sign: str = "") -> _Column:
    return _Column(heading, lambda row: _number(row[name], digits, sign))


def _mean(heading: str, name: str, digits: int, sign: str = "") -> _Column:
    """A mean and half its interval, which is symmetric."""

    def text(row: pd.Series) -> str:
        half = _number((row[f"{name}_high"] - row[f"{name}_low"]) / 2, digits)
        return _number(row[name], digits, sign) + (f" ± {half}" if half else "")

    return _Column(heading, text)


def _median(heading: str, name: str, digits: int) -> _Column:
    def text(row: pd.Series) -> str:
        low, high = _number(row[f"{name}_low"], digits), _number(row[f"{name}_high"], digits)
        return _number(row[name], digits) + (f" [{low}, {high}]" if low else "")

    return _Column(heading, text)


def _printed(name: str, digits: int, *, sign: str = "", interval: str = "") -> _Column:
    """The paper's number, marked where it is in doubt."""

    def text(row: pd.Series) -> str:
        value = _number(row[name], digits, sign)
        value += f" ± {_number(row[interval], digits)}" if interval and value else ""
        return f"{value} {DOUBTFUL}" if value and row.doubt else value

    return _Column("paper", text)


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


def _agreement(heading: str, name: str) -> _Column:
    return _Column(heading, lambda row: _number(row[name], 2, "+") if row[name] else "exact")


def _differing(row: pd.Series) -> str:
    differs = abs(row.change_recomputed - row.change_paper) >= 0.01
    return _number(row.change_recomputed, 2, "+") if differs else ""


_NETWORK = _Column("network", lambda row: networks.TITLES[row.network])
_PAIRED = (
    _Column("p (Holm)", lambda row: f"{row.p_holm:.2g}" if np.isfinite(row.p_holm) else ""),
    _plain("smallest", "smallest", 1),
    _Column("won", lambda row: f"{row.seeds_won:.0f}/{row.pairs:.0f}" if np.isfinite(row.pairs) else ""),
)
_LAYOUTS = {
    "table-1": (
        _plain("δ", "delta", 1),
        _Column("rounds", lambda row: str(row.rounds) if row.rounds else row.status),
        _median("seconds", "seconds", 4),
        _plain("paper", "seconds_paper", 4),
        _plain("- paper", "seconds_difference", 4, "+"),
        _median("ratio", "ratio", 3),
        _plain("paper", "ratio_paper", 3),
        _plain("- paper", "ratio_difference", 3, "+"),
    ),
    "table-2": (
        _NETWORK,
        _Column("image size", lambda row: f"{row.image_size}x{row.image_size}"),
        _Column("parameters", lambda row: f"{row.parameters:,}"),
        _plain("M", "parameters_millions", 2),
        _plain("paper", "parameters_paper", 2),
        _agreement("- paper", "parameters_difference"),
        _Column("FLOPs", lambda row: f"{row.flops:,}"),
        _plain("G", "flops_giga", 2),
        _plain("paper", "flops_paper", 2),
        _agreement("- paper", "flops_difference"),
    ),
    "table-3": (
        _NETWORK,
        _plain("δ", "delta", 1),
        _Column("seeds", _count),
        _mean("train, %", "train", 1),
        _printed("train_paper", 1, interval="train_paper_interval"),
        _plain("- paper", "train_difference", 1, "+"),
        _mean("test, %", "test", 1),
        _printed("test_paper", 1, interval="test_paper_interval"),
        _plain("- paper", "test_difference", 1, "+"),
        _mean("test - (δ = 1)", "difference", 1, "+"),
        _plain("paper", "difference_paper", 1, "+"),
        *_PAIRED,
        _Column("test - reshuffled", _fresh),
        _Column("e", _epoch),
        _Column("every", lambda row: f"{row.e_spacing:g}" if np.isfinite(row.e_spacing) else ""),
        _plain("paper", "e_paper", 0),
        _plain("- paper", "e_difference", 1, "+"),
        _plain("Δe, %", "e_change", 2, "+"),
        _plain("paper", "e_change_paper", 2, "+"),
        _plain("fewer, %", "fewer", 2, "+"),
    ),
    "table-6": (
        _NETWORK,
        _Column("data set", lambda row: row.data_set),
        _Column("seeds", _count),
        _plain("δ chosen", "delta", 1),
        _plain("δ = 1, %", "baseline", 1),
        _plain("best, %", "chosen", 1),
        _plain("change, %", "change", 2, "+"),
        _printed("change_paper", 2, sign="+"),
        _plain("- paper", "change_difference", 2, "+"),
        _mean("difference, points", "difference", 2, "+"),
        *_PAIRED,
        _Column("best - reshuffled", _fresh),
        _plain("naive δ", "naive_delta", 1),
        _plain("naive change, %", "naive_change", 2, "+"),
        _Column("paper, recomputed", _differing),
    ),
}


def _layout(table: pd.DataFrame) -> Sequence[_Column]:
    return _LAYOUTS[table.attrs["layout"]]


def _cells(table: pd.DataFrame) -> list[list[str]]:
    return [[column.text(row) for column in _layout(table)] for _, row in table.iterrows()]


_TEX = str.maketrans(
    {
        **{character: f"\\{character}" for character in "&%$#_{}"},
        **{"\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}"},
        **{"<": "$<$", ">": "$>$", "α": "$\\alpha$", "δ": "$\\delta$", "Δ": "$\\Delta$", "ζ": "$\\zeta$"},
        **{"±": "$\\pm$", "×": "$\\times$", DOUBTFUL: "$\\dagger$", "§": "\\S{}", "–": "--", "’": "'"},
    }
)


def _tex(text: str) -> str:
    """Text as LaTeX in ASCII: what has no spelling there becomes a question mark."""
    spelled = re.sub(r"(?<![\w.])-(?=\d)", "$-$", text.translate(_TEX))
    return spelled.encode("ascii", "replace").decode()
