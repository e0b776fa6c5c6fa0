"""Finished trainings of comparisons, one file each: written once and whole, and checked when read."""

import contextlib
import dataclasses
import itertools
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from hardsample import code_fingerprint, paths, seals
from hardsample.code_fingerprint import place_of
from hardsample.comparison.identity import digest
from hardsample.comparison.result import Setting
from hardsample.comparison.training import Trained
from hardsample.errors import InputError
from hardsample.methods.registry import METHODS
from hardsample.records import is_stem
from hardsample.runs import files as stored
from hardsample.runs import plausibility

FOLDER = "comparisons"
"""Under the store's root; each comparison has a folder there, and each training a file."""
SUFFIX, SAVED = ".trial", ".checkpoint"


@dataclasses.dataclass(frozen=True)
class Trial:
    """One training of a comparison; ``identity`` is all that decides its numbers, as plain JSON."""

    comparison: str  # its name
    method: str
    seed: int
    identity: Mapping[str, Any]

    @property
    def key(self) -> str:
        """16 hexadecimal digits: equal for equal trainings, different for different ones."""
        return digest(self.identity)

    def path(self, root: Path) -> Path:
        """Where it is stored, or will be."""
        return root / FOLDER / self.comparison / f"{_file_name(self.method)}-s{self.seed}-{self.key}{SUFFIX}"

    def checkpoint(self, root: Path) -> Path:
        """Where it is kept how far it has got, while it trains."""
        return self.path(root).with_suffix(SAVED)


def write(root: Path, trial: Trial, trained: Trained, about: Mapping[str, Any], provenance: Mapping[str, Any]) -> None:
    """Store a finished training, what all of its comparison share (``about``), and how it was made.

    The first writer wins.

    Raises:
        InputError: the folder cannot be written.
    """
    own = {"key": trial.key, "comparison": trial.comparison, "method": trial.method, "seed": trial.seed}
    rest = {
        "identity": trial.identity,
        "about": about,
        "provenance": provenance,
        "seconds": trained.seconds,
        "columns": trained.columns,
    }
    lines = [f"{json.dumps(name)}: {json.dumps(value, allow_nan=False)}," for name, value in (own | rest).items()]
    rows = [
        json.dumps([None if math.isnan(value) else value for value in row], allow_nan=False) for row in trained.rows
    ]
    text = "\n".join(("{", *lines, '"rows": [', ",\n".join(rows), "]", "}", ""))
    paths.write_atomically(trial.path(root), seals.sealed(text.encode()), overwrite=False)


def find(root: Path, trial: Trial) -> Trained | None:
    """What a training gave; None if it is not stored, or its file is damaged, which is then set aside."""
    path = trial.path(root)
    try:
        return read(path)[1]
    except FileNotFoundError:
        return None
    except InputError:
        path.replace(path.with_name(f"{path.name}.broken"))
        return None


def read(path: Path) -> tuple[Trial, Trained, dict[str, Any]]:
    """A stored training, what it gave, and all that its file holds.

    Raises:
        FileNotFoundError: there is no such file.
        InputError: it is not whole, its key is not that of what it holds, or it was changed since it was written.
    """
    try:
        content = stored.content(path)
        seals.check(content, seals.known(path.parents[2], path))
        values = json.loads(content)
        trial = Trial(values["comparison"], values["method"], values["seed"], values["identity"])
        columns = tuple(values["columns"])
        rows = tuple(tuple(math.nan if value is None else value for value in row) for row in values["rows"])
        if trial.key != values["key"] or {len(row) for row in rows} != {len(columns)}:
            raise ValueError("its key or its rows are not its own")
        if {type(value) for value in (values["seconds"], *itertools.chain(*rows))} - {int, float}:
            raise ValueError("its rows and seconds are not all numbers")
        if (type(trial.comparison), type(trial.method), type(trial.seed)) != (str, str, int):
            raise ValueError("its comparison, method and seed are not as they were written")
        Setting(**values["about"]["setting"]), frozenset(values["about"]["lower"]), values["provenance"]
        return trial, Trained(columns, rows, values["seconds"]), values
    except FileNotFoundError:
        raise
    except stored.BROKEN as error:
        raise InputError(
            f"{path} is no finished training of a comparison ({stored.why(error)}): delete it and compare again."
        ) from error


def files(root: Path) -> Iterator[Path]:
    """The files of all stored trainings, by their names; they are not read."""
    yield from sorted((root / FOLDER).glob(f"*/*{SUFFIX}"))


def unfinished(root: Path) -> list[Path]:
    """Checkpoints of trainings that were interrupted or go on, and unreadable files set aside."""
    found = ((path, suffix) for suffix in (SAVED, f"{SUFFIX}.broken") for path in (root / FOLDER).glob(f"*/*{suffix}"))
    return sorted(path for path, suffix in found if is_stem(path.name.removesuffix(suffix)))


def problems(root: Path) -> Iterator[str]:
    """What is wrong with the stored trainings, one sentence a problem."""
    for path in files(root):
        try:
            trial, trained, _ = read(path)
        except InputError as error:
            yield str(error)
            continue
        if path != trial.path(root):
            yield f"{path} holds the training of {trial.path(root).name}: rename or delete it."
        moments = [row[trained.columns.index("update")] for row in trained.rows]
        if len(moments) != trial.identity["evaluations"] + 1 or not plausibility.rise(moments):
            yield f"{path} has evaluations that no training gives: delete it and compare again."
    for path in sorted((root / FOLDER).glob("*/*.broken")):
        yield f"{path} was unreadable and set aside: delete it."


def code(method: str) -> str:
    """The fingerprint of today's code that decides the numbers of a training by a method, beside what its user passes.

    "" for a method that is not registered here.
    """
    if method not in METHODS:
        return ""
    return code_fingerprint.fingerprint([("hardsample.comparison.training", "train"), place_of(METHODS[method].build)])


def is_of_other_code(trial: Trial, values: Mapping[str, Any]) -> bool:
    """Was a stored training, given what its file holds, made by other code than today's?"""
    return values["provenance"].get("code") != code(trial.identity["method"])


def count_other_code(trainings: Iterable[Path]) -> int:
    """How many of the stored trainings in these files were made by other code than today's."""
    found = 0
    for path in trainings:
        with contextlib.suppress(FileNotFoundError, InputError):
            trial, _, values = read(path)
            found += is_of_other_code(trial, values)
    return found


def check_name(name: str) -> str:
    """The name of a comparison, which names a folder too.

    Raises:
        InputError: it cannot.
    """
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 ._=,-]{0,99}", name):
        raise InputError(
            f"the comparison's name is {name!r}: give up to 100 letters, digits, spaces and -_.=, which name a folder."
        )
    return name


def _file_name(method: str) -> str:
    """ "PLB(power=0.6)" as part of a file's name."""
    return re.sub(r"[^A-Za-z0-9.=_-]+", "-", method).strip("-")[:100] or "method"
