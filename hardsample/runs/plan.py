"""What is done in which order: runs as jobs of equal runs, how long each takes, and which may begin."""

import dataclasses
import math
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from hardsample.config import Run
from hardsample.runs.devices import count_places
from hardsample.training.networks import max_cohort_size

PROBES = 6  # configurations timed for the estimate
WORTH_WORKERS = 40.0  # seconds of work below which starting worker processes takes longer than it saves
UNKNOWN = 1e-9  # stands for the seconds of an update where none could be timed: the order of the jobs still holds


@dataclasses.dataclass(frozen=True)
class Job:
    """A cohort, runs equal but for the seed, trained together; ``is_start`` if it is a pre-training others continue."""

    runs: tuple[Run, ...]
    is_start: bool
    seconds: float
    needs: frozenset[Run] = frozenset()
    urgency: float = 0.0  # seconds until the last run that it holds up could end


class Plan:
    """The jobs still to hand out, the most urgent first; a run waits until its start is ready.

    Args:
        jobs: all that there is to do.
        ready: the pre-trainings that are stored.
        deadline: in the seconds of :func:`time.time`, after which nothing is handed out.
        claim: says of a job whether this launch may do it, or another one is doing it.
        stored: of a job that was claimed, the runs that another launch has done meanwhile.
    """

    def __init__(
        self,
        jobs: Iterable[Job],
        ready: set[Run],
        deadline: float | None,
        claim: Callable[[Job], bool] = lambda job: True,
        stored: Callable[[Job], Collection[Run]] = lambda job: (),
    ) -> None:
        self.ready = set(ready)
        self.found: list[Run] = []  # done by other launches
        self._jobs = sorted(jobs, key=lambda job: -job.urgency)
        self._deadline = math.inf if deadline is None else deadline
        self._claim, self._stored = claim, stored

    def take(self) -> Job | None:
        """The next job that can begin now; None if there is none, or no time left."""
        for job in list(self._jobs):
            if time.time() >= self._deadline:
                return None
            if not job.needs <= self.ready or not self._claim(job):
                continue
            self._jobs.remove(job)
            stored = self._stored(job)
            left = tuple(run for run in job.runs if run not in stored)
            if job.is_start:
                self.ready.update(stored)
            else:
                self.found += stored
            if left:
                return job if len(left) == len(job.runs) else _part(job, left)
            if job.is_start:
                return self.take()
        return None

    @property
    def held_up(self) -> bool:
        """Is there time left, and something that could begin if no other launch were doing it?"""
        return time.time() < self._deadline and any(job.needs <= self.ready for job in self._jobs)

    def split(self, job: Job) -> bool:
        """Hand a job out again as two, of half of its runs each; False if it has a single one."""
        half = len(job.runs) // 2
        if half:
            parts = [_part(job, job.runs[:half]), _part(job, job.runs[half:])]
            self._jobs = sorted((*parts, *self._jobs), key=lambda job: -job.urgency)
        return half > 0

    def fail(self, job: Job) -> list[Run]:
        """The runs that cannot be done because ``job`` failed: its own, or those that wait for it."""
        if not job.is_start:
            return list(job.runs)
        lost = [other for other in self._jobs if other.needs & set(job.runs)]
        self._jobs = [other for other in self._jobs if other not in lost]
        return [run for other in lost for run in other.runs]


def _part(job: Job, runs: tuple[Run, ...]) -> Job:
    share = len(runs) / len(job.runs)
    return dataclasses.replace(
        job, runs=runs, seconds=job.seconds * share, needs=frozenset(starts_of(runs)), urgency=job.urgency * share
    )


def make_jobs(todo: Sequence[Run], starts: Sequence[Run], costs: Mapping[Run, float], *, on_gpu: bool) -> list[Job]:
    """``todo`` and the ``starts`` it still needs, as cohorts: of one seed on a CPU, of as many as fill a GPU."""
    jobs = [
        Job(cohort, False, seconds := sum(costs[run] for run in cohort), frozenset(starts_of(cohort)), seconds)
        for cohort in split_cohorts(todo, on_gpu)
    ]
    held_up: dict[Run, float] = defaultdict(float)  # seconds of the longest job that waits for a start
    for job in jobs:
        for start in job.needs:
            held_up[start] = max(held_up[start], job.seconds)
    for cohort in split_cohorts(starts, on_gpu):
        seconds = sum(costs[start] for start in cohort)
        jobs.append(Job(cohort, True, seconds, urgency=seconds + max(held_up[start] for start in cohort)))
    return jobs


def split_cohorts(runs: Iterable[Run], on_gpu: bool) -> list[tuple[Run, ...]]:
    """The runs by what they share but the seed: one a cohort on a CPU, as many as their network takes on a GPU."""
    groups = defaultdict(list)
    for run in runs:
        groups[dataclasses.replace(run, seed=0)].append(run)
    cohorts = []
    for alike, group in groups.items():
        width = max_cohort_size(alike.network) if on_gpu else 1
        cohorts += [tuple(group[i : i + width]) for i in range(0, len(group), width)]
    return cohorts


def starts_of(runs: Iterable[Run]) -> list[Run]:
    """The distinct pre-trainings that ``runs`` continue."""
    return list(dict.fromkeys(start for run in runs if (start := run.start) is not None))


def estimate_seconds(
    updates: Mapping[Run, float], probe: Callable[[Sequence[Run]], float | None], *, on_gpu: bool
) -> dict[Run, float]:
    """Seconds each run will take, given its updates: a few configurations timed, the others by that number.

    ``probe`` gives the seconds of a cohort trained together, or None where it cannot be timed.
    """
    groups = defaultdict(list)
    for run in updates:
        groups[run.batch_size, run.network, run.precision].append(run)
    rates = {}  # seconds per update
    largest = sorted(groups, key=lambda group: -sum(updates[run] for run in groups[group]))
    for group in largest[:PROBES]:
        longest = max(groups[group], key=lambda run: updates[run])
        width = max_cohort_size(longest.network) if on_gpu else 1
        seconds = probe([dataclasses.replace(longest, seed=seed) for seed in range(1, width + 1)])
        if seconds is not None:
            rates[group] = seconds / width / updates[longest]
    usual = sum(rates.values()) / len(rates) if rates else UNKNOWN
    return {run: rates.get(group, usual) * updates[run] for group, members in groups.items() for run in members}


def count_updates(run: Run, size: int) -> float:
    """About how many a run makes after its pre-training, given the number of training examples."""
    return max(run.epochs - run.pretrain_epochs, 1e-9) * size / run.batch_size


def count_workers(workers: int, device: str, jobs: Sequence[Job]) -> int:
    """How many worker processes of this machine, where ``workers`` are asked for or 0; 1 is this one."""
    if not workers:
        if sum(job.seconds for job in jobs) < WORTH_WORKERS:
            return 1
        workers = count_places(device)
    return min(workers, len(jobs))
