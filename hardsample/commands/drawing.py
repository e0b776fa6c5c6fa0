"""Many notebooks drawn side by side, each again only if something that it is drawn from has changed."""

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path
from typing import Any, Self

from hardsample import paths, plugins
from hardsample.commands import stamps
from hardsample.experiments.panels import Experiment
from hardsample.report import figures

SIDE_BY_SIDE = 2  # notebooks drawn at once, where there is more than one core
SAY_EVERY = 15.0  # seconds without a figure drawn

_kernels: list = []  # of this process: the one that it keeps for its notebooks


class Drawing:
    """Processes that draw, each with a kernel that it keeps: what all notebooks import is imported once.

    ``drawn`` counts the experiments whose files are there and whole, ``unchanged`` those of them that did not have to
    be drawn again, and ``failed`` the notebooks that failed.
    """

    def __init__(self) -> None:
        self._width = min(SIDE_BY_SIDE, os.cpu_count() or 1)
        spawn = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(self._width, spawn, signal.signal, (signal.SIGINT, signal.SIG_IGN))
        self.drawn, self.unchanged, self.failed = 0, 0, 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        self._pool.shutdown(wait=kind is None, cancel_futures=True)

    def warm(self) -> None:
        """Start the processes and their kernels, where it is known that there will be something to draw."""
        for _ in range(self._width):
            self._pool.submit(_warm)

    def draw(self, chosen: Sequence[tuple[Experiment, Mapping[str, Any]]]) -> None:
        """Run the notebook of each experiment with its parameters, and say a line of every one as it ends."""
        drawing: dict[Future, tuple[Experiment, str]] = {}
        for experiment, parameters in chosen:
            stamp = stamps.inputs(experiment, parameters)
            if stamps.is_fresh(experiment, stamp):
                self._tell(experiment, " (unchanged)")
                self.unchanged += 1
                continue
            output = paths.runs_dir() / "notebooks" / figures.place(experiment).with_suffix(".ipynb")
            future = self._pool.submit(_draw, experiment.name, dict(parameters), output, plugins.loaded())
            drawing[future] = experiment, stamp
        for future in _as_completed(drawing):
            experiment, stamp = drawing[future]
            try:
                future.result()
            except RuntimeError as error:
                print(f"hardsample: {error}", file=sys.stderr)
                self.failed += 1
            else:
                stamps.write(experiment, stamp, figures.files(figures.stem(experiment)))
                self._tell(experiment)

    def _tell(self, experiment: Experiment, more: str = "") -> None:
        own = sorted(figures.files(figures.stem(experiment)), key=lambda path: len(path.name))  # its own name first
        self.drawn += 1
        first = next((path for kind in (".png", ".md") for path in own if path.suffix == kind), own[0] if own else "")
        print(f"{experiment.name}: {_short(first)}{more}", flush=True)


def _short(path: Path | str) -> str:
    """A path from here, where it lies below."""
    here = Path.cwd()
    return str(path.relative_to(here)) if isinstance(path, Path) and path.is_relative_to(here) else str(path)


def _warm() -> None:
    """In a process of its own: start the kernel that it will keep."""
    from hardsample import notebooks

    if not _kernels:
        _kernels.append(notebooks.started_kernel())


def _draw(name: str, parameters: dict[str, Any], output: Path, loaded: list[str]) -> None:
    """In a process of its own: run a notebook in the kernel that the process keeps."""
    from hardsample import notebooks

    kernel = _kernels.pop() if _kernels else notebooks.ThisInterpreter()
    declared = notebooks.parameters(name)
    known = {knob: parameters[knob] for knob in declared if knob in parameters}
    notebooks.run(name, known, output, plugins=loaded, kernel=kernel)
    _kernels.append(kernel)  # one in which a notebook failed is not used again


def _as_completed(drawing: Iterable[Future]) -> Iterator[Future]:
    """The futures as they end; how many have is said now and then."""
    left, said = set(drawing), time.monotonic()
    total = len(left)
    while left:
        ended, left = wait(left, SAY_EVERY, FIRST_COMPLETED)
        yield from ended
        if ended:
            said = time.monotonic()
        elif time.monotonic() - said >= SAY_EVERY:
            print(f"drawing: {total - len(left)} of {total} done", flush=True)
            said = time.monotonic()
