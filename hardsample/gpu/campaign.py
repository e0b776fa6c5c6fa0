"""One command for a GPU that is at hand for minutes: stages in order of worth, each in a process of its own.

Nothing here imports torch. What breaks, hangs or fills the disk takes its own stage with it and no other, and the same
call goes on where the last one ended, also when that was killed.
"""

import contextlib
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from hardsample import paths
from hardsample.errors import InputError, check_choice, check_names
from hardsample.gpu.place import Place, tail
from hardsample.gpu.plan import AGAIN, DEVICES, LOGS, STAGES, WHOLE, Settings, Stage

ATTEMPTS = 4  # processes of a stage in one call
LEAST = 15.0  # seconds without which no stage is begun
RESERVE = 8.0  # seconds before the end in which nothing runs any more
MARGIN = 4.0  # seconds before its limit at which a stage should end by itself
GRACE = 4.0  # seconds between asking a stage's processes to end and ending them
POLL = 0.1  # seconds
LONGEST_LOG = 64 << 20

Say = Callable[[str], None]
COMMAND = (sys.executable, "-m", "hardsample.gpu.stages")


def campaign(
    folder: Path,
    *,
    minutes: float,
    settings: Settings = WHOLE,
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
    with Place.of(Path(folder).absolute(), settings) as place, _ended_by_sigterm():
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
    names = [name.strip() for name in stages.split(",")] if stages else []
    check_names("stages", stages, names)
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


def _stage(stage: Stage, place: Place, end: float, command: Sequence[str]) -> None:
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


def _ended(code: int | None, reason: str, place: Place, stage: Stage) -> dict[str, Any]:
    """The state of a stage whose last process ended with this exit status, None if it had to be ended."""
    if code is None:
        return {"state": "stopped", "reason": reason}
    found = place.read(stage.name)
    if code == 0 and "state" in found:
        return {name: found[name] for name in ("state", "reason") if name in found}
    if code == 0:
        return {"state": "failed", "reason": "it left no result"}
    lines = tail(place.log(stage.name)).decode(errors="replace").strip().splitlines()
    return {"state": "failed", "reason": f"exit status {code}: {lines[-1] if lines else 'it said nothing'}"[:300]}


def _process(
    stage: Stage, place: Place, deadline: float, command: Sequence[str], *, again: bool
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


def _watched(process: subprocess.Popen, stage: Stage, place: Place, deadline: float) -> tuple[int | None, str]:
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
