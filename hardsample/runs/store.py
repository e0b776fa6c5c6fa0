"""The store of finished runs, a JSON file each, and details beside some, written once and whole; and measured times."""

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hardsample import paths, seals
from hardsample.config import Run
from hardsample.errors import InputError
from hardsample.experiments.curves import Curves, join_runs
from hardsample.records import StoredRun, stem
from hardsample.runs import details, files, soundness
from hardsample.runs import standing as standings
from hardsample.training import networks
from hardsample.training.results import COLUMNS, State, TrainingResult

if TYPE_CHECKING:
    from hardsample.experiments.panels import Experiment


class Store:
    """Finished runs under ``root`` (default: :func:`hardsample.paths.runs_dir`).

    A file appears whole or not at all, and the first writer wins: neither a kill nor two launches at once do any harm.
    """

    def __init__(self, root: Path | None = None) -> None:
        self.root = Path(root) if root is not None else paths.runs_dir()

    @property
    def reruns(self) -> "Store":
        """The store of those runs that were executed again, to be compared with the ones here."""
        return Store(self.root / "reruns")

    def path(self, run: Run) -> Path:
        """Where ``run`` is stored, or will be."""
        return self.root / f"{networks.find(run.network).paper}/{run.data}/{stem(run)}.json"

    def find(self, run: Run) -> StoredRun | None:
        """The stored record of ``run``; None if it is absent, unreadable or that of another run."""
        values = self._values(run)
        return None if values is None else files.to_record(run, values)

    def done(self, runs: Iterable[Run]) -> dict[Run, Mapping[str, Any]]:
        """The provenance of each of ``runs`` that is done, in their order."""
        found = ((run, self._values(run)) for run in runs)
        return {run: values["provenance"] for run, values in found if values is not None}

    def has(self, run: Run) -> bool:
        """Whether ``run`` is done: its file exists, parses and is its own, and so are the details that it keeps."""
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

    def read_detail(self, run: Run) -> dict[str, np.ndarray]:
        """What ``run`` keeps of single examples, by the names of :mod:`hardsample.training.details`.

        Raises:
            InputError: it keeps nothing of them, or is not done.
        """
        if run.detail == "metrics":
            raise InputError(f'{run.label} keeps no single examples: train it with detail="examples".')
        record = self.read(run)
        return details.read(details.path(self.path(run)), record.provenance)

    def missing(self, runs: Iterable[Run]) -> list[Run]:
        """Those of ``runs`` that are not done, in their order."""
        return [run for run in runs if not self.has(run)]

    def write(self, run: Run, outcome: TrainingResult, provenance: Mapping[str, Any]) -> bool:
        """Store a finished run, its details first; False if another writer was first, whose record stays.

        A broken file in its place is kept beside it as ``<name>.broken``.

        Raises:
            InputError: the folder cannot be written.
        """
        if self.has(run):
            return False
        path, detail = self.path(run), b""
        if run.detail != "metrics":
            detail, provenance = details.encode(outcome.detail, provenance)
        content = files.encode_run(StoredRun(run, provenance, outcome.columns, outcome.rows))
        details.write_both(path, content, detail)
        if not self.has(run):
            os.replace(path, path.with_name(f"{path.name}.broken"))
            details.write_both(path, content, detail)
        return path.read_bytes() == content

    def set_aside(self, run: Run) -> None:
        """Make way for ``run`` to be stored anew: its record stays as it is, under ``superseded`` in this store."""
        path = self.path(run)
        for own in filter(Path.exists, (path, details.path(path))):
            name = f"{own.stem}.{hashlib.sha256(own.read_bytes()).hexdigest()[:8]}{own.suffix}"
            target = self.root / "superseded" / path.parent.relative_to(self.root) / name
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(own, target)

    def records(self) -> list[StoredRun]:
        """Every readable stored record, in the order of the file names."""
        return [files.to_record(*found) for found in _readable(self.run_files(), self.read_file)]

    def read_file(self, path: Path, wanted: Run | None = None) -> tuple[Run, dict[str, Any]]:
        """:func:`hardsample.runs.files.read_run` of a file of this store, held to its checksum."""
        return files.read_run(path, wanted, seals.known(self.root, path))

    def verify(self) -> list[str]:
        """What is wrong in the store, one sentence a problem; empty if all is well."""
        aside = sorted(self.root.glob("*/*/*.broken"))
        return soundness.problems(self.run_files(), self.read_file, self.path, self._timing_files(), aside)

    def curves(self, experiment: "Experiment") -> Curves:
        """The stored metrics of an experiment, as :func:`hardsample.experiments.curves.join_runs` gives them.

        Raises:
            InputError: stored runs were made with different data of the same name.
        """
        found = {run: record for run in experiment.runs if (record := self.find(run)) is not None}
        standing = standings.standing(self, {run: record.provenance for run, record in found.items()})
        return join_runs(experiment, found, standing)

    def read_start(self, start: Run, fingerprint: str) -> TrainingResult | None:
        """The stored pre-training ``start`` on the data of that fingerprint, its state included, or None."""
        try:
            text, state = files.decode_state(self._start(start, fingerprint).read_bytes())
            values = json.loads(text)
            files.check_rows(values)
            if tuple(values["columns"]) != COLUMNS or values["key"] != start.key:  # of an older version, or another's
                return None
            return TrainingResult(COLUMNS, files.with_nan(values), values["seconds"], state)
        except files.BROKEN:
            return None

    def write_start(self, start: Run, fingerprint: str, outcome: TrainingResult) -> None:
        """Store a pre-training for every run that continues it."""
        rows = [files.without_nan(outcome.columns, row) for row in outcome.rows]
        about = {"key": start.key, "columns": outcome.columns, "rows": rows, "seconds": outcome.seconds}
        text = json.dumps(about, allow_nan=False)
        paths.write_atomically(self._start(start, fingerprint), files.encode_state(outcome.state, text))

    def drop_start(self, start: Run, fingerprint: str) -> None:
        """Forget a stored pre-training, if there is one."""
        self._start(start, fingerprint).unlink(missing_ok=True)

    def find_timing(self, runs: Sequence[Run], circumstances: Sequence[str] = ()) -> dict[str, Any] | None:
        """The stored measurement of the times of ``runs``, side by side, in these circumstances; None if none is sound.

        Circumstances are the device's model and the number of turns, what was timed before them where it is more than
        the updates, or none where a store keeps one measurement.
        """
        try:
            return files.read_timing(self._timing(runs, circumstances))
        except (FileNotFoundError, InputError):
            return None

    def write_timing(
        self, runs: Sequence[Run], circumstances: Sequence[str], about: Mapping[str, Any], rows: Sequence[Sequence]
    ) -> dict[str, Any]:
        """Store the measured times of ``runs``: ``rows`` that end in seconds, and how they were measured; all of it.

        Raises:
            InputError: the folder cannot be written.
        """
        more = {"circumstances": list(circumstances)} if len(circumstances) > 2 else {}
        timing = {**about, **more, "runs": [run.key for run in runs], "rows": rows}
        paths.write_atomically(self._timing(runs, circumstances), (json.dumps(timing, indent=1) + "\n").encode())
        return timing

    def timings(self) -> list[dict[str, Any]]:
        """Every readable stored measurement of times, in the order of the file names."""
        return _readable(self._timing_files(), files.read_timing)

    def read_checkpoint(self, name: str) -> State | None:
        """The state last saved under ``name`` (see :func:`cohort_name`), or None."""
        try:
            return files.decode_state(self._checkpoint(name).read_bytes())[1]
        except files.BROKEN:
            return None

    def write_checkpoint(self, name: str, state: State) -> None:
        """Replace the state saved under ``name``."""
        paths.write_atomically(self._checkpoint(name), files.encode_state(state))

    def drop_checkpoint(self, name: str) -> None:
        """Forget the state saved under ``name``, if any."""
        self._checkpoint(name).unlink(missing_ok=True)

    def _values(self, run: Run) -> dict[str, Any] | None:
        """What the file of ``run`` holds, checked; None if it is absent, unreadable or that of another run."""
        try:
            found, values = self.read_file(self.path(run), run)
            details.check(self.path(run), run, values["provenance"])
        except (FileNotFoundError, InputError):
            return None
        return values if found == run else None

    def run_files(self) -> list[Path]:
        """The files of all stored runs, by their names; they are not read."""
        return sorted(self.root.glob("*/*/*.json"))

    def _timing_files(self) -> list[Path]:
        return sorted(self.root.glob("*/*/*.timing"))

    def _timing(self, runs: Sequence[Run], circumstances: Sequence[str]) -> Path:
        return self.path(runs[0]).with_name(files.timing_name([run.key for run in runs], circumstances))

    def _start(self, start: Run, fingerprint: str) -> Path:
        return self.root / "starts" / f"{stem(start)}-{fingerprint}.npz"

    def _checkpoint(self, name: str) -> Path:
        return self.root / "checkpoints" / f"{name}.npz"


def every_detail(store: Store, records: Iterable[StoredRun]) -> dict[Run, dict[str, np.ndarray]]:
    """What those of a store's records that keep single examples keep of them (:meth:`Store.read_detail`)."""
    return {record.run: store.read_detail(record.run) for record in records if record.run.detail != "metrics"}


def cohort_name(runs: Sequence[Run], fingerprint: str) -> str:
    """What a cohort's checkpoint is kept under: 16 hexadecimal digits, other ones for other members or other data."""
    return hashlib.sha256("-".join((*(run.key for run in runs), fingerprint)).encode()).hexdigest()[:16]


def _readable(names: Iterable[Path], read: Callable[[Path], Any]) -> list:
    """What ``read`` gives of each file that is there and sound."""
    found = []
    for path in names:
        with contextlib.suppress(FileNotFoundError, InputError):
            found.append(read(path))
    return found
