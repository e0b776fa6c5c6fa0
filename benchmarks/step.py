"""The training step on a CPU, one thread, against the same network, loss and optimiser written in the ordinary way."""

import dataclasses
import functools
import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

import torch
import torch.nn.functional as F
from torch import nn
from torch.profiler import ProfilerActivity, profile

from benchmarks.measure import Row, Way, compare, duration, in_turns
from hardsample.config import Run
from hardsample.data.dataset import load
from hardsample.training.process import configure_process
from hardsample.training.updates import stepper

RUN = Run(data="glyphs", method="MB", seed=1, train_examples=2048, test_examples=32)
KINDS = {
    "convolutions": ("aten::mkldnn_convolution", "aten::convolution_backward"),
    "products of the linear layers": ("aten::mm", "aten::addmm"),
}
PROFILED = 30  # steps
STARTS = 5
BOUNDS = {"float32": 2.0, "bf16": 4.0}


class OrdinaryCNN(nn.Module):
    """Paper A's network as its text lists the layers."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25)
        )
        self.classifier = nn.Sequential(
            nn.Flatten(), nn.Linear(9216, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 26)
        )

    def forward(self, x):
        return self.classifier(self.features(x))


def library(**changes) -> Way:
    """A step of the library's own loop, the host's work before it included."""
    run = dataclasses.replace(RUN, **changes)
    data = load(run.data, train_examples=run.train_examples, test_examples=run.test_examples)
    configure_process()
    update = stepper(run, data)
    return lambda _: update()


def ordinary(n: int) -> Way:
    """An ordinary step: shuffled mini-batches of tensors in memory, eager network, ``torch.optim.Adadelta``."""
    data = load(RUN.data, train_examples=RUN.train_examples, test_examples=RUN.test_examples)
    network = OrdinaryCNN().train()
    optimizer = torch.optim.Adadelta(network.parameters(), lr=RUN.learning_rate, rho=RUN.rho)
    images, order = data.x_train.float() / 255, torch.randperm(len(data.x_train))

    def step(number: int) -> None:
        start = number * n % (len(order) - n + 1)
        batch = order[start : start + n]
        optimizer.zero_grad()
        F.cross_entropy(network(images[batch]), data.y_train[batch]).backward()
        optimizer.step()

    return step


def measure() -> list[Row]:
    """Both precisions at the paper's three mini-batch sizes.

    A sample is ten steps in a row where they are short: in a training, too, a step finds the caches warm.
    """
    rows = []
    for n, rounds, inner in ((32, 10, 10), (4, 10, 10), (1024, 2, 1)):
        makers = {"ordinary": functools.partial(ordinary, n)}
        for precision in BOUNDS:
            makers[precision] = functools.partial(library, batch_size=n, precision=precision)
        seconds = in_turns(makers, rounds=rounds, inner=inner, starts=STARTS)
        for precision, bound in BOUNDS.items():
            least = bound if n == RUN.batch_size else None
            rows.append(compare(f"training step, n = {n}", seconds, precision, "ordinary", at_least=least))
    return rows + profiled()


def profiled() -> list[Row]:
    """Where a step of n = 32 goes, by torch's profiler: what is ours to save is all but convolutions and products."""
    makers = {"ordinary": functools.partial(ordinary, RUN.batch_size)}
    makers |= {precision: functools.partial(library, precision=precision) for precision in BOUNDS}
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), torch.set_num_threads, (1,)) as process:
        found = {name: process.submit(_kinds, maker).result() for name, maker in makers.items()}
    return [
        Row(
            f"the same, n = {RUN.batch_size}: {kind}",
            ", ".join(f"{name} {duration(found[name][kind])}" for name in (precision, "ordinary")),
            found["ordinary"][kind] / found[precision][kind],
            n=PROFILED,
        )
        for precision in BOUNDS
        for kind in found[precision]
    ]


def _kinds(maker: Callable[[], Way]) -> dict[str, float]:
    """CPU seconds of a step by kind of operation."""
    way = maker()
    for number in range(PROFILED):
        way(number)
    began = time.process_time()
    for number in range(PROFILED):
        way(number)
    whole = (time.process_time() - began) / PROFILED
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        for number in range(PROFILED):
            way(number)
    spent = dict.fromkeys(KINDS, 0.0)
    for operation in profiler.key_averages():
        for kind, names in KINDS.items():
            if operation.key in names:
                spent[kind] += operation.self_cpu_time_total * 1e-6 / PROFILED
    return spent | {"all else": whole - sum(spent.values())}
