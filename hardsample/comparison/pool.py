"""Trainings side by side in worker processes; loky is known here alone."""

import contextlib
import dataclasses
import os
import pickle
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch

from hardsample import plugins
from hardsample.comparison.problem import Contestant, Problem
from hardsample.comparison.training import Trained, train
from hardsample.processes import end_with
from hardsample.runs.devices import one_thread
from hardsample.training.process import configure_process


@dataclasses.dataclass(frozen=True)
class Job:
    """One training: the method's place among those that take part, the seed, the seconds that it may take, and where
    its checkpoint is kept."""

    place: int
    seed: int
    seconds: float | None = None
    saved: Path | None = None


_given: tuple[Problem, Sequence[Contestant], str] | None = None  # to this worker


def do_here(problem: Problem, contestants: Sequence[Contestant], job: Job, device: str) -> Trained:
    """One training in this process."""
    with one_thread(device):
        return train(problem, contestants[job.place], job.seed, device, seconds=job.seconds, saved=job.saved)


@contextlib.contextmanager
def pool(
    problem: Problem, contestants: Sequence[Contestant], workers: int, device: str
) -> Iterator[Callable[[Sequence[Job]], Iterator[tuple[Job, Trained]]]]:
    """Worker processes, as a function that does jobs and yields each as it ends; none outlives the context.

    They need no ``if __name__ == "__main__"`` in a script, and take what it or a notebook defines by value.
    """
    import cloudpickle
    from loky import ProcessPoolExecutor, as_completed

    own = [sys.modules[name] for name in plugins.record()]
    for module in own:  # a worker could not import it by its name
        cloudpickle.register_pickle_by_value(module)
    try:
        content = cloudpickle.dumps((problem, contestants, device))
    finally:
        for module in own:
            cloudpickle.unregister_pickle_by_value(module)
    given = content, os.getpid()
    executor = ProcessPoolExecutor(workers, initializer=_begin, initargs=given, env={"OMP_NUM_THREADS": "1"})

    def do(jobs: Sequence[Job]) -> Iterator[tuple[Job, Trained]]:
        running = {executor.submit(_do, job, number): job for number, job in enumerate(jobs)}
        for ended in as_completed(running):
            yield running[ended], ended.result()

    try:
        yield do
    finally:
        executor.shutdown(kill_workers=True)


def _begin(content: bytes, parent: int) -> None:
    """Set a worker up with what the process that started it sent along; it ends when that one does."""
    global _given
    end_with(parent)
    configure_process()
    _given = pickle.loads(content)


def _do(job: Job, number: int) -> Trained:
    assert _given is not None
    problem, contestants, device = _given
    if device == "cuda":
        device = f"cuda:{number % torch.cuda.device_count()}"
    return do_here(problem, contestants, job, device)
