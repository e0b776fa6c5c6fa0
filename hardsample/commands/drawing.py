"""Many notebooks drawn side by side, each again only if something that it is drawn from has changed."""

import contextlib
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from hardsample import paths, plugins
from hardsample.commands import stamps
from hardsample.experiments.panels import Experiment
from hardsample.processes import Pool
from hardsample.report import figures

SIDE_BY_SIDE = 2  # notebooks drawn at once, where there is more than one core
SAY_EVERY = 15.0  # seconds without a figure drawn

_WARMED = None  # the name of a call that only starts a kernel
_kernels: list = []  # of this process: the one that it keeps for its notebooks


class Drawing:
    """Processes that draw, each with a kernel that it keeps: what all notebooks import is imported once.

    ``drawn`` counts the experiments whose files are there and whole, ``unchanged`` those of them that did not have to
    be drawn again, and ``failed`` the notebooks that failed.
    """

    def __init__(self) -> None:
        self._stack, self._pool = contextlib.ExitStack(), None
        self.drawn, self.unchanged, self.failed = 0, 0, 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def warm(self) -> None:
        """Start the processes and their kernels, where it is known that there will be something to draw."""
        pool = self._processes()
        for _ in range(pool.free):
            pool.begin(_WARMED, _warm)

    def draw(self, chosen: Sequence[tuple[Experiment, Mapping[str, Any]]]) -> None:
        """Run the notebook of each experiment with its parameters, and say a line of every one as it ends."""
        drawing: list[tuple[Experiment, str]] = []
        calls: list[tuple] = []
        for experiment, parameters in chosen:
            stamp = stamps.inputs(experiment, parameters)
            if stamps.is_fresh(experiment, stamp):
                self._tell(experiment, " (unchanged)")
                self.unchanged += 1
                continue
            output = paths.runs_dir() / "notebooks" / figures.place(experiment).with_suffix(".ipynb")
            calls.append((experiment.name, dict(parameters), output, plugins.loaded()))
            drawing.append((experiment, stamp))
        for place, error in self._done(calls):
            experiment, stamp = drawing[place]
            if isinstance(error, RuntimeError):
                print(f"hardsample: {error}", file=sys.stderr)
                self.failed += 1
            elif error is not None:
                raise error
            else:
                stamps.write(experiment, stamp, figures.files(figures.stem(experiment)))
                self._tell(experiment)

    def _processes(self) -> Pool:
        if self._pool is None:
            width = min(SIDE_BY_SIDE, os.cpu_count() or 1)
            self._pool = self._stack.enter_context(Pool([{}] * width))
        return self._pool

    def _done(self, calls: Sequence[tuple]) -> Iterator[tuple[int, Exception | None]]:
        """The place of each call as it ends, and its error if there is one; how many have is said now and then."""
        waiting, left, said = list(enumerate(calls)), len(calls), time.monotonic()
        while left:
            pool = self._processes()
            while waiting and pool.free:
                place, call = waiting.pop(0)
                pool.begin(place, _draw, *call)
            ended = [(place, error) for place, error in pool.ended(SAY_EVERY) if place is not _WARMED]
            yield from ended
            left -= len(ended)
            if ended:
                said = time.monotonic()
            elif time.monotonic() - said >= SAY_EVERY:
                print(f"drawing: {len(calls) - left} of {len(calls)} done", flush=True)
                said = time.monotonic()

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
