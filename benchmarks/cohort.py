"""Twelve letters CNNs as one cohort on a GPU, against the same twelve one after another; paper A's runs projected."""

import dataclasses
import functools
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction

import numpy as np
import torch
import torch.nn.functional as F

from benchmarks import stacked
from benchmarks.attempts import NO_GPU, Attempts, repeated
from benchmarks.measure import Row, Way, duration, gpu, summary
from benchmarks.step import OrdinaryCNN
from hardsample import experiments, paper_a
from hardsample.configuration import Run
from hardsample.data import Dataset, load
from hardsample.models import Cohort, seeds_at_once
from hardsample.training import stepper

SEEDS = 12
SIZES = (32, 4, 1024)
SETTINGS = ("float32", "TF32", "bf16")
TRAIN, TEST = 124_800, 20_800  # EMNIST Letters'
OURS = "the library"
EAGER, GRAPHS = "one after another, eager", "one after another, a CUDA graph each"
TARGETS = {EAGER: 10.0, GRAPHS: 2.5}
MINUTES = 10.0
ROUNDS = 8
LARGE, AT_ONCE = 1024, 3  # from this n on, so many ways beside the library's fit into the memory together


@dataclasses.dataclass(frozen=True)
class Case:
    """What is trained and where.

    Args:
        setting: "float32" (IEEE's throughout), "TF32" (convolutions and matrix products on tensor cores), or "bf16".
        examples: of training and test; letters repeated to that number.
    """

    n: int = 32
    setting: str = "float32"
    method: str = "PLB"
    device: str = "cuda"
    seeds: int = SEEDS
    examples: tuple[int, int] = (TRAIN, TEST)

    @property
    def runs(self) -> list[Run]:
        """A run of each seed."""
        precision = "bf16" if self.setting == "bf16" else "float32"
        return [
            Run("glyphs", self.method, seed, batch_size=self.n, precision=precision)
            for seed in range(1, self.seeds + 1)
        ]

    def begin(self) -> Dataset:
        """Set the process to the setting; the data, on the device."""
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = self.setting == "TF32"
        some = load("glyphs", train_examples=min(2048, self.examples[0]), test_examples=min(512, self.examples[1]))
        return repeated(some, *self.examples).to(self.device)


def library(case: Case, way: str = "") -> Way:
    """An update of the cohort by the library's own loop; ``way`` names another than its own of computing networks."""
    cohort = stacked.WAYS[way] if way else Cohort
    return _called(stepper(case.runs, case.begin(), device=case.device, cohort=cohort))


def fused(case: Case) -> Way:
    """An update of the cohort as one compiled function."""
    return _called(stacked.fused(case.runs, case.begin(), device=case.device))


def streams(case: Case) -> Way:
    """An update of every seed, each in a stream and a CUDA graph of its own."""
    return _called(stacked.streams(case.runs, case.begin(), device=case.device))


def graphs(case: Case) -> Way:
    """As many updates of one run as there are seeds, by the library's CUDA graph of one."""
    return _called(stepper(case.runs[0], case.begin(), device=case.device), case.seeds)


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

    return _called(update, case.seeds)


def evaluation(case: Case) -> Way:
    """Accuracies and losses of the cohort on all training and test examples, on the host."""
    data = case.begin()
    seeds = [run.seed for run in case.runs]
    device, precision = torch.device(case.device), case.runs[0].precision
    cohort = Cohort("letters-cnn", data.num_classes, seeds, device, precision)

    def once(_: int) -> None:
        for images, labels in ((data.x_train, data.y_train), (data.x_test, data.y_test)):
            logits, losses = cohort.scores(images, labels)
            for values in ((logits.argmax(2) == labels).double(), losses.double()):
                values.mean(1).tolist()

    return once


def start(case: Case) -> Way:
    """From nothing to the first update of the cohort: networks, base values, CUDA graph; the data are there."""
    data = case.begin()
    return lambda _: stepper(case.runs, data, device=case.device)()


def _called(update: Callable[[], None], times: int = 1) -> Way:
    def way(_: int) -> None:
        for _ in range(times):
            update()

    return way


OTHERS: dict[str, tuple] = {
    "grouped convolutions, channels last": (library, "grouped convolutions, channels last"),
    "a stream and a CUDA graph each": (streams,),
    "im2col and batched matrix products": (library, "im2col and batched matrix products"),
    "im2col, compiled": (library, "im2col, compiled"),
    "grouped convolutions, compiled": (library, "grouped convolutions, compiled"),
    "im2col, the whole step compiled": (fused,),
}
"""Every other way of an update of the cohort: what makes it, and its arguments after the case."""


def measure() -> list[Row]:
    """Three mini-batch sizes and three precisions; first the targets, then whatever else there is time for."""
    return rows(Case()) if gpu() else unmeasured()


def unmeasured() -> list[Row]:
    """A row for every target, without a GPU."""
    against = [Row(_update(Case(n), rival), NO_GPU, at_least=least) for n in SIZES for rival, least in TARGETS.items()]
    return [*against, Row(_grid("float32"), NO_GPU, unit="min", at_most=MINUTES)]


def rows(case: Case, sizes: Sequence[int] = SIZES, settings: Sequence[str] = SETTINGS) -> list[Row]:
    """What is measured of cases like ``case``."""
    attempts = Attempts()
    cases = {n: [dataclasses.replace(case, n=n, setting=setting) for setting in settings] for n in sizes}
    rivals = {EAGER: (eager,), GRAPHS: (graphs,)}
    found = [row for n in sizes for row in _against_library(attempts, cases[n], rivals)]
    found += [projection(attempts, dataclasses.replace(case, setting=setting)) for setting in settings]
    for n in sizes:
        for some, ways in _groups(cases[n]):
            found += _against_library(attempts, some, ways)
    return found


def _groups(cases: Sequence[Case]) -> Iterator[tuple[Sequence[Case], dict[str, tuple]]]:
    """The cases and other ways that are timed in the same turns."""
    if cases[0].n < LARGE:
        yield cases, OTHERS
        return
    names = list(OTHERS)
    for case in cases:
        for first in range(0, len(names), AT_ONCE):
            yield [case], {name: OTHERS[name] for name in names[first : first + AT_ONCE]}


def _against_library(attempts: Attempts, cases: Sequence[Case], ways: Mapping[str, tuple]) -> list[Row]:
    named = {OURS: (library,), **ways}
    makers = {
        f"{name} ({case.setting})": functools.partial(maker, case, *arguments)
        for case in cases
        for name, (maker, *arguments) in named.items()
    }
    seconds = attempts.seconds(makers, rounds=ROUNDS, inner=min(20, max(2, 2048 // cases[0].n)))
    return [
        attempts.compare(
            _update(case, name),
            seconds,
            f"{OURS} ({case.setting})",
            f"{name} ({case.setting})",
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
    seconds = attempts.seconds(makers, rounds=ROUNDS, inner=5)
    more = {what.__name__: functools.partial(what, case) for what in (evaluation, start)}
    seconds |= attempts.seconds(more, rounds=ROUNDS)
    what = _grid(case.setting)
    for name in (*makers, *more):
        if name not in seconds:
            return Row(what, attempts.reasons[name], unit="min", at_most=MINUTES)
    medians = (f"{name} {duration(float(np.median(spent)))}" for name, spent in seconds.items())
    minutes = projected(runs, case.examples[0], seconds) / 60
    return summary(what, ", ".join(medians), minutes, "min", at_most=MINUTES)


def _grid(setting: str) -> str:
    return f"paper A's {len(paper_a_runs())} runs at EMNIST's size, {setting}, projected"


def paper_a_runs() -> list[Run]:
    """What paper A's four figures need at the paper's own size."""
    names = [name for name in paper_a.NAMES if "figure" in name]
    grids = (experiments.grid(name, profile="paper", data="stand-in") for name in names)
    return list(dict.fromkeys(run for grid in grids for run in grid.runs))


def cohorts(runs: Iterable[Run]) -> Counter[Run]:
    """How many cohorts there are of each configuration (a run of seed 0), pre-trainings included."""
    runs = dict.fromkeys(runs)
    starts = dict.fromkeys(run.start for run in runs if run.start is not None)
    alike = Counter(dataclasses.replace(run, seed=0) for run in (*runs, *starts))
    return Counter({run: math.ceil(count / seeds_at_once(run.network)) for run, count in alike.items()})


def work(run: Run, size: int) -> tuple[int, int]:
    """Updates and evaluations that a run of a stream of ``size`` examples makes after its pre-training."""

    def steps(epochs: float) -> int:
        return round(epochs * Fraction(size, run.batch_size))

    count = round(run.epochs * run.evaluations_per_epoch)
    evaluated = {steps(k / run.evaluations_per_epoch) for k in range(count + 1)} | {steps(run.epochs)}
    first, last = steps(run.pretrain_epochs), steps(run.epochs)
    return last - first, sum(first < step <= last or (step == 0 and run.start is None) for step in evaluated)


def projected(runs: Iterable[Run], size: int, seconds: Mapping[str, np.ndarray]) -> np.ndarray:
    """Seconds of all runs, one cohort after another: updates ("PLB, n = 32"), evaluations and starts of cohorts."""
    total = np.zeros(())
    for run, count in cohorts(runs).items():
        updates, evaluations = work(run, size)
        update = seconds[f"{run.method}, n = {run.batch_size}"]
        total = total + count * (updates * update + evaluations * seconds["evaluation"] + seconds["start"])
    return total
