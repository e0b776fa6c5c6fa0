"""Durations in words, and read from words."""

from types import SimpleNamespace

import hardsample
from hardsample.runs.plan import Job
from hardsample.runs.progress import Progress, format_duration, parse_duration
from hardsample.runs.worker import JobResult


def test_durations_in_words():
    assert [parse_duration(text) for text in ("90s", "9m", "1.5h", "30", 12, 0.5)] == [90, 540, 5400, 30, 12, 0.5]
    assert [format_duration(seconds) for seconds in (0.4, 59, 303, 7810)] == ["0 s", "59 s", "5 min 3 s", "2 h 10 min"]


def test_a_diverged_run_is_said_and_no_nan(capsys):
    job = Job((hardsample.Run("glyphs-28", "MB", 1),), is_start=False, seconds=1.0)
    for values, said in (((float("nan"), float("nan")), "diverged,"), ((0.25, 1.5), "acc/val 0.250 loss/val 1.500,")):
        outcome = SimpleNamespace(columns=("acc/val", "loss/val"), rows=[values])
        with Progress(1, 1.0, quiet=False) as progress:
            progress.count(job, JobResult(finished=((outcome, {}),)))
        out = capsys.readouterr().out
        assert said in out and "nan" not in out
