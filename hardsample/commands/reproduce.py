"""`hardsample reproduce`: compute what is missing, then draw every figure and table.

Called with nothing chosen but what to draw, it first draws what the package ships runs for.
"""

import argparse
from collections.abc import Sequence

from hardsample import paths
from hardsample.commands import chosen
from hardsample.commands.drawing import Drawing
from hardsample.experiments.panels import Experiment
from hardsample.experiments.registry import grids
from hardsample.report import summary
from hardsample.runs import loop_timing, timing
from hardsample.runs.launch import LaunchReport
from hardsample.runs.store import Store
from hardsample.verdicts import report as report_files

TRIAL = "quick"  # the profile whose final accuracies are summed up, and that is no result by itself


def do(options: argparse.Namespace) -> int:
    experiments = chosen.experiments(options)
    paths.check_notebooks()
    paths.check_writable(paths.figures_dir())
    is_trial = options.profile == TRIAL and options.data == "auto"
    _refuse_other_code(options, experiments, is_trial)
    with Drawing() as drawing:
        if is_trial:
            _draw_shipped(drawing, experiments)
        shown = drawing.drawn, drawing.unchanged
        runs, done = chosen.done(experiments)
        if len(done) < len(runs):
            drawing.warm()
        report, experiments = _launch(options, experiments)
        complete = [experiment for experiment in experiments if not chosen.missing(experiment)]
        if complete:
            print(f"drawing what is computed, {len(complete)} of {len(experiments)}", flush=True)
        drawing.draw([(each, chosen.parameters(options, each, compute=True)) for each in complete])
    if is_trial:
        every = [each for each in grids(precision=options.precision) if Store().done(each.runs)]
        print(f"final accuracies: {summary.save([Store().curves(each) for each in every])}")
    if drawing.drawn:
        print("stored runs can be checked by training some again: hardsample verify --rerun 5")
    if drawing.drawn and not options.figure:
        print(f"do the papers' claims hold? {report_files.write(Store())[0]}")
    drawn, unchanged = drawing.drawn - shown[0], drawing.unchanged - shown[1]
    said = f", {unchanged} of them unchanged" if unchanged else ""
    print(f"{drawn} of {len(experiments)} figures drawn{said}; {report}")
    return 0 if drawn == len(experiments) and not drawing.failed else 1


def _refuse_other_code(options: argparse.Namespace, experiments: Sequence[Experiment], with_shipped: bool) -> None:
    """Before anything is done, where ``--stale`` says so, of the runs that would be drawn, shipped ones too."""
    if options.stale == "refuse":
        names = [experiment.name for experiment in experiments]
        begun = [experiment for experiment, _ in chosen.shipped_begun(names)] if with_shipped else []
        chosen.to_rerun(options.stale, [run for experiment in (*experiments, *begun) for run in experiment.runs])


def _draw_shipped(drawing: Drawing, experiments: Sequence[Experiment]) -> None:
    """Draw the figures and tables of these names whose runs come with the package."""
    begun = chosen.shipped_begun([experiment.name for experiment in experiments])
    if begun:
        print(
            f"First {len(begun)} figures and tables of real images, from the runs that the package ships:", flush=True
        )
        drawing.draw(begun)
        print("Then the quick profile: a trial of the whole way, on generated images.", flush=True)


def _launch(options: argparse.Namespace, experiments: Sequence[Experiment]) -> tuple[LaunchReport, list[Experiment]]:
    """Compute what is missing, and time what is to be timed: what was done, and the experiments with all their runs."""
    report = chosen.launch_all(options, experiments)
    if report.failed or report.missing:
        return report, list(experiments)
    for experiment in experiments:
        if experiment.timed:
            _time(experiment, options.device)
    whole = chosen.with_clocked(experiments)
    if any(len(each.runs) > len(before.runs) for each, before in zip(whole, experiments, strict=True)):
        report = chosen.launch_all(options, whole)
    return report, whole


def _time(experiment: Experiment, device: str) -> None:
    """Time the methods of a contest, or the updates and loops of Table 1, unless that is stored; it is said."""
    for measure in (timing.costs,) if experiment.runs else (timing.measure, loop_timing.measure):
        measure(experiment, device=device)
