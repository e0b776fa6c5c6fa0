"""Timing on a GPU, at hand for minutes: what breaks is left out alone, what comes too late is not begun."""

import dataclasses
import time
from collections.abc import Callable, Iterable, Mapping

import numpy as np
import torch
from torch import Tensor

from benchmarks.measure import Broken, Row, Way, compare, in_turns
from hardsample.data import Dataset

NO_GPU = "no GPU was at hand"
MINUTES = 7.5  # for a part; nothing is begun after them


class Attempts:
    """Ways timed in turns by the wall clock; ``reasons`` says of each that is missing why it is."""

    def __init__(self, minutes: float = MINUTES) -> None:
        self.reasons: dict[str, str] = {}
        self._deadline = time.monotonic() + 60 * minutes

    def seconds(self, makers: Mapping[str, Callable[[], Way]], **options: int) -> dict[str, np.ndarray]:
        """What :func:`benchmarks.measure.in_turns` gives of the ways that hold; others are timed without the broken."""
        makers = dict(makers)
        while makers and time.monotonic() < self._deadline:
            try:
                return in_turns(makers, wall=True, **options)
            except Broken as error:
                self.reasons[error.name] = f"{error.name} broke"
                del makers[error.name]
        self.reasons |= dict.fromkeys(makers, "the time was up")
        return {}

    def compare(
        self, what: str, seconds: Mapping[str, np.ndarray], ours: str, rival: str, *, at_least: float | None = None
    ) -> Row:
        """``rival`` against ``ours``, or why they were not measured."""
        return compare(what, seconds, ours, rival, missing=self.reasons, at_least=at_least)


def captured(work: Callable[[], object], state: Iterable[Tensor] = ()) -> "torch.cuda.CUDAGraph":
    """The work as a CUDA graph; ``state`` is as it was before."""
    before = [(tensor, tensor.clone()) for tensor in state]
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            work()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=side):
        work()
    for tensor, value in before:
        tensor.copy_(value)
    return graph


def repeated(data: Dataset, train_examples: int, test_examples: int) -> Dataset:
    """The data as often as it takes to have so many examples: what they cost, without generating them all."""
    train = torch.arange(train_examples) % len(data.x_train)
    test = torch.arange(test_examples) % len(data.x_test)
    return dataclasses.replace(
        data,
        x_train=data.x_train[train],
        y_train=data.y_train[train],
        x_test=data.x_test[test],
        y_test=data.y_test[test],
    )
