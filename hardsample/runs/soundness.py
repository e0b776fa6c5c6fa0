"""What is wrong in a store, one sentence a problem."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from hardsample.config import Run
from hardsample.errors import InputError
from hardsample.records import check_fingerprints
from hardsample.runs import details, files, plausibility


def problems(
    runs: Iterable[Path],
    read: Callable[[Path], tuple[Run, dict[str, Any]]],
    place: Callable[[Run], Path],
    timings: Iterable[Path],
    aside: Iterable[Path],
) -> list[str]:
    """Of the files of runs, which ``read`` reads and ``place`` finds, those of measured times, and those set aside."""
    sound: list = []
    found = [*_of_runs(runs, read, place, sound), *_of_timings(timings)]
    found += [f"{path} was unreadable and set aside: delete it." for path in aside]
    try:
        check_fingerprints(sound)
    except InputError as error:
        found.append(str(error))
    return found


def _of_runs(paths: Iterable[Path], read: Callable, place: Callable[[Run], Path], sound: list) -> Iterator[str]:
    """The problems of single runs; those that can be read, and how they were made, join ``sound``."""
    for path in paths:
        try:
            run, values = read(path)
        except InputError as error:
            yield str(error)
            continue
        sound.append((run, values["provenance"]))
        if path != place(run):
            yield f"{path} holds the run of {place(run).name}: rename or delete it."
        if (fault := plausibility.fault(run, values)) is not None:
            yield f"{path} {fault}: no training gives that; delete it and launch its run again."
        try:
            details.check(path, run, values["provenance"])
        except InputError as error:
            yield str(error)


def _of_timings(paths: Iterable[Path]) -> Iterator[str]:
    for path in paths:
        try:
            files.read_timing(path)
        except InputError as error:
            yield str(error)
