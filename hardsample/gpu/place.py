"""The folder that a campaign fills, and the one for work in progress."""

import contextlib
import dataclasses
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hardsample import archive, paths
from hardsample.errors import InputError
from hardsample.gpu.plan import LOGS, RESULTS, STAGES, STATUS, Settings

LOG = 256 << 10  # bytes of a stage's log that are kept
FILES = 8


class Place:
    """The folder that is filled, and the one for work in progress, where the stages leave what they have.

    A stage ``name`` leaves ``results/name.json``, finished runs in the store ``runs`` and files for the folder in
    ``files``; ``logs/name.log`` is what it printed, and what it puts into ``scratch`` goes when it ends.
    """

    def __init__(self, folder: Path, settings: Settings, work: Path) -> None:
        self.folder, self.settings, self.work = folder, settings, work
        self.stages: dict[str, dict[str, Any]] = {}
        self.troubles: list[str] = []
        self._written: dict[str, bytes] = {}

    @classmethod
    @contextlib.contextmanager
    def of(cls, folder: Path, settings: Settings) -> "Iterator[Place]":
        """The place of a campaign, as the last call left it, for this process alone."""
        try:
            paths.check_writable(folder)
        except InputError as error:
            raise InputError(f"cannot write in {folder}: mend that, or give --out another folder.") from error
        name = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
        work = Path(tempfile.gettempdir()) / f"hardsample-gpu-{os.getuid()}-{name}"
        work.mkdir(mode=0o700, exist_ok=True)
        if work.is_symlink() or work.stat().st_uid != os.getuid():
            raise InputError(f"{work} belongs to someone else: let TMPDIR name a folder of your own.")
        with open(work / "lock", "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise InputError(f"{folder} is being filled already: wait for that, or give another folder.") from error
            place = cls(folder, settings, work)
            place._go_on()
            yield place

    def log(self, stage: str) -> Path:
        """What the stage prints."""
        return self.work / "logs" / f"{stage}.log"

    def result(self, stage: str) -> Path:
        """What the stage found."""
        return self.work / "results" / f"{stage}.json"

    def read(self, stage: str) -> dict[str, Any]:
        """What the stage found, empty if it left nothing."""
        try:
            return json.loads(self.result(stage).read_bytes())
        except (OSError, ValueError):
            return {}

    def publish(self) -> None:
        """Bring the folder up to date; what cannot be written is told and tried again the next time."""
        self.troubles = []
        for name, content in (
            (archive.NAME, lambda: archive.pack(self.work / "runs")),
            (RESULTS, self._found),
            *((path.name, path.read_bytes) for path in self._left("files")[: FILES - 4]),
            (LOGS, self._log),
            (STATUS, self._status),
        ):
            try:
                self._write(name, content())
            except (InputError, OSError, ValueError, KeyError) as error:
                self.troubles.append(f"{name} could not be written: {error}")

    def _found(self) -> bytes:
        """What every stage found; half a result is none."""
        return _json({path.stem: found for path in self._left("results") if (found := self.read(path.stem))})

    def _go_on(self) -> None:
        """Take up what the folder holds; where it holds nothing, begin with an empty place for work."""
        for leftover in paths.half_written(self.folder):
            leftover.unlink()
        status = self.folder / STATUS
        if not status.exists():
            if any(self.folder.iterdir()):
                raise InputError(
                    f"{self.folder} holds other files: give --out a new folder, or that of an earlier call."
                )
            for name in ("results", "runs", "files", "logs"):
                shutil.rmtree(self.work / name, ignore_errors=True)
        else:
            self._read(status)
            for name, content in self._kept().items():
                if not (self.work / "runs" / name).exists():
                    paths.write_atomically(self.work / "runs" / name, content)
            for stage, result in self._results().items():
                paths.write_atomically(self.result(stage), _json(result))
        for name in ("results", "runs", "files", "logs"):
            (self.work / name).mkdir(exist_ok=True)
        self.publish()

    def _read(self, status: Path) -> None:
        try:
            values = json.loads(status.read_bytes())
            found, self.stages = Settings(**values["settings"]), values["stages"]
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{status} is not of a campaign ({error}): give --out another folder.") from error
        if found != self.settings:
            raise InputError(
                f"{self.folder} was begun with {_words(found)}, and this call says {_words(self.settings)}:"
                " say the same, or give --out another folder."
            )

    def _results(self) -> dict[str, Any]:
        path = self.folder / RESULTS
        return json.loads(path.read_bytes()) if path.exists() else {}

    def _kept(self) -> dict[str, bytes]:
        path = self.folder / archive.NAME
        return archive.unpack(path)[1] if path.exists() else {}

    def _left(self, kind: str) -> list[Path]:
        return sorted(path for path in (self.work / kind).iterdir() if not path.name.startswith("."))

    def _status(self) -> bytes:
        return _json({"settings": dataclasses.asdict(self.settings), "stages": self.stages, "troubles": self.troubles})

    def _log(self) -> bytes:
        parts = []
        for stage in STAGES:
            if self.log(stage.name).exists():
                parts.append(f"== {stage.name}\n".encode() + tail(self.log(stage.name)))
        return b"\n".join(parts)

    def _write(self, name: str, content: bytes) -> None:
        if len(content) > archive.LARGEST:
            raise ValueError(f"it is larger than {archive.LARGEST >> 20} MiB")
        digest = hashlib.sha256(content).digest()
        if self._written.get(name) != digest:
            paths.write_atomically(self.folder / name, content)
            self._written[name] = digest


def tail(path: Path) -> bytes:
    """The last of a log, ``LOG`` bytes at most."""
    with open(path, "rb") as file:
        file.seek(max(0, path.stat().st_size - LOG))
        return file.read()


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()


def _words(settings: Settings) -> str:
    return f"device {settings.device}, data {settings.data}, {'tiny' if settings.tiny else 'whole'}"
