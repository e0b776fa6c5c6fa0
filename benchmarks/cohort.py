"""Twelve letters CNNs as one cohort on a GPU, against the same twelve one after another; paper A's runs projected."""

import dataclasses
import functools
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction

import numpy as np
import torch
import torch.nn.functional as F

from benchmarks import stacked
from benchmarks.attempts import NO_GPU, Attempts, compute_in, repeated, way_of
from benchmarks.measure import Row, Way, duration, gpu, summary
from benchmarks.step import OrdinaryCNN
from hardsample.config import PRECISIONS, Run
from hardsample.data.dataset import Dataset, load
from hardsample.experiments import base_values, registry
from hardsample.training import evaluation as evaluations
from hardsample.training.networks import max_cohort_size
from hardsample.training.step import TrainingStep
from hardsample.training.updates import stepper

SEEDS = 12
SIZES = (32, 4, 1024)
TRAIN, TEST = 124_800, 20_800  # EMNIST Letters'
OURS = "the library"
EAGER, GRAPHS = "one after another, eager", "one after another, a CUDA graph each"
TARGETS = {EAGER: 10.0, GRAPHS: 2.5}
MINUTES = 10.0
ROUNDS = 5


@dataclasses.dataclass(frozen=True)
class Case:
    """What is trained and where.

    Args:
        precision: of the runs, and of the ways written out here.
        examples: of training and test; letters repeated to that number.
    """

    n: int = 32
    precision: str = "float32"
    method: str = "PLB"
    device: str = "cuda"
    seeds: int = SEEDS
    examples: tuple[int, int] = (TRAIN, TEST)

    @property
    def runs(self) -> list[Run]:
        """A run of each seed."""
        return [
            Run("glyphs", self.method, seed, batch_size=self.n, precision=self.precision)
            for seed in range(1, self.seeds + 1)
        ]

    def begin(self) -> Dataset:
        """Set the process to the precision; the data, on the device."""
        compute_in(self.precision)
        return _letters(self.examples, self.device)


@functools.cache
def _letters(examples: tuple[int, int], device: str) -> Dataset:
    """Data that all ways of a process share; none writes to them."""
    some = load("glyphs", train_examples=min(2048, examples[0]), test_examples=min(512, examples[1]))
    return repeated(some, *examples).to(device)


def library(case: Case, way: str = "") -> Way:
    """An update of the cohort by the library's own loop; ``way`` names another than its own of computing networks."""
    networks = {"cohort": stacked.WAYS[way]} if way else {}
    return way_of(stepper(case.runs, case.begin(), device=case.device, **networks))


def fused(case: Case) -> Way:
    """An update of the cohort as one compiled function."""
    return way_of(stacked.fused(case.runs, case.begin(), device=case.device))


def streams(case: Case) -> Way:
    """An update of every seed, each in a stream and a CUDA graph of its own."""
    return way_of(stacked.streams(case.runs, case.begin(), device=case.device))


def graphs(case: Case) -> Way:
    """As many updates of one run as there are seeds, by the library's CUDA graph of one."""
    return way_of(stepper(case.runs[0], case.begin(), device=case.device), case.seeds, graph_on=case.device)


def eager(case: Case) -> Way:
    """As many updates of one run as there are seeds, written in the ordinary way, the data on the device."""
    data, run = case.begin(), case.runs[0]
    network = OrdinaryCNN().to(case.device).train()
    optimizer = torch.optim.Adadelta(network.parameters(), lr=run.learning_rate, rho=run.rho)
    images, values = data.x_train.float() / 255, torch.ones(len(data.x_train), device=case.device)

    def update() -> None:
        batch = torch.multinomial(values, case.n, replacement=True)
        optimizer.zero_grad()
        with torch.autocast(case.device, torch.bfloat16, run.precision == "bf16"):
            losses = F.cross_entropy(network(images[batch]), data.y_train[batch], reduction="none")
        losses.mean().backward()
        optimizer.step()
        values[batch] = losses.detach()

    return way_of(update, case.seeds)


def evaluation(case: Case) -> Way:
    """Accuracies and losses of the cohort on all training and test examples, on the host."""
    step = TrainingStep(case.runs, case.begin(), torch.device(case.device))
    return lambda _: evaluations.rows(step, 0)


def start(case: Case) -> Way:
    """From nothing to the first update of the cohort: networks, base values, CUDA graph; the data are there."""
    data = case.begin()
    return lambda _: stepper(case.runs, data, device=case.device)()


RIVALS: dict[str, tuple] = {EAGER: (eager,), GRAPHS: (graphs,)}
"""What the targets are against: what makes it, and its arguments after the case."""

OTHERS: dict[str, tuple] = {
    "grouped convolutions, channels last": (library, "grouped convolutions, channels last"),
    "a stream and a CUDA graph each": (streams,),
    "im2col and batched matrix products": (library, "im2col and batched matrix products"),
    "im2col, compiled": (library, "im2col, compiled"),
    "grouped convolutions, compiled": (library, "grouped convolutions, compiled"),
    "im2col, the whole step compiled": (fused,),
}
"""Every other way of an update of the cohort, likewise."""


def measure() -> list[Row]:
    """The targets in every precision and at three mini-batch sizes, then the other ways at the first size in bf16."""
    return rows(Case()) if gpu() else unmeasured()


def unmeasured() -> list[Row]:
    """A row for every target, without a GPU."""
    against = [Row(_update(Case(n), rival), NO_GPU, at_least=least) for n in SIZES for rival, least in TARGETS.items()]
    return [*against, Row(_grid("float32"), NO_GPU, unit="min", at_most=MINUTES)]


def rows(case: Case, sizes: Sequence[int] = SIZES, precisions: Sequence[str] = PRECISIONS) -> list[Row]:
    """What is measured of cases like ``case``."""
    cases = {n: [dataclasses.replace(case, n=n, precision=precision) for precision in precisions] for n in sizes}
    with Attempts() as attempts:
        found = [row for n in sizes for row in _against_library(attempts, cases[n], RIVALS)]
        found += [projection(attempts, dataclasses.replace(case, precision=precision)) for precision in precisions]
        return found + _against_library(attempts, cases[sizes[0]][-1:], OTHERS)


def _against_library(attempts: Attempts, cases: Sequence[Case], ways: Mapping[str, tuple]) -> list[Row]:
    makers = {
        f"{name}, {case.precision}": functools.partial(maker, case, *arguments)
        for case in cases
        for name, (maker, *arguments) in {OURS: (library,), **ways}.items()
    }
    seconds = attempts.seconds(makers, rounds=ROUNDS)
    return [
        attempts.compare(
            _update(case, name),
            seconds,
            f"{OURS}, {case.precision}",
            f"{name}, {case.precision}",
            at_least=TARGETS.get(name),
        )
        for case in cases
        for name in ways
    ]


def _update(case: Case, rival: str) -> str:
    return f"update of {case.seeds} seeds, n = {case.n}, against {rival}"


def projection(attempts: Attempts, case: Case) -> Row:
    """Paper A's grid in minutes from the times of its updates, evaluations and starts, each measured.

    One GPU trains one cohort after another; the loading of data and the writing of results are not counted.
    """
    runs = paper_a_runs()
    kinds = dict.fromkeys((run.method, run.batch_size) for run in cohorts(runs))
    makers = {
        f"{method}, n = {n}": functools.partial(library, dataclasses.replace(case, method=method, n=n))
        for method, n in kinds
    }
    makers |= {what.__name__: functools.partial(what, case) for what in (evaluation, start)}
    seconds = attempts.seconds(makers, rounds=ROUNDS)
    what = _grid(case.precision)
    for name in makers:
        if name not in seconds:
            return Row(what, attempts.reasons[name], unit="min", at_most=MINUTES)
    medians = (f"{attempts.named(name)} {duration(float(np.median(spent)))}" for name, spent in seconds.items())
    minutes = projected(runs, case.examples[0], seconds) / 60
    return summary(what, ", ".join(medians), minutes, "min", at_most=MINUTES)


def _grid(precision: str) -> str:
    return f"paper A's {len(paper_a_runs())} runs at EMNIST's size, {precision}, projected"


def paper_a_runs() -> list[Run]:
    """What paper A's four figures need at the paper's own size."""
    names = [name for name in base_values.NAMES if "figure" in name]
    grids = (registry.grid(name, profile="paper", data="stand-in") for name in names)
    return list(dict.fromkeys(run for grid in grids for run in grid.runs))


def cohorts(runs: Iterable[Run]) -> Counter[Run]:
    """How many cohorts there are of each configuration (a run of seed 0), pre-trainings included."""
    runs = dict.fromkeys(runs)
    starts = dict.fromkeys(run.start for run in runs if run.start is not None)
    alike = Counter(dataclasses.replace(run, seed=0) for run in (*runs, *starts))
    return Counter({run: math.ceil(count / max_cohort_size(run.network)) for run, count in alike.items()})


def work(run: Run, size: int) -> tuple[int, int]:
    """Updates and evaluations that a run of a stream of ``size`` examples makes after its pre-training."""

    def steps(epochs: float) -> int:
        return round(epochs * Fraction(size, run.batch_size))

    count = round(run.epochs * run.evaluations_per_epoch)
    evaluated = {steps(k / run.evaluations_per_epoch) for k in range(count + 1)} | {steps(run.epochs)}
    first, last = steps(run.pretrain_epochs), steps(run.epochs)
    return last - first, sum(first < step <= last or (step == 0 and run.start is None) for step in evaluated)


def projected(runs: Iterable[Run], size: int, seconds: Mapping[str, np.ndarray | float]) -> np.ndarray:
    """Seconds of all runs, one cohort after another: updates ("PLB, n = 32"), evaluations and starts of cohorts."""
    total = np.zeros(())
    for run, count in cohorts(runs).items():
        updates, evaluations = work(run, size)
        update = seconds[f"{run.method}, n = {run.batch_size}"]
        total = total + count * (updates * update + evaluations * seconds["evaluation"] + seconds["start"])
    return total
