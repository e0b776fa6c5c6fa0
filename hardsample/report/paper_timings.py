"""Table 1 of paper B, seconds per training iteration; and where they go, in our loop and in one as the paper has it."""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from hardsample.experiments import hard_samples, published
from hardsample.experiments.curves import Timings
from hardsample.numerals import count, number, short
from hardsample.report.paper_runs import conditions, opening
from hardsample.report.paper_tables import build
from hardsample.training.described_loop import PARTS

TEST_SHARE = 0.2  # CIFAR-10's 10,000 test images, of its 50,000 training images
_ROUNDING = 0.00005  # of a printed time, seconds
LOOPS = ("tests_ratio", "described_ratio", "walked_ratio", "walked_tests_ratio")
_EXPLAINED = {"tests_ratio": "test passes", "walked_ratio": "walking the loader", "walked_tests_ratio": "both"}
_LOOP_NOTE = (
    "The ratios beside it are to the same loop at δ = 1 in the same round. + tests: each round ends in a pass over the"
    " test set, as Algorithm 2 has it, of a fifth as many mini-batches as training has, as on CIFAR-10 (δ = 1: each"
    " epoch). Described loop: a DataLoader that loads and scales image by image, and the loss of each mini-batch read"
    " and kept, as the paper describes it; walked: it goes through its loader from end to end in every round, and skips"
    " what is not trained after loading it. An update is the same work for every δ: these ratios take its median over"
    " the δ of a round. Their clock is, on a CPU, the CPU time of one thread."
)
_UNKNOWN = (
    "Not measured: a GPU. Reading a loss makes its host wait, where a loop that reads none times only the launching of"
    " the work; that would be such a cost of every iteration."
)


def table_1(timings: Timings, loops: Timings | None = None) -> pd.DataFrame:
    """Seconds per training iteration, a row per δ: median over rounds, quartiles as ``_low`` and ``_high``.

    ``ratio`` is to δ = 1 within the same round, its median and quartiles likewise; ``_difference`` is ours minus the
    paper's number. ``timings`` come from ``timing.measure``, ``loops`` from ``loop_timing.measure``: the ratios of
    ``LOOPS`` are theirs, and the seconds too where ``timings`` are empty.
    """
    paper = published.read("hard-samples-table-1").set_index("delta").seconds
    found = _ratios(loops)
    frame = timings.frame
    if frame.empty and found:
        timings = loops
        frame = loops.frame[(loops.frame.loop == "ours") & (loops.frame.part == "update")]
    seconds = frame.pivot(index="round", columns="delta", values="seconds").reindex(columns=hard_samples.DELTAS)
    ratios = seconds.div(seconds[1.0], axis=0)
    rows = []
    for delta in hard_samples.DELTAS:
        measured = seconds[delta].dropna()
        row = {"delta": delta, "status": "measured" if len(measured) else "not run", "rounds": len(measured)}
        expected = {"seconds": paper[delta], "ratio": paper[delta] / paper[1.0]}
        for name, values in (("seconds", measured), ("ratio", ratios[delta].dropna())):
            row |= _quartiles(name, values) | {f"{name}_paper": expected[name]}
            row[f"{name}_difference"] = row[name] - expected[name]
        for name, values in found.items():
            row |= _quartiles(name, values[delta])
        rows.append(row | conditions(timings.experiment, timings.experiment.data if len(measured) else ""))
    head = [
        *opening(timings.experiment, count(int(seconds.count().max()), "round")),
        f"Device: {timings.device}, threads: {timings.threads}; the paper's: NVIDIA A100, 40 GB.",
    ]
    notes = [
        "Seconds: one training iteration (one mini-batch), median over rounds [quartiles]; every round measures all δ"
        " in turn. Ratio: to δ = 1 in the same round.",
        *([_LOOP_NOTE, *_explained(rows)] if found else []),
        *_of_what_is_printed(),
        _UNKNOWN,
    ]
    title = "Table 1 (ResNet-18, CIFAR-10): seconds per training iteration for each δ"
    table = build("table-1", rows, title, head, notes)
    table.attrs["finding"] = _finding(table) if found else ""
    return table


def parts(loops: Timings) -> pd.DataFrame:
    """Where the milliseconds of an iteration of the described loop go, a row per δ, medians over rounds.

    The parts are those of :class:`hardsample.training.described_loop.DescribedLoop`, and the ``test`` pass, per
    mini-batch trained; ``total`` is their sum in a round with its quartiles, ``ratio`` that to δ = 1's.
    """
    rows, sums = [], {}
    for delta, own in _described(loops).items():
        sums[delta] = own.sum(axis=1)
        row = {"delta": delta, "rounds": len(own)} | (1000 * own.median()).to_dict()
        row |= _quartiles("total", 1000 * sums[delta]) | _quartiles("ratio", sums[delta] / sums[1.0])
        rows.append(row)
    head = [
        *opening(loops.experiment, count(loops.frame["round"].nunique(), "round")),
        f"Device: {loops.device}, threads: {loops.threads}.",
    ]
    notes = [
        "Milliseconds per mini-batch trained, medians over rounds, of the sum and its ratio to δ = 1 with quartiles."
        " Skipped: loading what is not trained, which ends when the wanted mini-batches alone are loaded. Update:"
        " forward and backward pass and step, the median over δ, since it is the same work. Test: a pass over the test"
        " set after each round, of a fifth as many mini-batches as training has. On a CPU: the CPU time of one thread.",
    ]
    title = "Where an iteration's time goes, in a loop as the paper describes its own"
    return build("table-1-parts", rows, title, head, notes)


@dataclasses.dataclass(frozen=True)
class Fit:
    """Seconds ``each`` + ``once`` / δ, fitted to printed times.

    ``once`` is from ``low`` to ``high`` by the rounding of the times, and ``most`` is what any two of them allow.
    """

    each: float
    once: float
    low: float
    high: float
    most: float


def fit(seconds: Mapping[float, float]) -> Fit:
    """What a round costs once, and a mini-batch each, by least squares over times by δ, rounded to 0.1 ms."""
    inverse, times = 1 / np.array([*seconds]), np.array([*seconds.values()])
    apart = inverse - inverse.mean()
    once = float(apart @ times / (apart @ apart))
    error = float(_ROUNDING * np.abs(apart).sum() / (apart @ apart))
    pairs = itertools.combinations(zip(inverse, times, strict=True), 2)
    slopes = [(abs(y - v) + 2 * _ROUNDING) / abs(x - u) for (x, y), (u, v) in pairs]
    return Fit(float(times.mean() - once * inverse.mean()), once, once - error, once + error, max(slopes))


def _of_what_is_printed() -> Iterator[str]:
    """What the paper's own numbers leave for costs that come once a round."""
    paper = published.read("hard-samples-table-1").set_index("delta").seconds
    hard = paper[paper.index < 1]
    found = fit(hard.to_dict())

    def shares(once: float) -> str:
        said = (
            f"{number(100 * once * (1 / d - 1) / (s - paper[1.0]), 1)} % at δ = {short(d)}" for d, s in hard.items()
        )
        return ", ".join(said)

    ms = [number(1000 * value, 2) for value in (found.once, found.low, found.high, found.most)]
    yield (
        "By the printed numbers alone: what comes once a round, as a test pass or a walk over the whole loader, costs"
        f" an iteration b / δ, and all else costs a. Fitted to the three times below δ = 1, a is"
        f" {number(found.each, 4)} s and b {ms[0]} ms ({ms[1]} to {ms[2]} by rounding): of the time beyond δ = 1 that"
        f" is {shares(found.once)}. The most that any two of the times allow for b is {ms[3]} ms, or"
        f" {shares(found.most)}. The rest is alike for every δ below 1, and δ = 1 does not have it."
    )


def _described(loops: Timings) -> dict[float, pd.DataFrame]:
    """Seconds of every part per mini-batch trained in the described loop, a row per round, by δ."""
    own = loops.frame[loops.frame.loop == "described"]
    update, test = _update(own), own[own.part == "test"].set_index("round").seconds
    found = {}
    for delta, rows in own[own.part != "test"].groupby("delta", sort=False):
        wide = rows.pivot(index="round", columns="part", values="seconds")[list(PARTS)]
        found[float(delta)] = wide.assign(update=update, test=test * TEST_SHARE / delta)
    return found


def _update(own: pd.DataFrame) -> pd.Series:
    """Seconds of an update in each round, the median over δ: it is the same work for all of them."""
    return own[own.part == "update"].groupby("round").seconds.median()


def _ratios(loops: Timings | None) -> dict[str, dict[float, pd.Series]]:
    """The ratios of ``LOOPS`` to δ = 1 in the same round, by δ; empty where nothing was measured."""
    if loops is None or loops.frame.empty:
        return {}
    own = loops.frame[loops.frame.loop == "ours"]
    update, test = _update(own), own[own.part == "test"].set_index("round").seconds * TEST_SHARE
    described = _described(loops)
    costs = {
        "tests_ratio": {delta: update + test / delta for delta in described},
        "described_ratio": {d: rows.drop(columns=["skipped", "test"]).sum(axis=1) for d, rows in described.items()},
        "walked_ratio": {d: rows.drop(columns="test").sum(axis=1) for d, rows in described.items()},
        "walked_tests_ratio": {d: rows.sum(axis=1) for d, rows in described.items()},
    }
    return {name: {delta: cost / by[1.0] for delta, cost in by.items()} for name, by in costs.items()}


def _explained(rows: list[dict]) -> Iterator[str]:
    """What share of the paper's excess each cause makes here."""
    hard = [row for row in rows if row["delta"] < 1]
    said = []
    for name, cause in _EXPLAINED.items():
        shares = (f"{number(100 * (row[name] - 1) / (row['ratio_paper'] - 1), 0)} %" for row in hard)
        said.append(f"{cause} {', '.join(shares)}")
    at = ", ".join(short(row["delta"]) for row in hard)
    yield f"Of the paper's time beyond δ = 1 they explain here, at δ = {at}: {'; '.join(said)}."


def _finding(table: pd.DataFrame) -> str:
    hard = table[table.delta < 1]
    ours, paper = hard.walked_tests_ratio, hard.ratio_paper

    def ends(values: pd.Series, digits: int) -> str:
        return " to ".join(dict.fromkeys(number(end, digits) for end in (values.min(), values.max())))

    return (
        f"Test passes and a walked loader make an iteration {ends(ours, 2)} times as long as at δ = 1 here; the paper"
        f" prints {ends(paper, 2)} times. They explain {ends(100 * (ours - 1) / (paper - 1), 0)} % of its excess."
    )


def _quartiles(name: str, values: pd.Series) -> dict[str, float]:
    low, median, high = np.quantile(values, (0.25, 0.5, 0.75)) if len(values) else (np.nan,) * 3
    return {name: median, f"{name}_low": low, f"{name}_high": high}
