"""`hardsample figures`: draw figures and tables from what is stored, and say what is missing."""

import argparse

from hardsample import paths
from hardsample.commands import chosen
from hardsample.commands.drawing import Drawing
from hardsample.numerals import count
from hardsample.report import gallery


def do(options: argparse.Namespace) -> int:
    experiments = chosen.with_clocked(chosen.experiments(options))
    paths.check_writable(paths.figures_dir())
    begun = [experiment for experiment in experiments if chosen.begun(experiment)]
    for experiment in experiments:
        if experiment not in begun:
            print(f"{experiment.name}: nothing of it is stored, not drawn")
        elif missing := chosen.missing(experiment):
            print(f"{experiment.name}: {len(missing)} of {count(len(experiment.runs), 'run')} missing, and said to be")
    with Drawing() as drawing:
        drawing.draw([(each, chosen.parameters(options, each, compute=False)) for each in begun])
    if drawing.drawn:
        print(f"all figures and tables on one page: {gallery.save()}")
    unchanged = f", {drawing.unchanged} of them unchanged" if drawing.unchanged else ""
    print(f"{drawing.drawn} of {len(experiments)} figures drawn{unchanged}; nothing computed")
    return 0 if drawing.drawn == len(experiments) else 1
