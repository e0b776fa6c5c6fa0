"""The fused step of twelve letters CNNs on a GPU: against the plain cohort, one seed after another, and its bytes."""

import dataclasses
import functools

import numpy as np
import torch

from benchmarks import cohort, reckoning
from benchmarks.attempts import NO_GPU, Attempts, way_of
from benchmarks.cohort import GRAPHS, TARGETS, TEST, TRAIN, Case
from benchmarks.measure import Row, Way, duration, gpu, summary
from hardsample.config import PRECISIONS
from hardsample.training import evaluation as evaluations
from hardsample.training.step import TrainingStep
from hardsample.training.updates import stepper

SIZES = (32, 4, 1024)
METHODS = ("MB", "PEB")
OTHER_PRECISIONS = ("float32", "tf32")  # at the first size alone
FUSED, PLAIN, COPY = "fused", "plain", "a copy in memory"
COPIED = 1 << 30  # bytes
ROUNDS = 8


def step(case: Case, way: str) -> Way:
    """An update of the cohort as one CUDA graph, fused or plain."""
    return way_of(stepper(case.runs, case.begin(), device=case.device, way=way), graph_on=case.device)


def evaluation(case: Case, way: str) -> Way:
    """Accuracies and losses of the cohort on all training and test examples, on the host."""
    one = TrainingStep(case.runs, case.begin(), torch.device(case.device), way=way)
    return lambda _: evaluations.rows(one, 0)


def copy(case: Case) -> Way:
    """``COPIED`` bytes read and as many written: what the memory gives."""
    source = torch.zeros(COPIED if case.device != "cpu" else 1 << 20, dtype=torch.uint8, device=case.device)
    target = torch.empty_like(source)
    return lambda _: target.copy_(source)


def cases(case: Case) -> list[Case]:
    """Each mini-batch size in bf16, and the first in the other precisions that there are."""
    others = [name for name in OTHER_PRECISIONS if name in PRECISIONS]
    settings = [*((n, "bf16") for n in SIZES), *((SIZES[0], precision) for precision in others)]
    return [dataclasses.replace(case, n=n, precision=precision) for n, precision in settings]


def measure() -> list[Row]:
    """Every case by both methods, then the evaluation."""
    return rows(Case()) if gpu() else unmeasured()


def unmeasured() -> list[Row]:
    """A row for everything that is measured where there is a GPU."""
    return [dataclasses.replace(row, sides=NO_GPU) for row in rows(Case(), minutes=0)]


def rows(case: Case, minutes: float | None = None) -> list[Row]:
    """What is measured of cases like ``case``."""
    with Attempts(minutes=minutes) as attempts:
        found = [row for one in cases(case) for row in _steps(attempts, one)]
        return [*found, _evaluation(attempts, dataclasses.replace(case, precision="bf16"))]


def _steps(attempts: Attempts, case: Case) -> list[Row]:
    """The fused step against the plain cohort and one seed after another, MB's against PEB's, and against its bytes."""
    of = {method: dataclasses.replace(case, method=method) for method in METHODS}
    makers = {f"{FUSED}, {method}": functools.partial(step, one, FUSED) for method, one in of.items()}
    makers |= {f"{PLAIN}, {method}": functools.partial(step, one, PLAIN) for method, one in of.items()}
    makers |= {f"{GRAPHS}, {method}": functools.partial(cohort.graphs, one) for method, one in of.items()}
    makers[COPY] = functools.partial(copy, case)
    seconds = attempts.seconds(makers, rounds=ROUNDS)
    what = f"fused step of {case.seeds} seeds, n = {case.n}, {case.precision}"
    found = []
    for method in METHODS:
        ours, plain, alone = (f"{name}, {method}" for name in (FUSED, PLAIN, GRAPHS))
        title = f"{what}, {method}, against"
        found.append(attempts.compare(f"{title} the plain cohort as a graph", seconds, ours, plain, at_least=1.0))
        found.append(attempts.compare(f"{title} {GRAPHS}", seconds, ours, alone, at_least=TARGETS[GRAPHS]))
    base, chosen = (f"{FUSED}, {method}" for method in METHODS)
    found.append(attempts.compare(f"{what}: choosing, PEB / MB", seconds, base, chosen, at_most=reckoning.CHOOSING))
    count = reckoning.state_bytes(case.seeds, element=reckoning.ELEMENT[case.precision])
    bound = reckoning.BYTES if case.n <= SIZES[0] else None  # beyond it operations take longer than bytes
    title = f"{what}, PEB, against its weights' {count / 1e6:,.0f} MB at a copy's rate"
    for name in (chosen, COPY):
        if name not in seconds:
            return [*found, Row(title, attempts.reasons[name], at_most=bound)]
    least = seconds[COPY] * count / (2 * COPIED)
    taken = {attempts.named(chosen): seconds[chosen], "its bytes": least}
    sides = ", ".join(f"{name} {duration(float(np.median(spent)))}" for name, spent in taken.items())
    return [*found, summary(title, sides, seconds[chosen] / least, at_most=bound)]


def _evaluation(attempts: Attempts, case: Case) -> Row:
    makers = {way: functools.partial(evaluation, case, way) for way in (FUSED, PLAIN)}
    seconds = attempts.seconds(makers, rounds=ROUNDS)
    what = f"evaluation of {case.seeds} seeds on {TRAIN + TEST:,} images, {case.precision}, against the plain cohort's"
    return attempts.compare(what, seconds, FUSED, PLAIN, at_least=1.0)
