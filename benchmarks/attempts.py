"""Timing of which what breaks is left out alone: on a CPU in turns of processes, on a GPU in turns in one process.

A GPU is at hand for minutes, and starting a process there takes seconds: all ways of a part share one, which is left
for a fresh one where a way breaks in it, since a capture that failed leaves CUDA in an unsafe state.
"""

import contextlib
import dataclasses
import gc
import itertools
import math
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.measure import Broken, Row, Way, compare, first_line, gpu, in_turns, processes
from hardsample.data.dataset import Dataset

NO_GPU = "no GPU was at hand"
MINUTES = 3.0  # for a part on a GPU; what is not done then is left out
TURN = 0.05  # seconds that a way's turn lasts at least there, so that short and long ways cost alike
_SETTINGS = (
    (torch.backends.cuda.matmul, "allow_tf32"),
    (torch.backends.cudnn, "allow_tf32"),
    (torch.backends.cudnn, "benchmark"),
)


class Attempts(contextlib.AbstractContextManager):
    """Ways timed in turns, those that break left out.

    ``reasons`` says of each way that is missing why it is, and ``computed`` of the others how they are computed, where
    they say so (:attr:`hardsample.training.results.TrainingResult.computed`).

    Args:
        device: "cpu" for the CPU time of a process for each way, "cuda" for the GPU's clock in one process.
        minutes: until what is not done is left out; None for ``MINUTES`` on a GPU and no end on a CPU.
    """

    def __init__(self, device: str = "cuda", minutes: float | None = None) -> None:
        self.reasons: dict[str, str] = {}
        self.computed: dict[str, Mapping[str, Any]] = {}
        self._device = device
        if minutes is None:
            minutes = math.inf if device == "cpu" else MINUTES
        self._deadline = time.monotonic() + 60 * minutes
        self._process, self._line = contextlib.ExitStack(), None

    def __exit__(self, *error: object) -> None:
        self._leave()

    @property
    def late(self) -> bool:
        """Is the time up?"""
        return time.monotonic() >= self._deadline

    def seconds(self, makers: Mapping[str, Callable[[], Way]], *, rounds: int, **options: int) -> dict[str, np.ndarray]:
        """What :func:`benchmarks.measure.in_turns` gives, of the ways that hold."""
        makers = dict(makers)
        timed = in_turns if self._device == "cpu" else self._in_one_process
        while makers and not self.late:
            try:
                return timed(makers, rounds=rounds, **options)
            except Broken as error:
                self.reasons[error.name] = f"{error.name} broke" + (f": {error.why}" if error.why else "")
                del makers[error.name]
            except TimeoutError:
                break
        self.reasons |= dict.fromkeys(makers, "the time was up")
        return {}

    def compare(self, what: str, seconds: Mapping[str, np.ndarray], ours: str, rival: str, **bound: float) -> Row:
        """``rival`` against ``ours``, each with how it was computed, or why they were not measured."""
        names = {name: self.named(name) for name in (ours, rival)}
        return compare(what, seconds, ours, rival, missing=self.reasons, names=names, **bound)

    def named(self, name: str) -> str:
        """A way with its :meth:`note`."""
        return f"{name} ({self.note(name)})" if self.note(name) else name

    def note(self, name: str) -> str:
        """Which step a way took, and whether as a CUDA graph; "" of a way that does not say."""
        computed = self.computed.get(name)
        if not computed:
            return ""
        return f"{computed['way']} step, {'a' if computed['captured'] else 'no'} CUDA graph"

    def _in_one_process(
        self, makers: Mapping[str, Callable[[], Way]], *, rounds: int, inner: int = 1
    ) -> dict[str, np.ndarray]:
        if self._line is None:
            self._line = self._process.enter_context(processes({"all": (_serve,)}))["all"]
        self._line.send((makers, rounds, inner))
        name = next(iter(makers))
        while self._line.poll(max(0.0, self._deadline - time.monotonic())):
            try:
                kind, answer = self._line.recv()
            except EOFError:
                kind, answer = "broke", ""
            if kind == "begun":
                name = answer
            elif kind == "broke":
                self._leave()
                raise Broken(name, answer)
            else:
                seconds, computed = answer
                self.computed |= computed
                return seconds
        self._leave()
        raise TimeoutError

    def _leave(self) -> None:
        self._process.close()
        self._line = None


def _serve(line: Connection) -> None:
    """Time what is sent, until a way breaks."""
    torch.set_num_threads(1)
    while True:
        makers, rounds, inner = line.recv()
        try:
            line.send(("done", together(makers, rounds, inner, lambda name: line.send(("begun", name)))))
        except Exception as error:
            traceback.print_exc()
            line.send(("broke", first_line(error)))
            return
        gc.collect()
        if gpu():
            torch.cuda.empty_cache()


def together(
    makers: Mapping[str, Callable[[], Way]], rounds: int, inner: int, begun: Callable[[str], object]
) -> tuple[dict[str, np.ndarray], dict[str, Mapping[str, Any]]]:
    """Seconds of each way by name, [rounds], timed in turns in this process; and how it is computed.

    A turn is a multiple of ``inner`` calls. What a way sets for its process while it is made holds in its turns alone.
    ``begun`` is told the name of the way that follows.
    """
    before, ways = _settings(), {}
    try:
        for name, maker in makers.items():
            begun(name)
            _set(before)
            ways[name] = _Timed(maker, inner)
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(rounds):
            for name, way in ways.items():
                begun(name)
                seconds[name].append(way.turn())
    finally:
        _set(before)
    computed = {name: dict(getattr(way.way, "computed", {})) for name, way in ways.items()}
    return {name: np.array(spent) for name, spent in seconds.items()}, computed


class _Timed:
    """A way, what it set for its process, and how many calls make a turn."""

    def __init__(self, maker: Callable[[], Way], inner: int) -> None:
        self.way, self._numbers, self._calls = maker(), itertools.count(), inner
        self._settings = _settings()
        self.turn()  # libraries choose their algorithms
        self._calls *= max(1, round(TURN / (inner * self.turn())))

    def turn(self) -> float:
        """Seconds of a call."""
        _set(self._settings)
        return elapsed(self._call) / self._calls

    def _call(self) -> None:
        for _ in range(self._calls):
            self.way(next(self._numbers))


def elapsed(work: Callable[[], object]) -> float:
    """Seconds of the work: on a GPU by its own clock, from an idle one until all of its streams have done."""
    if not gpu():
        began = time.perf_counter()
        work()
        return time.perf_counter() - began
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    begin.record()
    work()
    torch.cuda.synchronize()
    end.record()
    end.synchronize()
    return begin.elapsed_time(end) / 1e3


def _settings() -> list[bool]:
    return [getattr(*setting) for setting in _SETTINGS]


def _set(values: Iterable[bool]) -> None:
    for setting, value in zip(_SETTINGS, values, strict=True):
        setattr(*setting, value)


def compute_in(precision: str) -> None:
    """Have float32 products of a GPU, where a way leaves them to torch, go by TF32 for "tf32", else by IEEE's rules."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"


def way_of(update: Callable[[], object], times: int = 1, *, graph_on: str = "cpu") -> Way:
    """``times`` updates as a way, which says how they are computed as ``update`` does.

    Args:
        graph_on: the device, if what is timed is called a CUDA graph there.

    Raises:
        RuntimeError: ``update`` does not say that it is one.
    """
    computed = getattr(update, "computed", {})
    if graph_on != "cpu" and not computed.get("captured"):
        raise RuntimeError(f"not a CUDA graph: {computed.get('reason', 'the step does not say that it is')}")

    def way(_: int) -> None:
        for _ in range(times):
            update()

    way.computed = computed
    return way


def captured(work: Callable[[], object], state: Iterable[Tensor] = ()) -> "torch.cuda.CUDAGraph":
    """The work as a CUDA graph; ``state`` is as it was before.

    No garbage is collected during the capture: freeing what another way left would break it.
    """
    before = [(tensor, tensor.clone()) for tensor in state]
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            work()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    gc.collect()
    gc.disable()
    try:
        with torch.cuda.graph(graph, stream=side):
            work()
    finally:
        gc.enable()
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
