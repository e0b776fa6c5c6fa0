"""Who is computing a run now, so that launches side by side in one store do not compute it twice."""

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Self

from hardsample import locks
from hardsample.config import Run


class Claims:
    """The runs that this process computes now: each a locked file, which a process that dies lets go of.

    Where files cannot be locked everything can be claimed: a run may be computed twice then, and is stored once.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: dict[Run, tuple[Path, int]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release(list(self._held))

    def take(self, runs: Iterable[Run]) -> bool:
        """Claim all of the runs; False if another launch computes one of them, and none is claimed then."""
        taken = []
        for run in runs:
            if not self._take(run):
                self.release(taken)
                return False
            taken.append(run)
        return True

    def release(self, runs: Iterable[Run]) -> None:
        """Let go of those of the runs that are claimed."""
        for run in runs:
            path, descriptor = self._held.pop(run, (None, 0))
            if path is not None:
                with contextlib.suppress(OSError):
                    path.unlink(missing_ok=True)
                os.close(descriptor)

    def _take(self, run: Run) -> bool:
        path = self._folder / f"{run.key}.lock"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError:
            return True
        held = locks.lock(descriptor, wait=False)
        if held and _stands_at(path, descriptor):
            self._held[run] = path, descriptor
            return True
        os.close(descriptor)
        return held is None


def _stands_at(path: Path, descriptor: int) -> bool:
    """Is it still the file of that name, or has its holder just let go of it?"""
    try:
        return os.fstat(descriptor).st_ino == path.stat().st_ino
    except FileNotFoundError:
        return False
