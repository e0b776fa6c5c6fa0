"""What a worker does, in whatever process: a job from its start or its last checkpoint to its end or the deadline."""

import dataclasses
import functools
import logging
import math
import socket
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from hardsample import plugins
from hardsample.config import Run
from hardsample.data.dataset import Dataset, load
from hardsample.errors import InputError
from hardsample.processes import Pool
from hardsample.runs.devices import one_thread
from hardsample.runs.plan import Job, Plan
from hardsample.runs.provenance import provenance
from hardsample.runs.store import Store, cohort_name
from hardsample.training import cuda_graph, trainer, updates
from hardsample.training.checkpoint import StateMismatchError
from hardsample.training.process import configure_process
from hardsample.training.results import DeadlineError, State, TrainingResult

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Task:
    """All that a worker needs to do a job, ready to travel.

    ``deadline`` is in the seconds of :func:`time.time`. A worker that may not share this machine's files is given the
    ``starts`` of the runs, and their last ``checkpoint``, if there are any; another one the ``root`` of the store that
    holds them. ``graphs``: may steps be captured in a CUDA graph? ``plugins`` are what
    :func:`hardsample.plugins.hashes` gives where the runs are launched.
    """

    runs: tuple[Run, ...]
    is_start: bool
    source: str
    fingerprint: str
    device: str
    deadline: float | None
    root: Path | None = None
    starts: tuple[TrainingResult, ...] | None = None
    checkpoint: State | None = None
    graphs: bool = True
    plugins: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class JobResult:
    """What came of a job: an outcome and a provenance per run, why it failed, or neither when time ran out.

    Of a failure, ``wants_memory`` says that the GPU was too small for it, and ``unfit_starts`` that other code had made
    the pre-trainings. ``checkpoint`` is where time ran out, of a worker without the store. ``notes`` are sentences for
    who launched it.
    """

    finished: tuple[tuple[TrainingResult, Mapping[str, Any]], ...] = ()
    failure: str = ""
    wants_memory: bool = False
    unfit_starts: bool = False
    checkpoint: State | None = None
    notes: tuple[str, ...] = ()


class _UnfitStartError(Exception):
    """The pre-trainings are not of the network that the runs have now."""


class _Checkpoints:
    """The checkpoints of a job: in the store, or else on the way to who launched it."""

    def __init__(self, task: Task, store: Store | None) -> None:
        self._name, self._store = cohort_name(task.runs, task.fingerprint), store
        self.last = task.checkpoint if store is None else store.read_checkpoint(self._name)
        self.notes: list[str] = []

    def save(self, state: State) -> None:
        """Keep the state, or go on without."""
        self.last = state
        if self._store is not None:
            try:
                self._store.write_checkpoint(self._name, state)
            except InputError as error:
                note = f"no checkpoint is kept, so that what is interrupted begins anew: {error}"
                self.notes += [note] * (note not in self.notes)

    def hooks(self) -> dict[str, Any]:
        """For :func:`hardsample.training.trainer.train`: a state that travels is wanted at the deadline alone."""
        often = {} if self._store is not None else {"checkpoint_seconds": math.inf}
        return {"checkpoint": self.last, "save_checkpoint": self.save, **often}

    def told(self, result: JobResult) -> JobResult:
        """The result with what there is to tell and to send."""
        sent = self.last if self._store is None and not (result.finished or result.failure) else None
        return dataclasses.replace(result, checkpoint=sent, notes=tuple(self.notes))


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
    except cuda_graph.CaptureError as error:
        logger.warning("%s: plain steps in a fresh process: %s", task.runs[0].label, error)
        return _elsewhere(dataclasses.replace(task, graphs=False))
    except InputError as error:
        return JobResult(failure=str(error))
    except _UnfitStartError as error:
        return JobResult(failure=str(error), unfit_starts=True)
    except Exception as error:
        if _wants_memory(error):
            return JobResult(failure=_too_large(task, error), wants_memory=True)
        return JobResult(failure=traceback.format_exc())
    finally:
        if task.device != "cpu" and torch.cuda.is_available():
            torch.cuda.empty_cache()  # what a job that failed had taken is free for the next one


def attempt_as_worker(task: Task) -> JobResult:
    """As :func:`attempt`, in a process that does nothing else."""
    configure_process()
    return attempt(task)


def _elsewhere(task: Task) -> JobResult:
    """The job, done in a process of its own."""
    try:
        with Pool([{}]) as pool:
            pool.begin(task.runs, attempt_as_worker, task)
            ended: list = []
            while not ended:  # where it died, it is tried again
                ended = pool.ended(None)
        result = ended[0][1]
        if isinstance(result, Exception):
            raise result
        return result
    except Exception:
        return JobResult(failure=traceback.format_exc())


def _wants_memory(error: Exception) -> bool:
    """Is it a GPU that has no room left? PyTorch says so in an error of its own, some of its libraries in words."""
    said = str(error).lower()
    return isinstance(error, torch.cuda.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "out of memory" in said and "cuda" in said
    )


def _too_large(task: Task, error: Exception) -> str:
    run, width = task.runs[0], len(task.runs)
    together = f"{width} seeds of {run.label}" if width > 1 else run.label
    return (
        f"the GPU has too little memory for {together} (network {run.network}, {run.batch_size} examples an update):"
        f" end what else runs on it, or choose a smaller batch_size or network, or device cpu"
        f" ({type(error).__name__})."
    )


def _attempt(task: Task, began: float, tick: Callable[[], None]) -> JobResult:
    plugins.load_same(task.plugins)
    data = _data(task)
    store = None if task.root is None else Store(task.root)
    starts = task.starts if store is None else read_starts(store, task.runs, task.fingerprint)
    checkpoints = _Checkpoints(task, store)
    try:
        outcomes = _train(task, data, starts, checkpoints, tick)
    except DeadlineError:
        return checkpoints.told(JobResult())
    wall, width = time.monotonic() - began, len(outcomes)
    pretrain = [sum(start.seconds.values()) for start in starts] if starts else [0.0] * width
    made = [
        provenance(run, data, task.device, outcome, pretrain=seconds, wall=wall, cohort=width)
        for run, outcome, seconds in zip(task.runs, outcomes, pretrain, strict=True)
    ]
    return checkpoints.told(JobResult(tuple(zip(outcomes, made, strict=True))))


def _data(task: Task) -> Dataset:
    """The task's data, which have to be those of where it was launched."""
    try:
        data = load_data(task.runs[0], task.source)
    except InputError as error:
        if task.root is not None:
            raise
        raise InputError(f"the worker on {socket.gethostname()} lacks the data {task.source!r}: {error}") from error
    if data.fingerprint != task.fingerprint:
        raise InputError(
            f"{task.source!r} has fingerprint {data.fingerprint} on the worker on {socket.gethostname()}, but"
            f" {task.fingerprint} where the runs were launched: give all machines the same data."
        )
    return data


def _train(
    task: Task,
    data: Dataset,
    starts: Sequence[TrainingResult] | None,
    checkpoints: _Checkpoints,
    tick: Callable[[], None],
) -> list[TrainingResult]:
    """Train until the deadline, if there is one, from the last checkpoint, if that is of these runs, and with new ones.

    Raises:
        DeadlineError: the deadline passed.
        _UnfitStartError: the starts are of another network.
    """
    hooks: dict[str, Any] = {"device": task.device, "graphs": task.graphs, "report": lambda _: tick()}
    if task.deadline is not None:
        hooks["deadline"] = time.monotonic() + task.deadline - time.time()
    train = functools.partial(trainer.train, starts=starts) if not task.is_start else trainer.pretrain
    try:
        try:
            return train(task.runs, data, **hooks, **checkpoints.hooks())
        except StateMismatchError as error:
            if checkpoints.last is None:
                raise
            logger.warning("%s: %s Training anew.", task.runs[0].label, error)
            checkpoints.last = None
            return train(task.runs, data, **hooks, **checkpoints.hooks())
    except StateMismatchError as error:
        raise _UnfitStartError(
            f"the stored pre-training of {task.runs[0].label} is of other code, and was removed: run the same again to"
            " compute it anew."
        ) from error


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


def probe(
    cohort: Sequence[Run], source: str, device: str, wanted: Mapping[str, str], seconds: float = math.inf
) -> float | None:
    """An estimate of a cohort's seconds, made in about so many; None where it cannot even begin, which will be reported
    when it is run."""
    try:
        plugins.load_same(wanted)
        with one_thread(device):
            return updates.estimate(cohort, load_data(cohort[0], source), device=device, within=seconds)
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
