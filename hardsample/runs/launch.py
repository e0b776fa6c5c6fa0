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
from hardsample.runs import cluster, leftovers, local, prepare, provenance, worker
from hardsample.runs.claims import Claims
from hardsample.runs.devices import DEVICES, check_workers, resolve_device
from hardsample.runs.plan import Job, Plan, count_workers, starts_of
from hardsample.runs.progress import SOON, Progress, doing, format_duration, parse_duration, say, summarize
from hardsample.runs.store import Store, cohort_name
from hardsample.runs.worker import JobResult, Task
from hardsample.training.precision import check_precision

WAITS = 1.0  # seconds between looks at what another launch has done


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
    leftovers.remove_half_written(store.root)
    sources = {run.data: prepare.absolute(sources.get(run.data, run.data)) for run in todo}
    with doing(f"reading the data: {', '.join(sources)}", quiet):
        fingerprints, sizes = prepare.check_runs(todo, sources)
    check_fingerprints(done.items(), fingerprints)
    starts = starts_of(todo)
    ready = {start for start in starts if store.read_start(start, fingerprints[data_choice(start)]) is not None}

    with contextlib.ExitStack() as stack:
        workplace = worker.ThisProcess()
        if scheduler:
            workplace = stack.enter_context(cluster.connect(scheduler, deadline))
            with doing(f"waiting for a worker at {scheduler}", quiet, after=SOON * (workplace.count_workers() > 0)):
                device = workplace.call(resolve_device, device)
        starts = [start for start in starts if start not in ready]
        for run in todo:
            check_precision(run.precision, device)
        with doing("timing a few updates, to tell how long it takes", quiet):
            jobs = prepare.estimated_jobs(todo, starts, sources, sizes, device, workplace.call, deadline)
        workers = workplace.count_workers() if scheduler else count_workers(workers, device, jobs)
        if doubt := provenance.doubt():
            say(doubt, quiet)
        say(summarize(len(runs), todo, jobs, workers, device, scheduler), quiet)
        if not scheduler and workers > 1:
            workplace = stack.enter_context(local.LocalWorkers(workers, device))

        claims = stack.enter_context(Claims(store.root / "claims"))
        progress = stack.enter_context(Progress(len(todo), sum(job.seconds for job in jobs), workers, quiet))
        own = plugins.hashes()

        def stored(job: Job) -> list[Run]:
            kept = (run for run in job.runs if run not in again)
            there = [run for run in kept if _is_stored(store, run, job.is_start, fingerprints)]
            claims.release(there)
            return there

        def task(job: Job) -> Task:
            progress.begin(job)
            fingerprint = fingerprints[data_choice(job.runs[0])]
            source = sources[job.runs[0].data]
            common = Task(job.runs, job.is_start, source, fingerprint, device, deadline, plugins=own)
            if not scheduler:
                return dataclasses.replace(common, root=store.root)
            last = store.read_checkpoint(cohort_name(job.runs, fingerprint))
            starts = worker.read_starts(store, job.runs, fingerprint)
            return dataclasses.replace(common, starts=starts, checkpoint=last)

        plan = Plan(jobs, ready, deadline, lambda job: claims.take(job.runs), stored)
        ending = _Ending(plan, store, claims, progress, fingerprints, again, quiet)
        ending.collect(workplace.do(plan, task, progress.tick))
        if plan.held_up:
            say("another launch is doing the runs that are left: waiting for what it does.", quiet)
        while plan.held_up:
            time.sleep(WAITS)
            ending.collect(workplace.do(plan, task, progress.tick))
        computed, failed = ending.computed, ending.failed

    found, missing = len(runs) - len(todo) + len(plan.found), len(todo) - len(plan.found) - computed - len(failed)
    report = LaunchReport(found, computed, tuple(failed), missing, time.time() - began)
    for run, trace in failed:
        say(f"\n{run.label} with seed {run.seed} failed:\n{trace}", quiet)
    say(str(report), quiet)
    return report


def _is_stored(store: Store, run: Run, is_start: bool, fingerprints: Mapping[tuple, str]) -> bool:
    if not is_start:
        return store.has(run)
    return store.read_start(run, fingerprints[data_choice(run)]) is not None


class _Ending:
    """Stores every result as it comes: how many runs were ``computed``, and which ``failed``."""

    def __init__(
        self,
        plan: Plan,
        store: Store,
        claims: Claims,
        progress: Progress,
        fingerprints: Mapping[tuple, str],
        again: Collection[Run],
        quiet: bool,
    ) -> None:
        self._plan, self._store, self._claims, self._progress = plan, store, claims, progress
        self._fingerprints, self._again, self._quiet = fingerprints, again, quiet
        self._said: set[str] = set()
        self.computed, self.failed = 0, list[tuple[Run, str]]()

    def collect(self, results: Iterable[tuple[Job, JobResult]]) -> None:
        """Store them, and let go of their runs."""
        for job, result in results:
            fingerprint = self._fingerprints[data_choice(job.runs[0])]
            for note in set(result.notes) - self._said:
                say(note, self._quiet)
                self._said.add(note)
            if result.unfit_starts:
                for run in job.runs:
                    self._store.drop_start(run.start, fingerprint)
            halved = result.wants_memory and self._plan.split(job)
            if halved:
                say(
                    f"{count(len(job.runs), 'seed')} of {job.runs[0].label} do not fit on the GPU: halves.", self._quiet
                )
            elif result.failure:
                self.failed += [(run, result.failure) for run in self._plan.fail(job)]
            for run, (outcome, made) in zip(job.runs, result.finished, strict=False):
                if job.is_start:
                    self._store.write_start(run, fingerprint, outcome)
                    self._plan.ready.add(run)
                else:
                    if run in self._again:
                        self._store.set_aside(run)
                    self._store.write(run, outcome, made)
                    self.computed += 1
            name = cohort_name(job.runs, fingerprint)
            if result.finished:
                self._store.drop_checkpoint(name)
            elif result.checkpoint is not None:
                self._store.write_checkpoint(name, result.checkpoint)
            self._claims.release(job.runs)
            self._progress.count(job, JobResult() if halved else result)
