"""Many runs: in this process, on this machine's cores or GPUs, or on a Dask cluster; every one stored as it ends."""

import contextlib
import dataclasses
import time
from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType

from hardsample import paths, plugins
from hardsample.config import Run
from hardsample.errors import InputError, check_choice
from hardsample.numerals import count
from hardsample.records import check_fingerprints, data_choice
from hardsample.runs import cluster, prepare, provenance, worker
from hardsample.runs.devices import DEVICES, check_workers, resolve_device
from hardsample.runs.plan import Job, Plan, count_workers, starts_of
from hardsample.runs.progress import SOON, Progress, doing, format_duration, parse_duration, say, summarize
from hardsample.runs.store import Store, cohort_name
from hardsample.runs.worker import JobResult, Task
from hardsample.training.precision import check_precision


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
            f"{count(total, 'run')}: {self.found} found, {self.computed} computed, {self.missing} missing,"
            f" {len(self.failed)} failed in {format_duration(self.seconds)}"
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
                f"{count(len(self.failed), 'run')} failed, the first of them {run.label} with seed {run.seed}:"
                f" {trace.strip().splitlines()[-1]}"
            )
        if self.missing:
            raise InputError(f"{self.missing} runs are missing, out of time: run the same again to finish them.")


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
    again: Collection[Run] = (),
) -> LaunchReport:
    """Do those of ``runs`` that the store lacks, and store each the moment it ends.

    ``sources`` maps the name of a data set to what it is loaded from, where that is not the name itself; ``device`` is
    "auto", "cpu" or "cuda"; ``workers`` 0 chooses one per CPU core or GPU, 1 is this process;
    ``scheduler`` is the address of a Dask scheduler ("tcp://host:8786"); ``time_limit`` ("9m", "90s", "1h", or seconds)
    stops cleanly, and the same call goes on from there. A failing run is in the report and stops no other.
    Stored runs that are to be done ``again`` are kept aside in the store once the new ones have ended.

    Raises:
        InputError: bad arguments, data that differ from those of stored runs, or a store that cannot be written.
    """
    began = time.time()
    deadline = None if time_limit is None else began + parse_duration(time_limit)
    check_workers(workers)
    check_choice("device", device, DEVICES)
    device = device if scheduler else resolve_device(device)
    store = store or Store()
    runs = tuple(dict.fromkeys(runs))
    done = {run: about for run, about in store.done(runs).items() if run not in again}
    todo = [run for run in runs if run not in done]
    if not todo:
        report = LaunchReport(len(runs), 0, (), 0, time.time() - began)
        say(str(report), quiet)
        return report

    prepare.check_sources(sources)
    paths.check_writable(store.root)
    store.clean()
    sources = {run.data: sources.get(run.data, run.data) for run in todo}
    with doing(f"reading the data: {', '.join(sources)}", quiet):
        fingerprints, sizes = prepare.check_runs(todo, sources)
    check_fingerprints(done.items(), fingerprints)
    starts = starts_of(todo)
    ready = {start for start in starts if store.read_start(start, fingerprints[data_choice(start)]) is not None}

    with contextlib.ExitStack() as stack:
        workplace = worker.ThisProcess()
        if scheduler:
            workplace = stack.enter_context(cluster.connect(scheduler))
            with doing(f"waiting for a worker at {scheduler}", quiet, after=SOON * (workplace.count_workers() > 0)):
                device = workplace.call(resolve_device, device)
        starts = [start for start in starts if start not in ready]
        for run in todo:
            check_precision(run.precision, device)
        with doing("timing a few updates, to tell how long it takes", quiet):
            jobs = prepare.estimated_jobs(todo, starts, sources, sizes, device, workplace.call)
        workers = workplace.count_workers() if scheduler else count_workers(workers, device, jobs)
        if doubt := provenance.doubt():
            say(doubt, quiet)
        say(summarize(len(runs), todo, jobs, workers, device, scheduler), quiet)
        if not scheduler and workers > 1:
            with doing(f"starting {workers} workers", quiet):
                workplace = stack.enter_context(cluster.start_local(workers, device))

        plan = Plan(jobs, ready, deadline)
        progress = stack.enter_context(Progress(len(todo), sum(job.seconds for job in jobs), workers, quiet))
        own = plugins.hashes()

        def task(job: Job) -> Task:
            progress.begin(job)
            fingerprint = fingerprints[data_choice(job.runs[0])]
            source = sources[job.runs[0].data]
            common = Task(job.runs, job.is_start, source, fingerprint, device, deadline, plugins=own)
            if not scheduler:
                return dataclasses.replace(common, root=store.root)
            return dataclasses.replace(common, starts=worker.read_starts(store, job.runs, fingerprint))

        computed, failed = _collect(workplace.do(plan, task, progress.tick), plan, store, progress, again)

    found = len(runs) - len(todo)
    report = LaunchReport(found, computed, tuple(failed), len(todo) - computed - len(failed), time.time() - began)
    for run, trace in failed:
        say(f"\n{run.label} with seed {run.seed} failed:\n{trace}", quiet)
    say(str(report), quiet)
    return report


def _collect(
    results: Iterable[tuple[Job, JobResult]], plan: Plan, store: Store, progress: Progress, again: Collection[Run]
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
                if run in again:
                    store.set_aside(run)
                store.write(run, outcome, made)
                computed += 1
        if result.finished:
            store.drop_checkpoint(cohort_name(job.runs, result.finished[0][1]["data"]["fingerprint"]))
        progress.count(job, result)
    return computed, failed
