"""The store of finished runs: one JSON file each, written once and whole, and never changed."""

import collections
import hashlib
import io
import itertools
import json
import math
import os
import time
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hardsample import paths
from hardsample.config import Run
from hardsample.errors import InputError
from hardsample.records import ASPECTS, StoredRun, check_fingerprints, made, stem
from hardsample.training import networks
from hardsample.training.trainer import COLUMNS, State, TrainingResult

if TYPE_CHECKING:
    from hardsample.experiments.curves import Curves
    from hardsample.experiments.panels import Experiment

LEFTOVER_AGE = 3600.0  # seconds after which a temporary file cannot belong to a living writer

_METRICS = ("acc/train", "acc/val", "loss/train", "loss/val", "acc/choose", "acc/report")  # NaN where diverged
_SHOWN = ("seed", "batch_size", "pretrain_epochs", "learning_rate", "data", "network")
_json = json.JSONEncoder(allow_nan=False).encode
_BROKEN = (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile)


class Store:
    """Finished runs under ``root`` (default: :func:`hardsample.paths.runs_dir`).

    A file appears whole or not at all, and the first writer wins: neither a kill nor two launches at once do any harm.
    """

    def __init__(self, root: Path | None = None) -> None:
        self.root = Path(root) if root is not None else paths.runs_dir()

    def path(self, run: Run) -> Path:
        """Where ``run`` is stored, or will be."""
        return self.root / f"{networks.find(run.network).paper}/{run.data}/{stem(run)}.json"

    def find(self, run: Run) -> StoredRun | None:
        """The stored record of ``run``; None if it is absent, unreadable or that of another run."""
        values = self._values(run)
        return None if values is None else _record(run, values)

    def done(self, runs: Iterable[Run]) -> dict[Run, Mapping[str, Any]]:
        """The provenance of each of ``runs`` that is done, in their order."""
        found = ((run, self._values(run)) for run in runs)
        return {run: values["provenance"] for run, values in found if values is not None}

    def has(self, run: Run) -> bool:
        """Whether ``run`` is done: its file exists, parses and is its own."""
        return self._values(run) is not None

    def read(self, run: Run) -> StoredRun:
        """The stored record of ``run``.

        Raises:
            InputError: there is none.
        """
        record = self.find(run)
        if record is None:
            raise InputError(f"no finished run at {self.path(run)}: launch it first, or see `hardsample verify`.")
        return record

    def missing(self, runs: Iterable[Run]) -> list[Run]:
        """Those of ``runs`` that are not done, in their order."""
        return [run for run in runs if not self.has(run)]

    def write(self, run: Run, outcome: TrainingResult, provenance: Mapping[str, Any]) -> bool:
        """Store a finished run; False if another writer was first, whose record stays.

        A broken file in its place is kept beside it as ``<name>.broken``.

        Raises:
            InputError: the folder cannot be written.
        """
        if self.has(run):
            return False
        path = self.path(run)
        content = _encode(StoredRun(run, provenance, outcome.columns, outcome.rows))
        paths.write_atomically(path, content, overwrite=False)
        if not self.has(run):
            os.replace(path, path.with_name(f"{path.name}.broken"))
            paths.write_atomically(path, content, overwrite=False)
        return path.read_bytes() == content

    def records(self) -> list[StoredRun]:
        """Every readable stored record, in the order of the file names."""
        return list(_readable(self._files()))

    def verify(self) -> list[str]:
        """What is wrong in the store, one sentence a problem; empty if all is well."""
        problems, sound = [], []
        for path in self._files():
            try:
                run, values = _parse(path)
            except InputError as error:
                problems.append(str(error))
                continue
            sound.append((run, values["provenance"]))
            if path != self.path(run):
                problems.append(f"{path} holds the run of {self.path(run).name}: rename or delete it.")
        problems += [
            f"{path} was unreadable and set aside: delete it." for path in sorted(self.root.glob("*/*/*.broken"))
        ]
        try:
            check_fingerprints(sound)
        except InputError as error:
            problems.append(str(error))
        return problems

    def clean(self, age: float = LEFTOVER_AGE) -> None:
        """Remove the temporary files that killed writers left more than ``age`` seconds ago."""
        for path in self.root.rglob(".*.tmp"):
            try:
                if time.time() - path.stat().st_mtime >= age:
                    path.unlink()
            except FileNotFoundError:
                pass  # its writer lives and has moved it into place

    def curves(self, experiment: "Experiment") -> "Curves":
        """The stored metrics of an experiment, one row per evaluation of a run in a panel.

        Columns of the frame: panel, method (:meth:`hardsample.experiments.panels.Panel.variant`), seed, those of the
        records, batch_size, pretrain_epochs, learning_rate, data, network, delta. Order: panels and methods as in the
        experiment, then seed, then step. Missing runs are absent; how the others were :func:`made` is said beside the
        frame.

        Raises:
            InputError: stored runs were made with different data of the same name.
        """
        import pandas

        from hardsample.experiments.curves import Curves

        found = {run: record for run in experiment.runs if (record := self.find(run)) is not None}
        check_fingerprints((run, record.provenance) for run, record in found.items())
        ways = {run: made(run, record.provenance) for run, record in found.items()}
        rows = []
        for panel in experiment.panels:
            methods = list(dict.fromkeys(map(panel.variant, panel.runs)))
            for run in sorted(panel.runs, key=lambda run: (methods.index(panel.variant(run)), run.seed)):
                if run in found:
                    about = {"panel": panel.title, "method": panel.variant(run)} | {
                        name: getattr(run, name) for name in _SHOWN
                    }
                    about["delta"] = run.options.get("delta", math.nan)
                    record = found[run]
                    rows += [about | dict(zip(record.columns, row, strict=True)) for row in record.rows]
        frame = pandas.DataFrame(rows, columns=["panel", "method", "seed", *COLUMNS, *_SHOWN[1:], "delta"])
        optional = ["acc/choose", "acc/report", "acc/train-sd", "acc/val-sd", "batches/train", "batches/val"]
        optional += ["forwards", "backwards"]
        frame = frame.astype(dict.fromkeys(optional, float))
        return Curves(
            frame,
            experiment,
            missing=len(experiment.runs) - len(found),
            hardware=dict(collections.Counter(way["device"] for way in ways.values())),
            unlike=_mixed(experiment, ways),
        )

    def read_start(self, start: Run, fingerprint: str) -> TrainingResult | None:
        """The stored pre-training ``start`` on the data of that fingerprint, its state included, or None."""
        try:
            text, state = _load(self._start(start, fingerprint).read_bytes())
            values = json.loads(text)
            _check_rows(values)
            if tuple(values["columns"]) != COLUMNS:  # of an older version
                return None
            return TrainingResult(COLUMNS, _with_nan(values), values["seconds"], state)
        except _BROKEN:
            return None

    def write_start(self, start: Run, fingerprint: str, outcome: TrainingResult) -> None:
        """Store a pre-training for every run that continues it."""
        rows = [_without_nan(outcome.columns, row) for row in outcome.rows]
        text = json.dumps({"columns": outcome.columns, "rows": rows, "seconds": outcome.seconds}, allow_nan=False)
        paths.write_atomically(self._start(start, fingerprint), _dump(outcome.state, text))

    def read_checkpoint(self, name: str) -> State | None:
        """The state last saved under ``name`` (see :func:`cohort_name`), or None."""
        try:
            return _load(self._checkpoint(name).read_bytes())[1]
        except _BROKEN:
            return None

    def write_checkpoint(self, name: str, state: State) -> None:
        """Replace the state saved under ``name``."""
        paths.write_atomically(self._checkpoint(name), _dump(state))

    def drop_checkpoint(self, name: str) -> None:
        """Forget the state saved under ``name``, if any."""
        self._checkpoint(name).unlink(missing_ok=True)

    def _values(self, run: Run) -> dict[str, Any] | None:
        """What the file of ``run`` holds, checked; None if it is absent, unreadable or that of another run."""
        try:
            found, values = _parse(self.path(run), run)
        except (FileNotFoundError, InputError):
            return None
        return values if found == run else None

    def _files(self) -> list[Path]:
        return sorted(self.root.glob("*/*/*.json"))

    def _start(self, start: Run, fingerprint: str) -> Path:
        return self.root / "starts" / f"{stem(start)}-{fingerprint}.npz"

    def _checkpoint(self, name: str) -> Path:
        return self.root / "checkpoints" / f"{name}.npz"


def cohort_name(runs: Sequence[Run], fingerprint: str) -> str:
    """What a cohort's checkpoint is kept under: 16 hexadecimal digits, other ones for other members or other data."""
    return hashlib.sha256("-".join((*(run.key for run in runs), fingerprint)).encode()).hexdigest()[:16]


def _mixed(experiment: "Experiment", ways: Mapping[Run, Mapping[str, str]]) -> dict[str, tuple[str, ...]]:
    """The methods by how they were made, in what pairs of runs of one seed and panel differ in; empty if in nothing.

    ``ways`` are the finished runs, as :func:`made` tells of them.
    """
    twins: dict[tuple[str, int], list[tuple[str, Mapping[str, str]]]] = {}
    for panel in experiment.panels:
        for run in panel.runs:
            if run in ways:
                twins.setdefault((panel.title, run.seed), []).append((panel.variant(run), ways[run]))
    differing = [about for about in twins.values() if any(how != about[0][1] for _, how in about)]
    aspects = [
        aspect
        for aspect in ASPECTS
        if any(how[aspect] != about[0][1][aspect] for about in differing for _, how in about)
    ]
    mixed: dict[str, dict[str, None]] = {}
    for method, how in itertools.chain.from_iterable(differing):
        mixed.setdefault(", ".join(how[aspect] for aspect in aspects), {})[method] = None
    return {how: tuple(methods) for how, methods in mixed.items()}


def _without_nan(columns: Sequence[str], row: Sequence) -> list:
    """JSON has no NaN: a metric that is not finite becomes null."""
    return [
        None if column in _METRICS and not math.isfinite(value) else value
        for column, value in zip(columns, row, strict=True)
    ]


def _with_nan(values: Mapping[str, Any]) -> tuple[tuple, ...]:
    """The rows of a file, checked before, with NaN where it has null for a metric."""
    metrics = [index for index, column in enumerate(values["columns"]) if column in _METRICS]
    for row in values["rows"]:
        for index in metrics:
            if row[index] is None:
                row[index] = math.nan
    return tuple(map(tuple, values["rows"]))


def _check_rows(values: Mapping[str, Any]) -> None:
    rows, width = values["rows"], len(values["columns"])
    if set(map(type, rows)) - {list} or set(map(len, rows)) - {width}:
        raise ValueError(f"its rows are not {width} values each")


def _beginning(run: Run) -> bytes:
    """How the file of ``run`` begins: its key and all of its fields."""
    return f'{{\n"key": {_json(run.key)},\n"run": {_json(run.to_dict())},\n'.encode()


def _encode(record: StoredRun) -> bytes:
    """The record as JSON, one row of metrics a line."""
    rest = {"provenance": record.provenance, "columns": record.columns}
    lines = [f"{_json(name)}: {_json(value)}," for name, value in rest.items()]
    rows = [_json(_without_nan(record.columns, row)) for row in record.rows]
    return _beginning(record.run) + "\n".join((*lines, '"rows": [', ",\n".join(rows), "]", "}", "")).encode()


def _parse(path: Path, wanted: Run | None = None) -> tuple[Run, dict[str, Any]]:
    """The run and the values in a file, checked; where it begins as that of ``wanted`` does, it is of that run.

    Raises:
        FileNotFoundError: there is no such file.
        InputError: it is not a whole record, or its key is not that of its run.
    """
    try:
        with open(path, "rb", buffering=0) as file:
            content = file.read()
        if wanted is not None and content.startswith(beginning := _beginning(wanted)):
            run, values = wanted, json.loads(b"{" + content[len(beginning) :])
        else:
            values = json.loads(content)
            run = Run.from_dict(values["run"])
            if values["key"] != run.key:
                raise ValueError(f"its key is {values['key']}, that of its run {run.key}")
        values["provenance"]["data"]["fingerprint"]
        _check_rows(values)
    except FileNotFoundError:
        raise
    except _BROKEN as error:
        raise InputError(f"{path} is no finished run ({error}): delete it and launch its run again.") from error
    return run, values


def _record(run: Run, values: Mapping[str, Any]) -> StoredRun:
    return StoredRun(run, values["provenance"], tuple(values["columns"]), _with_nan(values))


def _readable(files: Iterable[Path]) -> Iterable[StoredRun]:
    for path in files:
        try:
            yield _record(*_parse(path))
        except (FileNotFoundError, InputError):
            continue


def _dump(state: State, text: str = "") -> bytes:
    """A state, and a text beside it, as the bytes of an .npz."""
    file = io.BytesIO()
    arrays = {f"state/{name}": array for name, array in state.items()}
    np.savez(file, text=np.array(text), allow_pickle=False, **arrays)
    return file.getvalue()


def _load(content: bytes) -> tuple[str, State]:
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        state = {name.removeprefix("state/"): file[name] for name in file.files if name.startswith("state/")}
        return str(file["text"]), state
