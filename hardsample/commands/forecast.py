"""`--dry-run`: what would be computed, how long it takes, and how much is stored and downloaded."""

import argparse
from collections import Counter
from collections.abc import Sequence

from hardsample import paths
from hardsample.commands import chosen
from hardsample.commands.columns import aligned, size
from hardsample.config import Run
from hardsample.experiments.registry import Experiment
from hardsample.numerals import count
from hardsample.runs.forecast import Forecast, forecast
from hardsample.runs.progress import format_duration


def do(options: argparse.Namespace) -> int:
    """Print what is missing of each figure and table and of all, and what it takes; nothing is trained or written."""
    experiments = chosen.with_clocked(chosen.experiments(options))
    runs = [run for one in experiments for run in one.runs]
    told = forecast(
        runs,
        again=chosen.to_rerun(options.stale, runs),
        sources=chosen.sources(experiments),
        device=options.device,
        workers=options.workers,
    )
    _print_missing(experiments, told)
    print()
    for subject, sentence in _sentences(experiments, told):
        print(f"{subject:<9}{sentence}")
    return 0


def _print_missing(experiments: Sequence[Experiment], told: Forecast) -> None:
    """A line for each figure and table, and one for all; on one worker, and without pre-trainings."""
    seconds = {run: job.seconds / len(job.runs) for job in told.jobs if not job.is_start for run in job.runs}
    again, missing = set(told.again), set(told.todo) - set(told.again)

    def line(name: str, runs: Sequence[Run]) -> tuple[str, ...]:
        todo = [run for run in runs if run in missing or run in again]
        about = "?" if any(run not in seconds for run in todo) else format_duration(sum(map(seconds.get, todo)))
        counts = (str(sum(run in kind for run in runs)) for kind in (missing, again))
        return name, str(len(runs)), *counts, about if todo else "-"

    rows = [("output", "runs", "missing", "other code", "on one worker")]
    rows += [line(one.name, one.runs) if one.runs else (one.name, *"----") for one in experiments]
    print(*aligned([*rows, line("all, each run once", told.runs)]), sep="\n")


def _sentences(experiments: Sequence[Experiment], told: Forecast) -> list[tuple[str, str]]:
    """What a launch would take, by subject."""
    lacking = ", ".join(
        f"{count(runs, 'run')} of {name}" for name, runs in Counter(run.data for run in told.untold).items()
    )
    time = f"about {format_duration(max(told.seconds, 1.0))} on {count(told.workers, 'worker')}"
    time += f" ({told.device}), pre-trainings included: an estimate from a few updates of each kind"
    why = f"{len(told.todo) - len(told.again)} missing, {len(told.again)} stored but of other code"
    starts = count(len(told.starts), "pre-training")
    said = [("to do", f"{count(len(told.todo), 'run')} ({why}), and {starts} before them")]
    if told.jobs:
        said.append(("time", time))
    if told.untold:
        said.append(("time", f"not told for {lacking}: the data are not at hand"))
    if timed := [one.name for one in experiments if one.timed]:
        clocked = ", and their runs of equal wall-clock" * any(one.runs and one.timed for one in experiments)
        said.append(("time", f"drawing is not in it, nor timing the methods of {' and '.join(timed)}{clocked}"))
    if told.todo:
        said.append(("disk", f"about {size(told.results + told.kept_starts)} in {paths.runs_dir()}"))
    said += [("data", f"{name}: {how}") for name, how in chosen.data_at_hand(experiments).items()]
    return [*said, ("", "nothing was trained, downloaded or written")]
