"""Many runs: in this process, on this machine's cores or GPUs, or on a Dask cluster; every one stored as it ends."""

import contextlib
import dataclasses
import functools
import logging
import math
import multiprocessing
import os
import re
import signal
import sys
import time
import traceback
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import resource_tracker
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import torch

from hardsample import paths
from hardsample.config import Run
from hardsample.data.dataset import Dataset, load, name_of
from hardsample.errors import InputError, check_choice
from hardsample.records import check_fingerprints, data_choice
from hardsample.runs.provenance import provenance
from hardsample.runs.store import Store, cohort_name
from hardsample.training import cuda_graph, trainer
from hardsample.training.networks import check_precision, max_cohort_size
from hardsample.training.trainer import DeadlineError, TrainingResult

if TYPE_CHECKING:
    from distributed import Client

logger = logging.getLogger(__name__)

DEVICES = ("auto", "cpu", "cuda")
PROBES = 6  # configurations timed for the estimate
LINE_EVERY = 5.0  # seconds between plain lines of progress
WORTH_WORKERS = 20.0  # seconds of work below which starting worker processes takes longer than it saves
UNKNOWN = 1e-9  # stands for the seconds of an update where none could be timed: the order of the jobs still holds
WORTH_SAYING = 1e-3  # seconds
CONNECT_TIMEOUT = 5.0  # seconds

# Workers may start processes of their own (compilers); a worker that trains is not one that hangs; and what Dask
# samples of itself, every 10 to 500 ms by default, would take 3 % of two cores.
_DASK = {
    "distributed.worker.daemon": False,
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.system-monitor.interval": "10s",
    "distributed.scheduler.allowed-failures": 2,
    "distributed.scheduler.worker-ttl": None,
    "logging.distributed": "critical",
}


@dataclasses.dataclass(frozen=True)
class LaunchReport:
    """What a launch found done, computed and left: counts of runs, failures with their traceback, seconds in all."""

    found: int
    computed: int
    failed: tuple[tuple[Run, str], ...]
    missing: int
    seconds: float

    def __str__(self) -> str:
        total = self.found + self.computed + self.missing + len(self.failed)
        return (
            f"{total} runs: {self.found} found, {self.computed} computed, {self.missing} missing,"
            f" {len(self.failed)} failed in {duration(self.seconds)}"
        )

    __repr__ = __str__

    def raise_if_incomplete(self) -> None:
        """Raise unless every run is done.

        Raises:
            InputError: runs failed, or the time limit left some out.
        """
        if self.failed:
            run, trace = self.failed[0]
            raise InputError(
                f"{len(self.failed)} runs failed, the first of them {run.label} with seed {run.seed}:"
                f" {trace.strip().splitlines()[-1]}"
            )
        if self.missing:
            raise InputError(f"{self.missing} runs are missing, out of time: run the same again to finish them.")


@dataclasses.dataclass(frozen=True)
class Job:
    """A cohort, runs equal but for the seed, trained together; ``is_start`` if it is a pre-training others continue."""

    runs: tuple[Run, ...]
    is_start: bool
    seconds: float
    needs: frozenset[Run] = frozenset()
    urgency: float = 0.0  # seconds until the last run that it holds up could end


@dataclasses.dataclass(frozen=True)
class Task:
    """All that a worker needs to do a job, ready to travel.

    ``deadline`` is in the seconds of :func:`time.time`. A worker that may not share this machine's files is given the
    ``starts`` of the runs, if they have any; another one the ``root`` of the store that holds them. ``graphs``: may
    steps be captured in a CUDA graph?
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


@dataclasses.dataclass(frozen=True)
class JobResult:
    """What came of a job: an outcome and a provenance per run, a traceback, or neither when time ran out."""

    finished: tuple[tuple[TrainingResult, Mapping[str, Any]], ...] = ()
    failure: str = ""


def launch(
    runs: Iterable[Run],
    *,
    sources: Mapping[str, str] = MappingProxyType({}),
    device: str = "auto",
    workers: int = 0,
    scheduler: str = "",
    store: Store | None = None,
    time_limit: str | float | None = None,
    quiet: bool = False,
) -> LaunchReport:
    """Do those of ``runs`` that the store lacks, and store each the moment it ends.

    ``sources`` maps the name of a data set to what it is loaded from, where that is not the name itself; ``device`` is
    "auto", "cpu" or "cuda"; ``workers`` 0 chooses one per CPU core or GPU, 1 is this process;
    ``scheduler`` is the address of a Dask scheduler ("tcp://host:8786"); ``time_limit`` ("9m", "90s", "1h", or seconds)
    stops cleanly, and the same call goes on from there. A failing run is in the report and stops no other.

    Raises:
        InputError: bad arguments, data that differ from those of stored runs, or a store that cannot be written.
    """
    began = time.time()
    deadline = None if time_limit is None else began + parse_duration(time_limit)
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 0:
        raise InputError(f"workers is {workers!r}: give 0 for one per CPU core or GPU, or a number above it.")
    check_choice("device", device, DEVICES)
    device = device if scheduler else resolve_device(device)
    store = store or Store()
    runs = tuple(dict.fromkeys(runs))
    done = store.done(runs)
    todo = [run for run in runs if run not in done]
    if not todo:
        report = LaunchReport(len(runs), 0, (), 0, time.time() - began)
        _say(str(report), quiet)
        return report

    _check_sources(sources)
    paths.check_writable(store.root)
    store.clean()
    sources = {run.data: sources.get(run.data, run.data) for run in todo}
    fingerprints, sizes = _check(todo, sources)
    check_fingerprints(done.items(), fingerprints)
    starts = _starts(todo)
    ready = {start for start in starts if store.read_start(start, fingerprints[data_choice(start)]) is not None}

    with contextlib.ExitStack() as stack:
        client = stack.enter_context(_connect(scheduler)) if scheduler else None
        if client is not None:
            _say(f"waiting for a worker at {scheduler}", quiet or bool(client.nthreads()))
            device = client.submit(resolve_device, device, pure=False).result()
        starts = [start for start in starts if start not in ready]
        updates = {run: _updates(run, sizes[data_choice(run)]) for run in (*todo, *starts)}
        for run in todo:
            check_precision(run.precision, device)
        costs = _costs(updates, sources, device, client)
        jobs = _jobs(todo, starts, costs, on_gpu=device != "cpu")
        workers = _workers(client, workers, device, jobs)
        _say(_summary(len(runs), todo, jobs, workers, device, scheduler), quiet)
        if client is None and workers > 1:
            client = stack.enter_context(_local_cluster(workers, device))

        plan = _Plan(jobs, ready, deadline)
        progress = stack.enter_context(_Progress(len(todo), sum(job.seconds for job in jobs), quiet))

        def task(job: Job) -> Task:
            fingerprint = fingerprints[data_choice(job.runs[0])]
            source = sources[job.runs[0].data]
            if not scheduler:
                return Task(job.runs, job.is_start, source, fingerprint, device, deadline, root=store.root)
            starts = _read_starts(store, job.runs, fingerprint)
            return Task(job.runs, job.is_start, source, fingerprint, device, deadline, starts=starts)

        results = _in_process(plan, task, progress) if client is None else _on_cluster(plan, task, progress, client)
        computed, failed = _collect(results, plan, store, progress)

    found = len(runs) - len(todo)
    report = LaunchReport(found, computed, tuple(failed), len(todo) - computed - len(failed), time.time() - began)
    for run, trace in failed:
        _say(f"\n{run.label} with seed {run.seed} failed:\n{trace}", quiet)
    _say(str(report), quiet)
    return report


def _collect(
    results: Iterable[tuple[Job, JobResult]], plan: "_Plan", store: Store, progress: "_Progress"
) -> tuple[int, list[tuple[Run, str]]]:
    """Store every result as it comes; how many runs were computed, and which failed."""
    computed, failed = 0, []
    for job, result in results:
        if result.failure:
            failed += [(run, result.failure) for run in plan.fail(job)]
        for run, (outcome, made) in zip(job.runs, result.finished, strict=False):
            if job.is_start:
                store.write_start(run, made["data"]["fingerprint"], outcome)
                plan.ready.add(run)
            else:
                store.write(run, outcome, made)
                computed += 1
        if result.finished:
            store.drop_checkpoint(cohort_name(job.runs, result.finished[0][1]["data"]["fingerprint"]))
        progress.finished(job, result)
    return computed, failed


def parse_duration(text: str | float) -> float:
    """Seconds in "90s", "9m", "1.5h" or a plain number.

    Raises:
        InputError: it is none of these.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", str(text).strip())
    if match is None:
        raise InputError(f"time limit {text!r} is no duration: write it as 90s, 9m or 1h, or as a number of seconds.")
    return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]


def duration(seconds: float) -> str:
    """Seconds in words: "4 s", "5 min 3 s", "2 h 10 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


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


def _elsewhere(task: Task) -> JobResult:
    """The job, done in a process of its own."""
    try:
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            return pool.submit(attempt, task).result()
    except Exception:
        return JobResult(failure=traceback.format_exc())


def _attempt(task: Task, began: float, tick: Callable[[], None]) -> JobResult:
    data = _load(data_choice(task.runs[0]), task.source)
    if data.fingerprint != task.fingerprint:
        raise InputError(
            f"{task.source!r} has fingerprint {data.fingerprint} on this worker, but {task.fingerprint} where the runs"
            " were launched: give all machines the same data."
        )
    store = None if task.root is None else Store(task.root)
    starts = task.starts if store is None else _read_starts(store, task.runs, task.fingerprint)
    outcomes = _train(task, data, starts, store, tick)
    wall, width = time.monotonic() - began, len(outcomes)
    pretrain = [sum(start.seconds.values()) for start in starts] if starts else [0.0] * width
    made = [
        provenance(data, task.device, outcome, pretrain=seconds, wall=wall, cohort=width)
        for outcome, seconds in zip(outcomes, pretrain, strict=True)
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
    except trainer.StateMismatchError as error:
        if hooks.get("checkpoint") is None:
            raise
        logger.warning("%s: %s Training anew.", task.runs[0].label, error)
        store.drop_checkpoint(name)
        return train(task.runs, data, **hooks | {"checkpoint": None})


def _read_starts(store: Store, runs: Sequence[Run], fingerprint: str) -> tuple[TrainingResult, ...] | None:
    """The stored start of each run; None for runs that have none."""
    starts = [run.start for run in runs]
    if None in starts:
        return None
    found = tuple(store.read_start(start, fingerprint) for start in starts)
    if None in found:
        raise InputError(f"a pre-training is gone from {store.root}: run the same again to compute it anew.")
    return found


class _Plan:
    """The jobs still to hand out, the most urgent first; a run waits until its start is ready."""

    def __init__(self, jobs: Iterable[Job], ready: set[Run], deadline: float | None) -> None:
        self.ready = set(ready)
        self._jobs = sorted(jobs, key=lambda job: -job.urgency)
        self._deadline = math.inf if deadline is None else deadline

    def next(self) -> Job | None:
        """A job that can begin now; None if there is none, or no time left."""
        if time.time() >= self._deadline:
            return None
        job = next((job for job in self._jobs if job.needs <= self.ready), None)
        if job:
            self._jobs.remove(job)
        return job

    def fail(self, job: Job) -> list[Run]:
        """The runs that cannot be done because ``job`` failed: its own, or those that wait for it."""
        if not job.is_start:
            return list(job.runs)
        lost = [other for other in self._jobs if other.needs & set(job.runs)]
        self._jobs = [other for other in self._jobs if other not in lost]
        return [run for other in lost for run in other.runs]


def _in_process(plan: _Plan, task: Callable[[Job], Task], progress: "_Progress") -> Iterator[tuple[Job, JobResult]]:
    while job := plan.next():
        yield job, attempt(task(job), progress.tick)


def _on_cluster(
    plan: _Plan, task: Callable[[Job], Task], progress: "_Progress", client: "Client"
) -> Iterator[tuple[Job, JobResult]]:
    """One job per worker at a time, so that the order of the plan holds and no result waits in a queue.

    A worker gets its next job before the result of its last one is fetched and stored.
    """
    from distributed import wait

    running, ended, slots = {}, {}, 0
    while True:
        slots = slots if ended else max(1, len(client.nthreads()))
        while len(running) < slots and (job := plan.next()):
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Sending large graph")  # a start's weights, on purpose
                running[client.submit(attempt, task(job), pure=False)] = job
        if ended:
            for future, job in ended.items():
                error = future.exception()
                yield job, JobResult(failure=f"{type(error).__name__}: {error}") if error else future.result()
            ended = {}
            continue
        if not running:
            return
        try:
            with client.as_current():
                done = wait(list(running), timeout=1, return_when="FIRST_COMPLETED").done
        except TimeoutError:
            done = ()
        except CancelledError as error:
            raise InputError(
                "the Dask scheduler is gone; the runs that had ended are stored: start it and run the same again."
            ) from error
        ended = {future: running.pop(future) for future in done}
        progress.tick()


def _connect(scheduler: str) -> "Client":
    from distributed import Client

    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        return Client(scheduler, timeout=CONNECT_TIMEOUT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise InputError(
            f"no Dask scheduler answers at {scheduler!r}: start one with `dask scheduler` and give its address,"
            " such as tcp://host:8786, or none to use this machine."
        ) from error


@contextlib.contextmanager
def _local_cluster(workers: int, device: str) -> "Iterator[Client]":
    """One single-threaded process per worker, each on a GPU where there are any; none outlives this process.

    Ctrl-C is for this process alone: what starts the workers is deaf to it, and so are they. It waits for workers that
    are still starting, which cannot end quietly before.
    """
    import dask
    from distributed import Client, Nanny, Scheduler, SpecCluster

    visible = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    gpus = visible or [str(index) for index in range(torch.cuda.device_count())]
    local = {"host": "127.0.0.1", "dashboard": False, "dashboard_address": "127.0.0.1:0"}
    options = {"nthreads": 1, "memory_limit": 0, "preload": [__name__], "silence_logs": logging.CRITICAL}

    def worker(index: int) -> dict[str, Any]:
        gpu = {} if device == "cpu" else {"CUDA_VISIBLE_DEVICES": gpus[index % len(gpus)]}
        return {"cls": Nanny, "options": local | options | {"env": {"OMP_NUM_THREADS": "1", **gpu}}}

    server = {"cls": Scheduler, "options": local | {"port": 0}}
    resource_tracker.ensure_running()  # when it begins with the first worker instead, Python 3.11 lets Ctrl-C in again
    deaf = {"initializer": signal.pthread_sigmask, "initargs": (signal.SIG_BLOCK, {signal.SIGINT})}
    with dask.config.set(_DASK), ThreadPoolExecutor(1, **deaf) as thread:
        members = {index: worker(index) for index in range(workers)}
        starting = thread.submit(SpecCluster, members, server, silence_logs=logging.CRITICAL)
        try:
            cluster = starting.result()
        except KeyboardInterrupt:
            starting.result().close()
            raise
        with cluster, Client(cluster, set_as_default=False) as client:
            yield client


def _workers(client: "Client | None", workers: int, device: str, jobs: Sequence[Job]) -> int:
    """How many worker processes; 1 is this one."""
    if client is not None:
        return len(client.nthreads())
    if not workers:
        if sum(job.seconds for job in jobs) < WORTH_WORKERS:
            return 1
        workers = cores() if device == "cpu" else torch.cuda.device_count()
    return min(workers, len(jobs))


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _jobs(todo: Sequence[Run], starts: Sequence[Run], costs: Mapping[Run, float], *, on_gpu: bool) -> list[Job]:
    """``todo`` and the ``starts`` it still needs, as cohorts: of one seed on a CPU, of as many as fill a GPU."""
    jobs = [
        Job(cohort, False, seconds := sum(costs[run] for run in cohort), frozenset(_starts(cohort)), seconds)
        for cohort in _cohorts(todo, on_gpu)
    ]
    held_up: dict[Run, float] = defaultdict(float)  # seconds of the longest job that waits for a start
    for job in jobs:
        for start in job.needs:
            held_up[start] = max(held_up[start], job.seconds)
    for cohort in _cohorts(starts, on_gpu):
        seconds = sum(costs[start] for start in cohort)
        jobs.append(Job(cohort, True, seconds, urgency=seconds + max(held_up[start] for start in cohort)))
    return jobs


def _cohorts(runs: Iterable[Run], on_gpu: bool) -> list[tuple[Run, ...]]:
    groups = defaultdict(list)
    for run in runs:
        groups[dataclasses.replace(run, seed=0)].append(run)
    cohorts = []
    for alike, group in groups.items():
        width = max_cohort_size(alike.network) if on_gpu else 1
        cohorts += [tuple(group[i : i + width]) for i in range(0, len(group), width)]
    return cohorts


def _starts(runs: Iterable[Run]) -> list[Run]:
    """The distinct pre-trainings that ``runs`` continue."""
    return list(dict.fromkeys(start for run in runs if (start := run.start) is not None))


def _costs(
    updates: Mapping[Run, float], sources: Mapping[str, str], device: str, client: "Client | None"
) -> dict[Run, float]:
    """Seconds each run will take, given its updates: a few configurations timed, the others by that number."""
    groups = defaultdict(list)
    for run in updates:
        groups[run.batch_size, run.network, run.precision].append(run)
    rates = {}  # seconds per update
    largest = sorted(groups, key=lambda group: -sum(updates[run] for run in groups[group]))
    for group in largest[:PROBES]:
        probe = max(groups[group], key=lambda run: updates[run])
        width = 1 if device == "cpu" else max_cohort_size(probe.network)
        cohort = [dataclasses.replace(probe, seed=seed) for seed in range(1, width + 1)]
        arguments = (_probe, cohort, sources[probe.data], device)
        seconds = client.submit(*arguments, pure=False).result() if client else _probe(*arguments[1:])
        if seconds is not None:
            rates[group] = seconds / width / updates[probe]
    usual = sum(rates.values()) / len(rates) if rates else UNKNOWN
    return {run: rates.get(group, usual) * updates[run] for group, members in groups.items() for run in members}


def _probe(cohort: Sequence[Run], source: str, device: str) -> float | None:
    """An estimate of a cohort's seconds; None where it cannot even begin, which will be reported when it is run."""
    try:
        with one_thread(device):
            return trainer.estimate(cohort, _load(data_choice(cohort[0]), source), device=device)
    except Exception:
        logger.warning("no estimate of the time:", exc_info=True)
        return None


def _updates(run: Run, size: int) -> float:
    """About how many a run makes after its pre-training, given the number of training examples."""
    return max(run.epochs - run.pretrain_epochs, 1e-9) * size / run.batch_size


def _load(choice: tuple, source: str) -> Dataset:
    _, train_examples, test_examples = choice
    return load(source, train_examples=train_examples, test_examples=test_examples)


def _check_sources(sources: Mapping[str, str]) -> None:
    for name, source in sources.items():
        if name_of(source) != name:
            raise InputError(f"the source {source!r} of the data {name!r} holds {name_of(source)!r}: give {name!r}.")


def _check(runs: Sequence[Run], sources: Mapping[str, str]) -> tuple[dict[tuple, str], dict[tuple, int]]:
    """Fingerprint and number of training examples of all data, once every configuration is known to fit its own."""
    fingerprints, sizes = {}, {}
    for run in dict.fromkeys(dataclasses.replace(run, seed=0) for run in runs):
        data = _load(data_choice(run), sources[run.data])
        trainer.check(run, data)
        fingerprints[data_choice(run)] = data.fingerprint
        sizes[data_choice(run)] = len(data.x_train)
    return fingerprints, sizes


def resolve_device(device: str) -> str:
    """The torch device behind "auto", "cpu" or "cuda" on this machine.

    Raises:
        InputError: there is none, or it is none of these.
    """
    check_choice("device", device, DEVICES)
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("device 'cuda' was asked for, but no CUDA GPU is at hand: choose cpu or auto.")
    return device


@contextlib.contextmanager
def one_thread(device: str) -> Iterator[None]:
    """On a CPU, one thread per run is faster than many and gives the same bits everywhere."""
    before = torch.get_num_threads()
    if device == "cpu":
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _summary(total: int, todo: Sequence[Run], jobs: Sequence[Job], workers: int, device: str, scheduler: str) -> str:
    starts = sum(len(job.runs) for job in jobs if job.is_start)
    seconds = sum(job.seconds for job in jobs) / max(1, workers)
    where = "in this process" if workers == 1 and not scheduler else f"on {workers} workers"
    return (
        f"{total} runs: {total - len(todo)} done, {len(todo)} to do"
        + (f" after {starts} pre-trainings" if starts else "")
        + f" {where}{f' at {scheduler}' if scheduler else ''} ({device})"
        + (f", about {duration(max(seconds, 1.0))}" if seconds > WORTH_SAYING else "")
    )


class _Progress:
    """One bar over all runs on a terminal, plain lines elsewhere, nothing if quiet.

    The time left is reckoned from each job's estimated seconds, since runs differ widely in length.
    """

    def __init__(self, total: int, seconds: float, quiet: bool) -> None:
        self._total, self._seconds, self._quiet = total, seconds, quiet
        self._done, self._spent, self._began, self._printed = 0, 0.0, time.time(), 0.0
        self._bar = None

    def __enter__(self) -> "_Progress":
        if not self._quiet and sys.stderr.isatty():
            from tqdm import tqdm

            form = "{desc} {percentage:3.0f}%|{bar}| {elapsed}, {remaining} left{postfix}"
            self._bar = tqdm(total=self._seconds, bar_format=form, desc=f"0/{self._total}", dynamic_ncols=True)
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def tick(self) -> None:
        """Let the clock on the bar go on."""
        if self._bar is not None and time.time() - self._printed >= 1:
            self._bar.refresh()
            self._printed = time.time()

    def finished(self, job: Job, result: JobResult) -> None:
        """Count a job unless time ran out, and show the last evaluation of its last run."""
        if not result.finished and not result.failure:
            return
        self._spent += job.seconds
        self._done += 0 if job.is_start else len(job.runs)
        if self._bar is not None:
            self._bar.set_description_str(f"{self._done}/{self._total}", refresh=False)
            self._bar.set_postfix_str(_last(job, result), refresh=False)
            self._bar.update(job.seconds)
        elif not job.is_start and (self._done == self._total or time.time() - self._printed >= LINE_EVERY):
            left = (time.time() - self._began) * (self._seconds / self._spent - 1) if self._spent else 0.0
            _say(f"[{self._done}/{self._total}] {_last(job, result)}, {duration(left)} left", self._quiet)
            self._printed = time.time()


def _last(job: Job, result: JobResult) -> str:
    name = f"{job.runs[-1].label}-s{job.runs[-1].seed}"
    if result.failure:
        return f"{name} failed"
    outcome = result.finished[-1][0]
    last = dict(zip(outcome.columns, outcome.rows[-1], strict=True))
    return f"{name} acc/val {last['acc/val']:.3f} loss/val {last['loss/val']:.3f}"


def _say(text: str, quiet: bool) -> None:
    if not quiet:
        print(text, flush=True)
