"""What a worker does, in whatever process: a job from its start or its last checkpoint to its end or the deadline."""

import dataclasses
import functools
import logging
import multiprocessing
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from hardsample import plugins
from hardsample.config import Run
from hardsample.data.dataset import Dataset, load
from hardsample.errors import InputError
from hardsample.runs.devices import one_thread
from hardsample.runs.plan import Job, Plan
from hardsample.runs.provenance import provenance
from hardsample.runs.store import Store, cohort_name
from hardsample.training import cuda_graph, trainer, updates
from hardsample.training.checkpoint import StateMismatchError
from hardsample.training.process import configure_process
from hardsample.training.results import DeadlineError, TrainingResult

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Task:
    """All that a worker needs to do a job, ready to travel.

    ``deadline`` is in the seconds of :func:`time.time`. A worker that may not share this machine's files is given the
    ``starts`` of the runs, if they have any; another one the ``root`` of the store that holds them. ``graphs``: may
    steps be captured in a CUDA graph? ``plugins`` are what :func:`hardsample.plugins.hashes` gives where the runs are
    launched.
    """

    runs: tuple[Run, ...]
    is_start: bool
    source: str
    fingerprint: str
    device: str
    deadline: float | None
    root: Path | None = None
    starts: tuple[TrainingResult, ...] | None = None
    graphs: bool = True
    plugins: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class JobResult:
    """What came of a job: an outcome and a provenance per run, a traceback, or neither when time ran out."""

    finished: tuple[tuple[TrainingResult, Mapping[str, Any]], ...] = ()
    failure: str = ""


def attempt(task: Task, tick: Callable[[], None] = lambda: None) -> JobResult:
    """Do one job, on whatever worker this is; ``tick`` is called now and then while it trains.

    After a CUDA graph could not be captured this process is left alone: that job and later ones are done in fresh ones.
    """
    began = time.monotonic()
    try:
        if cuda_graph.failed():
            return _elsewhere(task)
        with one_thread(task.device):
            return _attempt(task, began, tick)
    except DeadlineError:
        return JobResult()
    except cuda_graph.CaptureError as error:
        logger.warning("%s: plain steps in a fresh process: %s", task.runs[0].label, error)
        return _elsewhere(dataclasses.replace(task, graphs=False))
    except Exception:
        return JobResult(failure=traceback.format_exc())


def attempt_as_worker(task: Task) -> JobResult:
    """As :func:`attempt`, in a process that does nothing else."""
    configure_process()
    return attempt(task)


def _elsewhere(task: Task) -> JobResult:
    """The job, done in a process of its own."""
    try:
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            return pool.submit(attempt_as_worker, task).result()
    except Exception:
        return JobResult(failure=traceback.format_exc())


def _attempt(task: Task, began: float, tick: Callable[[], None]) -> JobResult:
    plugins.load_same(task.plugins)
    data = load_data(task.runs[0], task.source)
    if data.fingerprint != task.fingerprint:
        raise InputError(
            f"{task.source!r} has fingerprint {data.fingerprint} on this worker, but {task.fingerprint} where the runs"
            " were launched: give all machines the same data."
        )
    store = None if task.root is None else Store(task.root)
    starts = task.starts if store is None else read_starts(store, task.runs, task.fingerprint)
    outcomes = _train(task, data, starts, store, tick)
    wall, width = time.monotonic() - began, len(outcomes)
    pretrain = [sum(start.seconds.values()) for start in starts] if starts else [0.0] * width
    made = [
        provenance(run, data, task.device, outcome, pretrain=seconds, wall=wall, cohort=width)
        for run, outcome, seconds in zip(task.runs, outcomes, pretrain, strict=True)
    ]
    return JobResult(tuple(zip(outcomes, made, strict=True)))


def _train(
    task: Task, data: Dataset, starts: Sequence[TrainingResult] | None, store: Store | None, tick: Callable[[], None]
) -> list[TrainingResult]:
    """Train until the deadline, if there is one; with a store, from the last checkpoint there and with new ones."""
    hooks: dict[str, Any] = {"device": task.device, "graphs": task.graphs, "report": lambda _: tick()}
    if task.deadline is not None:
        hooks["deadline"] = time.monotonic() + task.deadline - time.time()
    if store is not None:
        name = cohort_name(task.runs, task.fingerprint)
        hooks["checkpoint"] = store.read_checkpoint(name)
        hooks["save_checkpoint"] = functools.partial(store.write_checkpoint, name)
    train = functools.partial(trainer.train, starts=starts) if not task.is_start else trainer.pretrain
    try:
        return train(task.runs, data, **hooks)
    except StateMismatchError as error:
        if hooks.get("checkpoint") is None:
            raise
        logger.warning("%s: %s Training anew.", task.runs[0].label, error)
        store.drop_checkpoint(name)
        return train(task.runs, data, **hooks | {"checkpoint": None})


def read_starts(store: Store, runs: Sequence[Run], fingerprint: str) -> tuple[TrainingResult, ...] | None:
    """The stored start of each run; None for runs that have none."""
    starts = [run.start for run in runs]
    if None in starts:
        return None
    found = tuple(store.read_start(start, fingerprint) for start in starts)
    if None in found:
        raise InputError(f"a pre-training is gone from {store.root}: run the same again to compute it anew.")
    return found


class ThisProcess:
    """This process as the only worker, used as a :class:`hardsample.runs.cluster.Cluster` is."""

    def call(self, function: Callable, *arguments: Any) -> Any:
        """What ``function`` returns."""
        return function(*arguments)

    def do(self, plan: Plan, task: Callable[[Job], Task], tick: Callable[[], None]) -> Iterator[tuple[Job, JobResult]]:
        """Do the jobs of the plan, each as its ``task``, and yield every result as it comes."""
        while job := plan.take():
            yield job, attempt(task(job), tick)


def probe(cohort: Sequence[Run], source: str, device: str, wanted: Mapping[str, str]) -> float | None:
    """An estimate of a cohort's seconds; None where it cannot even begin, which will be reported when it is run."""
    try:
        plugins.load_same(wanted)
        with one_thread(device):
            return updates.estimate(cohort, load_data(cohort[0], source), device=device)
    except Exception:
        logger.warning("no estimate of the time:", exc_info=True)
        return None


def load_data(run: Run, source: str) -> Dataset:
    """The data that ``run`` is trained and tested on."""
    return load(
        source,
        train_examples=run.train_examples,
        test_examples=run.test_examples,
        class_imbalance=run.class_imbalance,
    )
