"""The experiments that a command line asks for, and what of them is done."""

import argparse
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from hardsample.commands import knobs
from hardsample.config import Run
from hardsample.data.dataset import how_at_hand
from hardsample.errors import InputError, check_choice
from hardsample.experiments import rivals
from hardsample.experiments.hard_samples import PROTOCOLS
from hardsample.experiments.overrides import OVERRIDES
from hardsample.experiments.registry import Experiment, grid, grids, reaching
from hardsample.experiments.shipped import shipped
from hardsample.experiments.specs import EXPERIMENTS
from hardsample.numerals import count
from hardsample.records import StoredRun, stem
from hardsample.runs import launch, standing, timing
from hardsample.runs.store import Store
from hardsample.training.networks import NETWORKS

KNOBS = ("profile", "data", "seeds", "examples", "precision", "networks", "protocol", *OVERRIDES)
"""What decides which runs a figure or table has."""
STALE = ("keep", "rerun", "refuse")
"""What is done with stored runs of other code than today's."""
_WHERE = ("device", "workers", "scheduler")


def experiments(options: argparse.Namespace) -> list[Experiment]:
    """What ``--figure`` and the knobs beside it choose."""
    return grids(options.figure, **{knob: getattr(options, knob) for knob in KNOBS})


def parameters(options: argparse.Namespace, experiment: Experiment, *, compute: bool) -> dict[str, Any]:
    """What an experiment's notebook is told: the knobs that say something, and whether and where to compute.

    What is changed of runs (learning rate, epochs and so on) is nothing to one that trains nothing.
    """
    names = [name for name in (*KNOBS, *_WHERE) if experiment.runs or name not in OVERRIDES]
    given = {name: value for name in names if (value := getattr(options, name, None))}
    return reaching(EXPERIMENTS[experiment.name], options.figure, given) | {"compute": compute}


def shipped_begun(names: Sequence[str], data: str = "") -> list[tuple[Experiment, dict[str, Any]]]:
    """The figures and tables of these names whose runs the package ships, each with the parameters of its notebook.

    Only those of the data set of that name, if one is given.
    """
    found = [(experiment, choices) for experiment, choices in shipped(names) if data in ("", choices["data"])]
    whole = with_clocked([experiment for experiment, _ in found])
    return [
        (experiment, choices | {"compute": False})
        for experiment, (_, choices) in zip(whole, found, strict=True)
        if begun(experiment)
    ]


def uses(run: Run) -> list[str]:
    """The figures and tables that draw the run, each with the profile in which it does."""
    found = []
    for spec in EXPERIMENTS.values():
        for size in spec.profiles.values():
            if size.train_examples != run.train_examples:
                continue  # which spares most of the grids
            knobs = {"networks": "all"} if "networks" in spec.knobs else {}
            if "networks" in spec.by_name:
                knobs = {"networks": run.network * (run.network in NETWORKS)}
            for protocol in PROTOCOLS if "protocol" in spec.knobs else ("",):
                knobs |= {"protocol": protocol} if protocol else {}
                own = grid(spec.name, profile=size.name, data=run.data, precision=run.precision, **knobs)
                if any(run in one.runs for one in with_clocked([own])):
                    found.append(f"{spec.name} ({', '.join(filter(None, (size.name, protocol)))})")
    return found


def with_clocked(chosen: Sequence[Experiment]) -> list[Experiment]:
    """The experiments with the runs of equal wall-clock, where the methods' times are kept that these follow from."""
    whole = []
    for experiment in chosen:
        costs = timing.costs(experiment, compute=False) if experiment.runs and experiment.timed else {}
        whole.append(rivals.by_the_clock(experiment, costs) if costs else experiment)
    return whole


def sources(chosen: Sequence[Experiment]) -> dict[str, str]:
    """By the name of each data set that the experiments need, what it is loaded from."""
    return {name: source for one in chosen if one.runs or one.timed for name, source in one.sources.items()}


def data_at_hand(chosen: Sequence[Experiment]) -> dict[str, str]:
    """By the name of each data set that the experiments need, what must be done to have it, in words."""
    told = {}
    for name, source in sources(chosen).items():
        how, megabytes = how_at_hand(source)
        size = "" if how != "to download" else f", {megabytes:,} MB" if megabytes else ", of unknown size"
        told[name] = how + size
    return told


def launch_all(options: argparse.Namespace, chosen: Sequence[Experiment]) -> launch.LaunchReport:
    """Launch the runs of the experiments, each once, and those again of other code that ``--stale`` says so of.

    Raises:
        InputError: ``--stale refuse``, and there are stored runs of other code.
    """
    runs = [run for experiment in chosen for run in experiment.runs]
    return launch.launch(
        runs,
        again=to_rerun(options.stale, runs),
        sources=sources(chosen),
        device=options.device,
        workers=options.workers,
        scheduler=options.scheduler,
        time_limit=options.time_limit,
    )


def chooses(options: argparse.Namespace) -> bool:
    """Is anything said of which figures and tables, where nothing need be?"""
    return any(getattr(options, name) is not None for name in (*KNOBS, "figure"))


def stored(options: argparse.Namespace) -> tuple[list[StoredRun], dict[str, str]]:
    """The stored runs of the figures and tables that the options choose, of all where they choose nothing.

    And what their data are loaded from, by name, where that is not the name.

    Raises:
        InputError: there are none.
    """
    store, loaded = Store(), {}
    if chooses(options):
        usual = knobs.defaults(knobs.FIGURES)
        given = {name: value for name in usual if (value := getattr(options, name)) is not None}
        own = with_clocked(experiments(argparse.Namespace(**usual | given)))
        records = [record for run in done(own)[0] if (record := store.find(run)) is not None]
        loaded = sources(own)
    else:
        records = store.records()
    if not records:
        raise InputError(f"nothing of it is stored in {store.root}: see `hardsample list`, and launch it first.")
    return records, loaded


def to_rerun(stale: str, runs: Iterable[Run]) -> Collection[Run]:
    """The stored runs of other code than today's that are to be trained again.

    Raises:
        InputError: such runs are refused.
    """
    check_choice("value of --stale", stale, STALE)
    if stale == "keep":
        return ()
    store = Store()
    other = standing.standing(store, store.done(dict.fromkeys(runs))).other
    if other and stale == "refuse":
        first = next(iter(other))
        raise InputError(
            f"{count(len(other), 'stored run')} were made by other code than today's, the first of them {stem(first)}"
            f" ({other[first]}): train them again with --stale rerun, or keep them with --stale keep."
        )
    return other.keys()


def done(chosen: Sequence[Experiment]) -> tuple[tuple[Run, ...], dict[Run, Mapping[str, Any]]]:
    """The different runs of the experiments, and the provenance of those that are stored."""
    runs = tuple(dict.fromkeys(run for experiment in chosen for run in experiment.runs))
    return runs, Store().done(runs)


def missing(experiment: Experiment) -> list[Run]:
    """Those of its runs that are not stored."""
    return Store().missing(experiment.runs)


def begun(experiment: Experiment) -> bool:
    """Whether anything that the experiment draws is stored, or it needs nothing stored."""
    if experiment.runs:
        return bool(Store().done(experiment.runs))
    return not experiment.timed or len(timing.measure(experiment, compute=False).frame) > 0
