"""How long methods take: runs side by side on one device, in turns, and kept like finished runs."""

import functools
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import torch

from hardsample.config import Run
from hardsample.data.dataset import Dataset
from hardsample.errors import InputError, check_value
from hardsample.experiments.curves import Timings
from hardsample.experiments.panels import Experiment, variant
from hardsample.runs.devices import one_thread, resolve_device
from hardsample.runs.progress import doing
from hardsample.runs.provenance import commit, device_name, versions
from hardsample.runs.store import Store
from hardsample.runs.worker import load_data
from hardsample.training import updates as training
from hardsample.training.process import flushed_denormals

UPDATES_A_TURN = 20
TOLD_APART = 0.1  # costs that differ by less are one


def measure(experiment: Experiment, *, device: str = "auto", turns: int = 5, compute: bool = True) -> Timings:
    """Seconds per update of the experiment's timed runs (paper B, Table 1), measured once for a device and then kept.

    After a first epoch of each run, every turn times so many updates of each, one run after the other: choosing,
    forward, backward, update, and no evaluation. Without ``compute`` nothing is timed: what is not kept has no rows.

    Raises:
        InputError: the device or the data are not at hand.
    """
    import pandas

    check_turns(turns)
    device = resolve_device(device)
    timed = functools.partial(_time_turns, turns=turns) if compute else None
    kept = find_or_measure(experiment, device, (device_name(device), str(turns)), timed)
    frame = pandas.DataFrame(kept["rows"], columns=["round", "delta", "seconds"])
    return Timings(frame, experiment, kept["device"], kept["threads"])


def check_turns(turns: int) -> None:
    """Raise InputError unless it is a number of turns."""
    check_value("turns", turns, type(turns) is int and turns > 0, "a whole number from 1 up")


def costs(experiment: Experiment, *, device: str = "auto", compute: bool = True) -> dict[str, float]:
    """Each method's training time relative to the baseline's at equal updates; measured once and kept.

    Without ``compute`` nothing is measured: empty where nothing is kept, or the experiment times nothing.

    The experiment's timed runs are trained whole, the methods of a seed side by side, an epoch of each in turn, and
    nothing evaluated: every pass that chooses is in. The median over seeds is given to one decimal, and as 1 within a
    tenth of it, since one measurement differs from another by as much. On a CPU the clock is the CPU time of one
    thread, which other programs disturb less. A store has one measurement, whatever the device, since its runs of equal
    wall-clock follow from it.

    Raises:
        InputError: the device or the data are not at hand.
    """
    if not experiment.timed:
        return {}
    rows = find_or_measure(experiment, resolve_device(device), (), _time_trainings if compute else None)["rows"]
    seconds: dict[tuple[str, int], float] = defaultdict(float)
    for method, seed, spent in rows:
        seconds[method, seed] += spent
    if not all(seconds[experiment.baseline, seed] for _, seed in [*seconds]):
        raise InputError(
            f"the stored times of {experiment.name} have none of {experiment.baseline}: delete its .timing file in"
            f" {Store().path(experiment.timed[0]).parent}, and measure again."
        )
    ratios: dict[str, list[float]] = defaultdict(list)
    for (method, seed), spent in seconds.items():
        ratios[method].append(spent / seconds[experiment.baseline, seed])
    medians = {method: statistics.median(found) for method, found in ratios.items()}
    return {name: 1.0 if abs(cost - 1) < TOLD_APART else max(0.1, round(cost, 1)) for name, cost in medians.items()}


def find_or_measure(
    experiment: Experiment, device: str, circumstances: Sequence[str], measured: Callable | None, told: str = ""
) -> dict[str, Any]:
    """What ``measured`` gives of the experiment's timed runs, from the file that keeps it if there is one.

    It is called with the runs, their data and the device. ``told``: what it times, in words. Without ``measured`` no
    rows, where there is none.
    """
    runs = experiment.timed
    store = Store()
    if (known := store.find_timing(runs, circumstances)) is not None:
        return known
    if measured is None:
        return {"rows": [], "device": "not measured", "threads": 0}
    what = told or f"{len({variant(run) for run in runs})} methods"
    with (
        doing(f"timing {what} for {experiment.name}, once for this store", after=0.0),
        one_thread(device),
        flushed_denormals(device),
    ):
        data = load_data(runs[0], experiment.sources[runs[0].data])
        rows = measured(runs, data, device)
        about = {"device": device_name(device), "threads": torch.get_num_threads()}
    made = {"commit": commit(), "versions": versions(), "fingerprint": data.fingerprint}
    return store.write_timing(runs, circumstances, about | made, rows)


def _time_turns(runs: Sequence[Run], data: Dataset, device: str, turns: int) -> list[tuple]:
    """After a first epoch of each, so many turns: (turn, δ, seconds per update)."""
    length = -(-len(data.x_train) // runs[0].batch_size)
    updates = {run.options["delta"]: training.stepper(run, data, device=device) for run in runs}
    for update in updates.values():
        _seconds(update, length, device, time.perf_counter)
    length = min(length, UPDATES_A_TURN)
    return [
        (turn, delta, _seconds(update, length, device, time.perf_counter) / length)
        for turn in range(turns)
        for delta, update in updates.items()
    ]


def _time_trainings(runs: Sequence[Run], data: Dataset, device: str) -> list[tuple]:
    """Whole trainings, seed by seed and epoch by epoch: (method, seed, seconds of the epoch)."""
    clock = time.process_time if device == "cpu" else time.perf_counter
    length, rows = len(data.x_train) // runs[0].batch_size, []
    for run in runs:
        if run.seed == runs[0].seed:
            training.stepper(run, data, device=device)()  # what is done once in a process is not counted
    for seed in dict.fromkeys(run.seed for run in runs):
        updates = {variant(run): training.stepper(run, data, device=device) for run in runs if run.seed == seed}
        for _ in range(round(runs[0].epochs)):
            rows += [(method, seed, _seconds(update, length, device, clock)) for method, update in updates.items()]
    return rows


def _seconds(update: Callable[[], None], times: int, device: str, clock: Callable[[], float]) -> float:
    began = clock()
    for _ in range(times):
        update()
    if device != "cpu":
        torch.cuda.synchronize(device)
    return clock() - began
