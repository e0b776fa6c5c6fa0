"""Durations in words, and read from words; and that what takes long is never silent for long."""

import time
from types import SimpleNamespace

from hardsample.config import Run
from hardsample.runs import progress
from hardsample.runs.plan import Job
from hardsample.runs.progress import Progress, doing, format_duration, parse_duration
from hardsample.runs.worker import JobResult


def test_durations_in_words():
    assert [parse_duration(text) for text in ("90s", "9m", "1.5h", "30", 12, 0.5)] == [90, 540, 5400, 30, 12, 0.5]
    assert [format_duration(seconds) for seconds in (0.4, 59, 303, 7810)] == ["0 s", "59 s", "5 min 3 s", "2 h 10 min"]


def test_a_diverged_run_is_said_and_no_nan(capsys):
    job = Job((Run("glyphs-28", "MB", 1),), is_start=False, seconds=1.0)
    for values, said in (((float("nan"), float("nan")), "diverged,"), ((0.25, 1.5), "acc/val 0.250 loss/val 1.500,")):
        outcome = SimpleNamespace(columns=("acc/val", "loss/val"), rows=[values])
        with Progress(1, 1.0, quiet=False) as said_so:
            said_so.count(job, JobResult(finished=((outcome, {}),)))
        out = capsys.readouterr().out
        assert said in out and "nan" not in out


def test_what_takes_long_is_said_and_that_it_goes_on_and_what_is_quick_is_not(capsys, monkeypatch):
    monkeypatch.setattr(progress, "SILENCE", 0.05)
    with doing("reading", after=10.0):
        pass
    with doing("reading", quiet=True, after=0.0):
        time.sleep(0.1)
    assert capsys.readouterr().out == ""
    with doing("timing 9 methods", after=0.0):
        time.sleep(0.5)
    first, *more = capsys.readouterr().out.splitlines()
    assert first == "timing 9 methods" and more and all("so far" in line for line in more)


def test_a_long_job_is_named_while_nothing_ends(capsys, monkeypatch):
    """What goes on is said at least every 20 seconds; here every second."""
    assert progress.SILENCE + 1 < 20
    monkeypatch.setattr(progress, "SILENCE", 0.0)
    runs = tuple(Run("dots", "PEB", seed) for seed in (1, 2))
    with Progress(2, 100.0, 2, quiet=False) as said:
        said.begin(Job(runs[:1], False, 50.0))
        said.begin(Job(runs[1:], False, 50.0))
        time.sleep(1.5)
    lines = capsys.readouterr().out.splitlines()
    assert lines and lines[0].startswith("[0/2] training dots-PEB-n32-lr0.05-pre0-s1 and 1 more, 4")
