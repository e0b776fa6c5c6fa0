"""Where the time of an iteration goes: our loop with its test pass, and paper B's loop as described, part by part."""

import dataclasses
import functools
import time
from collections.abc import Callable, Sequence

import torch

from hardsample.config import Run
from hardsample.data.dataset import Dataset
from hardsample.experiments.curves import Timings
from hardsample.experiments.panels import Experiment
from hardsample.runs.devices import resolve_device
from hardsample.runs.provenance import device_name
from hardsample.runs.timing import check_turns, find_or_measure
from hardsample.training import updates
from hardsample.training.described_loop import DescribedLoop

MINI_BATCHES, TEST_MINI_BATCHES = 10, 4  # of a round, and of a test pass: all is per mini-batch, so few say as much
OURS, DESCRIBED = "ours", "described"
COLUMNS = ("round", "loop", "delta", "part", "seconds")


def measure(experiment: Experiment, *, device: str = "auto", turns: int = 5, compute: bool = True) -> Timings:
    """Seconds of the parts of two training loops, of the experiment's timed runs; measured once for a device and kept.

    After a first round of each, every turn makes one round of every δ in both loops, one after the other, and a test
    pass of both. The frame of the timings has the columns ``COLUMNS``: seconds per mini-batch trained of a part of
    :class:`hardsample.training.described_loop.DescribedLoop`, or of our whole "update"; and of a "test" mini-batch,
    where delta is NaN. On a CPU the clock is the CPU time of one thread. Without ``compute`` nothing is timed: what is
    not kept has no rows.

    Raises:
        InputError: the device or the data are not at hand.
    """
    import pandas

    device = resolve_device(device)
    check_turns(turns)
    timed = functools.partial(_time, turns=turns) if compute else None
    kept = find_or_measure(experiment, device, ("loops", device_name(device), str(turns)), timed, told="two loops")
    frame = pandas.DataFrame(kept["rows"], columns=[*COLUMNS])
    return Timings(frame.astype({"delta": float}), experiment, kept["device"], kept["threads"])


def _time(runs: Sequence[Run], data: Dataset, device: str, turns: int) -> list[tuple]:
    n, clock = runs[0].batch_size, _clock(device)
    sizes = {"train": MINI_BATCHES * n, "test": TEST_MINI_BATCHES * n}
    few = {f"{kind}_{part}": getattr(data, f"{kind}_{part}")[:size] for part, size in sizes.items() for kind in "xy"}
    data = dataclasses.replace(data, **few)
    ours = {run.options["delta"]: updates.stepper(run, data, device=device) for run in runs}
    described = {run.options["delta"]: DescribedLoop(run, data, device, clock) for run in runs}
    for delta in ours:
        _seconds(ours[delta], MINI_BATCHES, clock)
        described[delta].first_round()
    rows: list[tuple] = []
    for turn in range(turns):
        for delta in ours:
            length = max(1, round(delta * MINI_BATCHES))
            rows.append((turn, OURS, delta, "update", _seconds(ours[delta], length, clock)))
            rows += [(turn, DESCRIBED, delta, *part) for part in described[delta].next_round().items()]
        rows.append((turn, OURS, None, "test", _seconds(ours[1.0].test, 1, clock) / TEST_MINI_BATCHES))
        rows.append((turn, DESCRIBED, None, "test", described[1.0].test()))
    return rows


def _seconds(action: Callable[[], object], times: int, clock: Callable[[], float]) -> float:
    began = clock()
    for _ in range(times):
        action()
    return (clock() - began) / times


def _clock(device: str) -> Callable[[], float]:
    """On a GPU what was asked of it is done first."""
    if device == "cpu":
        return time.process_time

    def clock() -> float:
        torch.cuda.synchronize(device)
        return time.perf_counter()

    return clock
