"""Many runs: the launcher's workers against plain processes, what the launcher adds to a run, and looking up 10,000.

Both are compared from the first run handed out to the last one back: stored, by the launcher; a plain process
stores nothing, and has its data in memory and its share of the runs beforehand. Starting the workers, and all
that the launcher does before the first run, are in rows of their own.
"""

import contextlib
import dataclasses
import functools
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from unittest import mock

import numpy as np
import torch

from benchmarks.measure import Row, Way, compare, in_turns, processes, summary
from hardsample.config import Run
from hardsample.data.dataset import load
from hardsample.runs import local
from hardsample.runs.devices import count_cores
from hardsample.runs.launch import launch
from hardsample.runs.store import Store
from hardsample.training import trainer
from hardsample.training.process import configure_process

STARTS = 3
TURNS = 2  # after each start
EACH = 2  # runs for each worker in a turn
RUN = Run("glyphs", "MB", 1, epochs=1.0, train_examples=2880, test_examples=128, evaluate_train_examples=128)
TINY = dataclasses.replace(RUN, batch_size=8, train_examples=8, test_examples=8, evaluations_per_epoch=1.0)
TINIES = 30
STORED = dataclasses.replace(TINY, epochs=10.0, batch_size=4, evaluations_per_epoch=2.0)  # a file as long as paper A's
WANTED = 10_000


def measure() -> list[Row]:
    """Side by side, in turns; then the store alone."""
    workers = count_cores()
    alone, plain, own = "one after another", f"{workers} plain processes", f"{workers} workers"
    with tempfile.TemporaryDirectory() as folder:
        spent = _in_turns(alone, plain, own, workers, Path(folder))
        listing = _listing(Path(folder) / "listed")
    phase = f"time for a run, from the first of {EACH * workers} handed out to the last back"
    tiny = f"{TINIES} runs of one update and two evaluations: what a run takes beyond them"
    rows = [
        compare(f"{phase}: speed-up of workers", spent, own, alone),
        compare(f"{phase}: speed-up of plain processes", spent, plain, alone),
        summary(f"{phase}: workers / plain processes", f"{own}, {plain}", spent[own] / spent[plain], at_most=1.05),
        summary("starting the workers", own, spent["start"], "s"),
        summary("the launcher before it hands out the first run", f"{own}, started", spent["before"] * 1e3, "ms"),
    ]
    for where in ("in this process", own):
        rows.append(summary(tiny, where, spent[f"tiny {where}"] * 1e3, "ms", at_most=50))
    for what, seconds in listing.items():
        rows.append(summary(f"{WANTED:,} runs wanted: {what}", "CPU time", seconds, "s", at_most=2))
    return rows


def _in_turns(alone: str, plain: str, own: str, workers: int, folder: Path) -> dict[str, np.ndarray]:
    """Seconds of a run by the three ways, [STARTS * TURNS] each, and of what the launcher does besides."""
    spent, handed_out = defaultdict(list), []

    def noting(*arguments, do=local.LocalWorkers.do):
        handed_out.append(time.perf_counter())
        yield from do(*arguments)

    _launch([TINY], 1, Store(folder / "warm-up"))
    with _plain_processes(workers) as train, mock.patch.object(local.LocalWorkers, "do", noting):
        for start in range(STARTS):
            store = Store(folder / str(start))
            tiny = _seeds(TINY, TINIES * workers)
            spent["tiny in this process"].append(_beside(tiny[:TINIES], 1, Store(folder / f"here-{start}")))
            began = time.perf_counter()
            with local.LocalWorkers(workers, "cpu") as started:
                for place in range(workers):
                    started.begin(place, configure_process)  # which imports what trains
                while started.free < workers:
                    started.ended(None)
                spent["start"].append(time.perf_counter() - began)
                with mock.patch.object(
                    local, "LocalWorkers", lambda *_, started=started: contextlib.nullcontext(started)
                ):
                    _launch([dataclasses.replace(run, epochs=0.1) for run in _seeds(RUN, workers)], workers, store)
                    for turn in range(TURNS):
                        runs = _seeds(RUN, EACH * workers, turn)
                        spent[alone].append(train(runs[:EACH], 1) / EACH)
                        spent[plain].append(train(runs, workers) / len(runs))
                        began = time.perf_counter()
                        _launch(runs, workers, store)
                        spent[own].append((time.perf_counter() - handed_out[-1]) / len(runs))
                        spent["before"].append(handed_out[-1] - began)
                    spent[f"tiny {own}"].append(_beside(tiny, workers, store))
    return {name: np.array(seconds) for name, seconds in spent.items()}


@contextlib.contextmanager
def _plain_processes(count: int) -> Iterator[Callable[[Sequence[Run], int], float]]:
    """Processes that share out runs: called with runs and how many are to do them, the seconds until all are back."""
    threads = mock.patch.dict(os.environ, OMP_NUM_THREADS="1")  # as the launcher's workers have it
    with threads, processes({str(place): (_train,) for place in range(count)}) as named:
        lines = list(named.values())
        for line in lines:
            line.recv()

        def train(runs: Sequence[Run], width: int) -> float:
            began = time.perf_counter()
            for place, line in enumerate(lines[:width]):
                line.send(runs[place::width])
            for line in lines[:width]:
                line.recv()
            return time.perf_counter() - began

        yield train


def _train(line: Connection) -> None:
    torch.set_num_threads(1)
    configure_process()
    data = load(RUN.data, train_examples=RUN.train_examples, test_examples=RUN.test_examples)
    runs = [dataclasses.replace(RUN, epochs=0.1)]
    while True:
        for run in runs:
            trainer.train([run], data)
        line.send(None)
        runs = line.recv()


def _launch(runs: Sequence[Run], workers: int, store: Store) -> None:
    launch(runs, device="cpu", workers=workers, store=store, quiet=True).raise_if_incomplete()


def _beside(runs: Sequence[Run], workers: int, store: Store) -> float:
    """A worker's seconds for a run, less those in which it trained or evaluated."""
    began = time.perf_counter()
    _launch(runs, workers, store)
    wall = time.perf_counter() - began
    seconds = [made["seconds"] for made in store.done(runs).values()]
    return (workers * wall - sum(each["train"] + each["evaluate"] for each in seconds)) / len(runs)


def _listing(folder: Path) -> dict[str, np.ndarray]:
    """CPU seconds to look up runs of which all or half are stored, and to plan those of which half are."""
    store = Store(folder)
    _launch([STORED], 1, store)
    record = store.read(STORED)
    outcome = trainer.TrainingResult(record.columns, record.rows, {})
    with mock.patch("os.fsync"):
        for run in _seeds(STORED, WANTED):
            store.write(run, outcome, record.provenance)
    ways = {
        "all stored, looked up": functools.partial(_look_up, folder, 0),
        "half stored, looked up": functools.partial(_look_up, folder, WANTED // 2),
        "half stored, looked up and the others ready to begin": functools.partial(_plan, folder, WANTED // 2),
    }
    return in_turns(ways, rounds=3)


def _look_up(folder: Path, missing: int) -> Way:
    def way(_: int) -> None:
        assert len(Store(folder).done(_seeds(STORED, WANTED, first=missing))) == WANTED - missing

    return way


def _plan(folder: Path, missing: int) -> Way:
    def way(_: int) -> None:
        wanted = _seeds(STORED, WANTED, first=missing)
        report = launch(wanted, device="cpu", workers=1, store=Store(folder), time_limit=0, quiet=True)
        assert report.missing == missing

    return way


def _seeds(run: Run, count: int, turn: int = 0, first: int = 0) -> list[Run]:
    return [dataclasses.replace(run, seed=1 + first + turn * count + index) for index in range(count)]
