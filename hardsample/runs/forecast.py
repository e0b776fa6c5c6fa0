"""What a launch would do, and nothing of it done: runs, seconds and bytes."""

import dataclasses
from collections.abc import Collection, Mapping, Sequence

from hardsample.config import Run
from hardsample.data.dataset import how_at_hand
from hardsample.records import data_choice
from hardsample.runs import prepare, worker
from hardsample.runs.devices import resolve_device
from hardsample.runs.plan import Job, count_workers, starts_of
from hardsample.runs.progress import doing
from hardsample.runs.store import Store
from hardsample.training import networks
from hardsample.training.precision import check_precision

RECORD, EVALUATION = 2000, 350  # bytes of a record without rows, and of a row, with the draws of 26 classes
CLASSES = 100  # as many as any data set of the papers has
STATES = {"adadelta": 2, "sgd": 1}  # numbers that an optimiser keeps for each weight


@dataclasses.dataclass(frozen=True)
class Forecast:
    """What of ``runs`` is missing or to be done ``again``, and what it would take.

    ``jobs`` are those whose data are at hand, with estimated seconds; ``untold`` are the runs whose data are not.
    ``starts`` are the pre-trainings that must come first. ``results`` and ``kept_starts`` are bytes.
    """

    runs: tuple[Run, ...]
    todo: tuple[Run, ...]
    again: tuple[Run, ...]
    starts: tuple[Run, ...]
    jobs: tuple[Job, ...]
    untold: tuple[Run, ...]
    workers: int
    device: str
    results: int
    kept_starts: int

    @property
    def seconds(self) -> float:
        """Of the jobs, on as many workers."""
        return sum(job.seconds for job in self.jobs) / self.workers


def forecast(
    runs: Sequence[Run],
    *,
    sources: Mapping[str, str],
    device: str = "auto",
    workers: int = 0,
    store: Store | None = None,
    again: Collection[Run] = (),
) -> Forecast:
    """What a launch with these arguments would do; a few updates are timed where the data are at hand.

    Nothing is trained, stored or downloaded.

    Raises:
        InputError: as a launch would.
    """
    store, device = store or Store(), resolve_device(device)
    runs = tuple(dict.fromkeys(runs))
    missing = set(store.missing(runs))
    todo = [run for run in runs if run in again or run in missing]
    prepare.check_sources(sources)
    sources = {run.data: sources.get(run.data, run.data) for run in todo}
    for run in todo:
        check_precision(run.precision, device)
    there = {name for name, source in sources.items() if how_at_hand(source)[0] in ("at hand", "generated", "made")}
    told = [run for run in todo if run.data in there]
    with doing("reading the data, and timing a few updates"):
        fingerprints, sizes = prepare.check_runs(told, sources)
        starts = [
            start
            for start in starts_of(todo)
            if start.data not in there or store.read_start(start, fingerprints[data_choice(start)]) is None
        ]
        ready = [start for start in starts if start.data in there]
        call = worker.ThisProcess().call
        jobs = prepare.estimated_jobs(told, ready, sources, sizes, device, call)
    return Forecast(
        runs,
        tuple(todo),
        tuple(run for run in todo if run in again),
        tuple(starts),
        tuple(jobs),
        tuple(run for run in todo if run.data not in there),
        max(1, count_workers(workers, device, jobs)),
        device,
        sum(map(_record_bytes, todo)),
        sum(map(_start_bytes, starts)),
    )


def _record_bytes(run: Run) -> int:
    return RECORD + EVALUATION * (round(run.epochs * run.evaluations_per_epoch) + 1)


def _start_bytes(start: Run) -> int:
    weights = networks.parameters(start.network, CLASSES)
    return 4 * weights * (1 + STATES.get(start.optimizer, 1))
