"""What a launch says while it goes on: a bar or plain lines, and durations in words."""

import contextlib
import re
import sys
import threading
import time
from collections.abc import Iterator, Sequence

from hardsample.config import Run
from hardsample.errors import InputError
from hardsample.numerals import count, number
from hardsample.runs.plan import Job
from hardsample.runs.worker import JobResult

LINE_EVERY = 5.0  # seconds between plain lines of progress
SOON, SILENCE = 3.0, 15.0  # seconds until it is said what takes long, and between such lines
WORTH_SAYING = 1e-3  # seconds


def parse_duration(text: str | float) -> float:
    """Seconds in "90s", "9m", "1.5h" or a plain number.

    Raises:
        InputError: it is none of these.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", str(text).strip())
    if match is None:
        raise InputError(f"time limit {text!r} is no duration: write it as 90s, 9m or 1h, or as a number of seconds.")
    return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]


def format_duration(seconds: float) -> str:
    """Seconds in words: "4 s", "5 min 3 s", "2 h 10 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def summarize(total: int, todo: Sequence[Run], jobs: Sequence[Job], workers: int, device: str, scheduler: str) -> str:
    """What is done and what will be, where, and how long it will take, in one line."""
    starts = sum(len(job.runs) for job in jobs if job.is_start)
    seconds = sum(job.seconds for job in jobs) / max(1, workers)
    where = "in this process" if workers == 1 and not scheduler else f"on {workers} workers"
    return (
        f"{count(total, 'run')}: {total - len(todo)} done, {len(todo)} to do"
        + (f" after {count(starts, 'pre-training')}" if starts else "")
        + f" {where}{f' at {scheduler}' if scheduler else ''} ({device})"
        + (f", about {format_duration(max(seconds, 1.0))}" if seconds > WORTH_SAYING else "")
    )


@contextlib.contextmanager
def doing(what: str, quiet: bool = False, *, after: float = SOON) -> Iterator[None]:
    """Say what is being done once it takes longer than ``after`` seconds, and that it goes on now and then."""
    ended, began = threading.Event(), time.monotonic()

    def tell() -> None:
        said, pause = what, after
        while not ended.wait(pause):
            say(said, quiet)
            pause = SILENCE
            said = f"{what}, for {format_duration(time.monotonic() - began + pause)} so far"

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


class Progress:
    """One bar over all runs on a terminal, plain lines elsewhere, nothing if quiet; never silent for long.

    The time left is reckoned from each job's estimated seconds, since runs differ widely in length.
    """

    def __init__(self, total: int, seconds: float, workers: int = 1, quiet: bool = False) -> None:
        self._total, self._seconds, self._quiet = total, seconds, quiet
        self._done, self._spent, self._began, self._printed = 0, 0.0, time.time(), time.time()
        self._ends = self._began + seconds / max(1, workers)
        self._training: dict[Job, None] = {}
        self._ended = threading.Event()
        self._bar = None

    def __enter__(self) -> "Progress":
        if not self._quiet and sys.stderr.isatty():
            from tqdm import tqdm

            form = "{desc} {percentage:3.0f}%|{bar}| {elapsed}, {remaining} left{postfix}"
            self._bar = tqdm(total=self._seconds, bar_format=form, desc=f"0/{self._total}", dynamic_ncols=True)
        elif not self._quiet:
            threading.Thread(target=self._beat, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._bar is not None:
            self._bar.close()

    def tick(self) -> None:
        """Let the clock on the bar go on."""
        if self._bar is not None and time.time() - self._printed >= 1:
            self._bar.refresh()
            self._printed = time.time()

    def begin(self, job: Job) -> None:
        """Remember what is being trained."""
        self._training[job] = None

    def count(self, job: Job, result: JobResult) -> None:
        """Count a job unless time ran out, and show the last evaluation of its last run."""
        self._training.pop(job, None)
        if not result.finished and not result.failure:
            return
        self._spent += job.seconds
        if self._spent:
            self._ends = self._began + (time.time() - self._began) * self._seconds / self._spent
        self._done += 0 if job.is_start else len(job.runs)
        if self._bar is not None:
            self._bar.set_description_str(f"{self._done}/{self._total}", refresh=False)
            self._bar.set_postfix_str(_last(job, result), refresh=False)
            self._bar.update(job.seconds)
        elif not job.is_start and (self._done == self._total or time.time() - self._printed >= LINE_EVERY):
            self._line(_last(job, result))

    def _beat(self) -> None:
        """Say what is being trained whenever nothing else has been said for long."""
        while not self._ended.wait(1):
            if time.time() - self._printed >= SILENCE:
                self._line(_training(list(self._training)))

    def _line(self, text: str) -> None:
        left = max(0.0, self._ends - time.time())  # as it was reckoned when the last job ended, or before the first
        told = f", {format_duration(left)} left" if left or self._done == self._total else ", longer than expected"
        say(f"[{self._done}/{self._total}] {text}{told}", self._quiet)
        self._printed = time.time()


def _training(jobs: Sequence[Job]) -> str:
    """What is being trained, in words."""
    if not jobs:
        return "waiting for a worker"
    first, names = jobs[0], f"{jobs[0].runs[0].label}-s{jobs[0].runs[0].seed}"
    others = sum(len(job.runs) for job in jobs) - 1
    return f"{'pre-training' if first.is_start else 'training'} {names}" + (f" and {others} more" if others else "")


def _last(job: Job, result: JobResult) -> str:
    name = f"{job.runs[-1].label}-s{job.runs[-1].seed}"
    if result.failure:
        return f"{name} failed"
    outcome = result.finished[-1][0]
    last = dict(zip(outcome.columns, outcome.rows[-1], strict=True))
    shown = [f"{metric} {text}" for metric in ("acc/val", "loss/val") if (text := number(last[metric], 3))]
    return " ".join((name, *(shown or ["diverged"])))


def say(text: str, quiet: bool) -> None:
    """Print a line at once, unless quiet."""
    if not quiet:
        print(text, flush=True)
