"""One command for a GPU that is at hand for minutes: stages in order of worth, each in a process of its own.

Nothing here imports torch. What breaks, hangs or fills the disk takes its own stage with it and no other, and the same
call goes on where the last one ended, also when that was killed.
"""

import contextlib
import dataclasses
import fcntl
import hashlib
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hardsample import archive, paths
from hardsample.errors import InputError, check_choice

DATA = "sd19-letters"
TINY = "pseudo-random"  # the data of a rehearsal, which need nothing that a bare machine lacks
DEVICES = ("cuda", "cpu")
AGAIN = 75  # how a stage's process ends that wants a fresh one to go on in
ATTEMPTS = 4  # processes of a stage in one call
LEAST = 15.0  # seconds without which no stage is begun
RESERVE = 8.0  # seconds before the end in which nothing runs any more
MARGIN = 4.0  # seconds before its limit at which a stage should end by itself
GRACE = 4.0  # seconds between asking a stage's processes to end and ending them
POLL = 0.1  # seconds
LOG = 256 << 10  # bytes of a stage's log that are kept
LONGEST_LOG = 64 << 20
FILES = 8

STATUS, RESULTS, LOGS = "status.json", "results.json", "log.txt"


@dataclasses.dataclass(frozen=True)
class Stage:
    """What is done, the seconds that it may take, and those after which silence counts as hanging."""

    name: str
    does: str
    seconds: float
    silence: float


STAGES = (
    Stage("environment", "versions, memory bandwidth, rate of matrix products", 90, 60),
    Stage(
        "correctness", "the step against a reference from a CPU, and the way that is taken against the plain", 180, 90
    ),
    Stage("runs", "what is missing of paper A's runs, figure by figure", 1500, 180),
    Stage("benchmarks", "the benchmarks of a GPU", 780, 300),
    Stage("tests", "the tests that need a GPU and are most worth it", 240, 240),
    Stage("float32", "Figure 1 of paper A in float32", 900, 180),
    Stage("networks", "ResNet-18 with hard mini-batches, against forward and backward alone", 180, 90),
)
"""In order of worth."""


@dataclasses.dataclass(frozen=True)
class Rates:
    """Seconds for 12 seeds of the letters network on 124,800 training and 20,800 test images."""

    step: Mapping[int, float]  # by mini-batch size
    evaluation: float
    cohort: float  # to build 12 networks
    compilation: float
    process: float  # to start, with the data


EXPECTED = {
    # Measured with a prototype of the fused step on one NVIDIA H200, torch 2.11, Triton 3.6. ``cohort`` is what was
    # left of the 17 s that SMB took, once its steps and evaluations are taken off.
    "bf16": Rates({4: 0.26e-3, 32: 0.40e-3, 1024: 5.4e-3}, 0.15, 2.0, 10.0, 10.0),
    # The plain step there as a CUDA graph, its convolutions in TF32: IEEE's arithmetic was not measured.
    "float32": Rates({4: 1.40e-3, 32: 3.10e-3, 1024: 55.0e-3}, 2.2, 2.0, 0.0, 10.0),
}
"""By precision: what is expected until the device itself was timed."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """What must be equal in every call that fills one folder."""

    device: str = "cuda"
    tiny: bool = False
    data: str = DATA


Say = Callable[[str], None]
COMMAND = (sys.executable, "-m", "hardsample.gpu.stages")


def campaign(
    folder: Path,
    *,
    minutes: float,
    settings: Settings = Settings(),
    stages: str = "",
    say: Say = lambda _: None,
    command: Sequence[str] = COMMAND,
) -> dict[str, dict[str, Any]]:
    """Do in ``minutes`` what of the stages ``folder`` lacks, and keep there what came of it.

    The folder holds at most 8 files of 16 MiB: ``status.json`` and ``results.json`` by stage, ``runs.tar.gz`` of
    :mod:`hardsample.archive`, ``log.txt``, and what the benchmarks write. Each appears whole, after every stage and
    every cohort of runs.

    Args:
        stages: names joined by commas; "" for all.
        say: told a line after every stage.
        command: starts the process of a stage.

    Returns:
        by stage its "state": done, left out (the reason stands beside it), out of time, failed or stopped.

    Raises:
        InputError: bad arguments, no GPU, or a folder that is not this campaign's.
    """
    end = time.monotonic() + 60 * minutes - RESERVE
    if not (math.isfinite(minutes) and minutes > 0):
        raise InputError(f"minutes is {minutes}: give a number above 0.")
    chosen = _chosen(stages)
    check_choice("device", settings.device, DEVICES)
    if settings.device == "cuda" and not _gpu():
        raise InputError(
            "no CUDA GPU is at hand that torch can use: run this where there is one,"
            " or rehearse it with --device cpu --tiny."
        )
    with _Place.of(Path(folder).absolute(), settings) as place, _ended_by_sigterm():
        for stage in chosen:
            if place.stages.get(stage.name, {}).get("state") != "done":
                _stage(stage, place, end, command)
            place.publish()
            about = place.stages[stage.name]
            reason = f": {about['reason']}" if about.get("reason") else ""
            say(f"{stage.name}: {about['state']} in {about['seconds']:.0f} s{reason}")
        for trouble in place.troubles:
            say(trouble)
        return {stage.name: place.stages[stage.name] for stage in chosen}


def _chosen(stages: str) -> list[Stage]:
    names = [name.strip() for name in stages.split(",") if name.strip()]
    for name in names:
        check_choice("stage", name, [stage.name for stage in STAGES])
    return [stage for stage in STAGES if not names or stage.name in names]


def _gpu() -> bool:
    """Whether torch finds a GPU, asked in a process of its own."""
    code = "import sys, torch; sys.exit(not torch.cuda.is_available())"
    return subprocess.run((sys.executable, "-c", code), capture_output=True, env=_environment()).returncode == 0


def _environment(**more: str) -> dict[str, str]:
    """That of a process which imports this very package."""
    before = os.environ.get("PYTHONPATH")
    path = os.pathsep.join([str(paths.package_dir().parent), *([before] if before else [])])
    return os.environ | {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1"} | more


@contextlib.contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """A polite end is as Ctrl-C: the stage's processes end too, and what was done is kept."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class _Place:
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
    def of(cls, folder: Path, settings: Settings) -> "Iterator[_Place]":
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
        for leftover in self.folder.glob(".*.tmp"):
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
                parts.append(f"== {stage.name}\n".encode() + _tail(self.log(stage.name)))
        return b"\n".join(parts)

    def _write(self, name: str, content: bytes) -> None:
        if len(content) > archive.LARGEST:
            raise ValueError(f"it is larger than {archive.LARGEST >> 20} MiB")
        digest = hashlib.sha256(content).digest()
        if self._written.get(name) != digest:
            paths.write_atomically(self.folder / name, content)
            self._written[name] = digest


def _stage(stage: Stage, place: _Place, end: float, command: Sequence[str]) -> None:
    """Run one stage, in fresh processes as long as it asks for them, and note what came of it."""
    began = time.monotonic()
    about = place.stages[stage.name] = {"state": "running", "seconds": 0.0}
    deadline = min(began + stage.seconds, end)
    for attempt in range(ATTEMPTS):
        if deadline - time.monotonic() < LEAST:
            ended = {"state": "out of time"} | ({} if attempt else {"reason": "no time was left to begin it"})
            break
        place.publish()
        try:
            code, reason = _process(stage, place, deadline, command, again=attempt > 0)
        except BaseException:
            about |= {"state": "stopped", "reason": "interrupted", "seconds": time.monotonic() - began}
            place.publish()
            raise
        if code != AGAIN:
            ended = _ended(code, reason, place, stage)
            break
    else:
        ended = {"state": "failed", "reason": f"{ATTEMPTS} processes of it failed, see {LOGS}"}
    place.stages[stage.name] = ended | {"seconds": round(time.monotonic() - began, 3)}


def _ended(code: int | None, reason: str, place: _Place, stage: Stage) -> dict[str, Any]:
    """The state of a stage whose last process ended with this exit status, None if it had to be ended."""
    if code is None:
        return {"state": "stopped", "reason": reason}
    found = place.read(stage.name)
    if code == 0 and "state" in found:
        return {name: found[name] for name in ("state", "reason") if name in found}
    if code == 0:
        return {"state": "failed", "reason": "it left no result"}
    lines = _tail(place.log(stage.name)).decode(errors="replace").strip().splitlines()
    return {"state": "failed", "reason": f"exit status {code}: {lines[-1] if lines else 'it said nothing'}"[:300]}


def _process(
    stage: Stage, place: _Place, deadline: float, command: Sequence[str], *, again: bool
) -> tuple[int | None, str]:
    """One process of a stage, and the others that it starts: its exit status, or None and why it was ended.

    It holds the reading end of a pipe from here and ends with all its group when that closes, so that none of it
    outlives this process.
    """
    settings, scratch = place.settings, place.work / "scratch"
    scratch.mkdir(exist_ok=True)
    seconds = deadline - time.monotonic()
    arguments = [stage.name, "--work", str(place.work), "--device", settings.device, "--data", settings.data]
    arguments += ["--seconds", f"{max(1.0, seconds - MARGIN):.1f}", *["--tiny"] * settings.tiny, *["--again"] * again]
    place.log(stage.name).parent.mkdir(exist_ok=True)
    with open(place.log(stage.name), "ab" if again else "wb") as log:
        process = subprocess.Popen(
            (*command, *arguments),
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            env=_environment(TMPDIR=str(scratch)),
            start_new_session=True,
        )
    try:
        return _watched(process, stage, place, deadline)
    finally:
        _end(process)
        shutil.rmtree(scratch, ignore_errors=True)


def _watched(process: subprocess.Popen, stage: Stage, place: _Place, deadline: float) -> tuple[int | None, str]:
    """Wait for the process, and publish whenever it has left something new."""
    began = alive = time.monotonic()
    signs = None, None
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(POLL), ""
        now = time.monotonic()
        seen = _changed(place.log(stage.name)), _changed(place.result(stage.name))
        if seen != signs:
            alive = now
            if seen[1] != signs[1]:
                place.publish()
            signs = seen
        if now > deadline:
            return None, f"it was not done after {now - began:.0f} s"
        if now > alive + stage.silence:
            return None, f"it gave no sign of life for {stage.silence:.0f} s"
        if place.log(stage.name).stat().st_size > LONGEST_LOG:
            return None, f"it printed more than {LONGEST_LOG >> 20} MiB"


def _end(process: subprocess.Popen) -> None:
    """End the process and whatever it started, politely first where it still runs."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):  # what waits for a device that hangs cannot be ended
        process.wait(GRACE)
    process.stdin.close()


def _changed(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None


def _tail(path: Path) -> bytes:
    with open(path, "rb") as file:
        file.seek(max(0, path.stat().st_size - LOG))
        return file.read()


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()


def _words(settings: Settings) -> str:
    return f"device {settings.device}, data {settings.data}, {'tiny' if settings.tiny else 'whole'}"
