"""`hardsample figures`: draw figures and tables from what is stored, and say what is missing."""

import argparse
from typing import Any

from hardsample import paths
from hardsample.commands import chosen, knobs
from hardsample.commands.drawing import Drawing
from hardsample.errors import InputError
from hardsample.experiments import registry
from hardsample.experiments.panels import Experiment
from hardsample.experiments.shipped import SHIPPED
from hardsample.numerals import count

Drawn = list[tuple[Experiment, dict[str, Any]]]


def do(options: argparse.Namespace) -> int:
    paths.check_notebooks()
    begun, wanted = _shipped(options) if options.shipped else _chosen(options)
    paths.check_writable(paths.figures_dir())
    with Drawing() as drawing:
        drawing.draw(begun)
    unchanged = f", {drawing.unchanged} of them unchanged" if drawing.unchanged else ""
    print(f"{drawing.drawn} of {wanted} figures drawn{unchanged}; nothing computed")
    return 0 if drawing.drawn == wanted else 1


def _chosen(options: argparse.Namespace) -> tuple[Drawn, int]:
    """What the options choose and something is stored of, and how many they choose."""
    experiments = chosen.with_clocked(chosen.experiments(options))
    begun = [experiment for experiment in experiments if chosen.begun(experiment)]
    for experiment in experiments:
        if experiment not in begun:
            print(f"{experiment.name}: nothing of it is stored, not drawn")
        else:
            _say_missing(experiment)
    return [(each, chosen.parameters(options, each, compute=False)) for each in begun], len(experiments)


def _shipped(options: argparse.Namespace) -> tuple[Drawn, int]:
    """What the package ships runs for, each with its own profile, data and precision, and how many those are."""
    for knob in chosen.KNOBS:
        flag = f"--{knob.replace('_', '-')}"
        if knob != "data" and getattr(options, knob) != knobs.FIGURES[flag]["default"]:
            raise InputError(f"--shipped draws each figure at its own size: leave out {flag}, or --shipped.")
    data = "" if options.data == "auto" else options.data
    begun = chosen.shipped_begun(registry.select(options.figure), data)
    if not begun:
        which = f"{options.figure or 'any figure'}{f' on {data}' if data else ''}"
        every = ", ".join(dict.fromkeys(choices["data"] for _, choices in SHIPPED))
        raise InputError(f"no runs of {which} come with the package: leave out --figure, or choose data of {every}.")
    for experiment, _ in begun:
        _say_missing(experiment)
    return begun, len(begun)


def _say_missing(experiment: Experiment) -> None:
    if missing := chosen.missing(experiment):
        print(f"{experiment.name}: {len(missing)} of {count(len(experiment.runs), 'run')} missing, and said to be")
