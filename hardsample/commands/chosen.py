"""The experiments that a command line asks for, and what of them is done."""

import argparse
from collections.abc import Sequence

from hardsample.config import Run
from hardsample.experiments.overrides import OVERRIDES
from hardsample.experiments.registry import Experiment, grids
from hardsample.runs import launch, timing
from hardsample.runs.store import Store


def experiments(options: argparse.Namespace) -> list[Experiment]:
    """What ``--figure`` and the knobs beside it choose."""
    knobs = ("profile", "data", "seeds", "examples", "precision", "networks", "protocol", *OVERRIDES)
    return grids(options.figure, **{knob: getattr(options, knob) for knob in knobs})


def launch_all(options: argparse.Namespace, chosen: Sequence[Experiment]) -> launch.LaunchReport:
    """Launch the runs of the experiments, each once."""
    return launch.launch(
        [run for experiment in chosen for run in experiment.runs],
        sources={name: source for experiment in chosen for name, source in experiment.sources.items()},
        device=options.device,
        workers=options.workers,
        scheduler=options.scheduler,
        time_limit=options.time_limit,
    )


def missing(experiment: Experiment) -> list[Run]:
    """Those of its runs that are not stored."""
    return Store().missing(experiment.runs)


def begun(experiment: Experiment) -> bool:
    """Whether anything that the experiment draws is stored, or it needs nothing stored."""
    if experiment.runs:
        return bool(Store().done(experiment.runs))
    return not experiment.timed or len(timing.measure(experiment, compute=False).frame) > 0
