"""What comes before any run is trained: its data are read and checked, and its seconds estimated."""

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hardsample import plugins
from hardsample.config import Run
from hardsample.data.dataset import is_path, name_of
from hardsample.errors import InputError
from hardsample.records import data_choice
from hardsample.runs import worker
from hardsample.runs.plan import Job, count_updates, estimate_seconds, make_jobs
from hardsample.training import trainer

PROBING = 30.0  # seconds that updates are timed for, at most
SHARE = 0.1  # of the time that there is


def absolute(source: str) -> str:
    """The source as it is found from any folder, where it is a path."""
    return str(Path(source).expanduser().absolute()) if is_path(source) else source


def check_sources(sources: Mapping[str, str]) -> None:
    """Refuse what would load data of another name.

    Raises:
        InputError: a source holds other data than those that it is given for.
    """
    for name, source in sources.items():
        if name_of(source) != name:
            raise InputError(f"the source {source!r} of the data {name!r} holds {name_of(source)!r}: give {name!r}.")


def check_runs(runs: Sequence[Run], sources: Mapping[str, str]) -> tuple[dict[tuple, str], dict[tuple, int]]:
    """Fingerprint and number of training examples of all data, once every configuration is known to fit its own."""
    fingerprints, sizes = {}, {}
    for run in dict.fromkeys(dataclasses.replace(run, seed=0) for run in runs):
        data = worker.load_data(run, sources[run.data])
        trainer.check(run, data)
        fingerprints[data_choice(run)] = data.fingerprint
        sizes[data_choice(run)] = len(data.x_train)
    return fingerprints, sizes


def estimated_jobs(
    todo: Sequence[Run],
    starts: Sequence[Run],
    sources: Mapping[str, str],
    sizes: Mapping[tuple, int],
    device: str,
    call: Callable[..., Any],
    deadline: float | None = None,
) -> list[Job]:
    """The runs and the pre-trainings that they lack as jobs, with the seconds that a few timed updates let expect.

    ``call`` calls a function with arguments where the runs will be computed. Timing ends after :data:`PROBING` seconds,
    and after a tenth of what is left until the ``deadline``, in the seconds of :func:`time.time`; what was not timed by
    then is told from its number of updates.
    """
    budget = PROBING if deadline is None else min(PROBING, SHARE * (deadline - time.time()))
    end = time.monotonic() + budget

    on_gpu, own = device != "cpu", plugins.hashes()
    updates = {run: count_updates(run, sizes[data_choice(run)]) for run in (*todo, *starts)}

    def probe(cohort: Sequence[Run]) -> float | None:
        left = end - time.monotonic()
        cohort = [dataclasses.replace(run, method="MB", options={}) for run in cohort]  # others begin with passes
        return call(worker.probe, cohort, sources[cohort[0].data], device, own, left) if left > 0 else None

    return make_jobs(todo, starts, estimate_seconds(updates, probe, on_gpu=on_gpu), on_gpu=on_gpu)
