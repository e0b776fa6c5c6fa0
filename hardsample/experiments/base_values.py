"""Paper A's grids: the runs behind each of its figures, at the size that a profile sets."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hardsample.config import Run
from hardsample.data.dataset import name_of
from hardsample.experiments import specs
from hardsample.experiments.panels import Experiment, Panel, PaperData, amount, named
from hardsample.experiments.profiles import BaseValuesProfile
from hardsample.experiments.specs import ExperimentSpec
from hardsample.methods.loss_based import NEAREST, READINGS
from hardsample.numerals import count, short
from hardsample.training import letters_cnn
from hardsample.training.networks import find

PAPER = "base-values"
EPOCHS_TITLE = "epochs, as MB counts them"
DATA = PaperData.of(PAPER)
PROFILES = specs.PROFILES[PAPER]
BASELINE = "MB"
COLLAPSED = "LB, collapsed"  # its default reading, which keeps drawing a few examples; shown once
_OPTIONS = {"LB": ("LB", READINGS[NEAREST]), COLLAPSED: ("LB", {})}


def _one_column(*methods: str) -> Callable:
    def columns(profile: BaseValuesProfile) -> list[tuple[str, Sequence[str], dict]]:
        shown = [method for method in methods if method != COLLAPSED or profile.collapsed]
        return [("default hyper-parameters", shown, {})]

    return columns


def _pretraining(epochs: float) -> str:
    return f"pre-training {count(epochs, 'epoch')}"


TITLES: dict[str, Callable[[Any], str]] = {
    "pretrain_epochs": _pretraining,
    "batch_size": "n = {}".format,
    "learning_rate": "α = {:g}".format,
}
"""What a setting is called by the field that sets it apart, given its value."""


def _varying(field: str, values: str) -> Callable:
    def columns(profile: BaseValuesProfile) -> list[tuple[str, Sequence[str], dict]]:
        return [(TITLES[field](value), ("MB", "LB", "PEB"), {field: value}) for value in getattr(profile, values)]

    return columns


def build_grid(
    columns: Callable, spec: ExperimentSpec, profile: BaseValuesProfile, data: str, seeds: int, precision: str
) -> Experiment:
    """The runs of one figure, whose panels are those that ``columns`` gives for the profile."""
    chosen = DATA.sources(data, stand_in=profile.stand_in, stand_ins=profile.stand_ins)
    common = profile.fields | {"data": name_of(*chosen.values()), "precision": precision}
    panels = tuple(
        panel(
            heading,
            {shown: _OPTIONS.get(shown, (shown, {})) for shown in methods},
            seeds or profile.seeds,
            common | own,
        )
        for heading, methods, own in columns(profile)
    )
    note = _note(profile, precision, lb=any("LB" in panel.names.values() for panel in panels))
    return experiment(spec, profile, chosen, panels, note)


def experiment(
    spec: ExperimentSpec, profile: BaseValuesProfile, chosen: Mapping[str, str], panels: Sequence[Panel], note: str
) -> Experiment:
    """An experiment of paper A's of these panels, on the data that are ``chosen`` in the place of the paper's."""
    return Experiment(
        spec.name,
        spec.title,
        tuple(panels),
        profile.name,
        sources=named(chosen),
        own=tuple(chosen),
        note=note,
        baseline=BASELINE,
        folder=DATA.folder(chosen, profile.stand_ins),
        epochs_title=EPOCHS_TITLE,
    )


def _figure(name: str, title: str, columns: Callable) -> ExperimentSpec:
    grid = functools.partial(build_grid, columns)
    return ExperimentSpec(name=f"{PAPER}/{name}", title=title, grid=grid, sizes=PAPER)


SPECS = (
    _figure("figure-1", "Persistent methods", _one_column("MB", "PLB", "PEB")),
    _figure("figure-2", "Length of the pre-training", _varying("pretrain_epochs", "pretrain_epochs")),
    _figure("figure-3", "Mini-batch size", _varying("batch_size", "batch_sizes")),
    _figure("figure-4", "Learning rate", _varying("learning_rate", "learning_rates")),
    _figure("draws", "Which examples are drawn", _one_column("MB", "SMB", "LB", COLLAPSED, "PLB", "PEB")),
)
NAMES = tuple(spec.name for spec in SPECS)


def panel(
    title: str, methods: Mapping[str, tuple[str, Mapping[str, Any]]], seeds: int, fields: Mapping[str, Any]
) -> Panel:
    """The runs of so many seeds of each method, given by what its curve is called, with these fields in common."""
    names = {
        Run(method=method, options=options, seed=seed, **fields): name
        for name, (method, options) in methods.items()
        for seed in range(1, seeds + 1)
    }
    return Panel(title, tuple(names), names=names)


def _note(profile: BaseValuesProfile, precision: str, *, lb: bool) -> str:
    """The size of the runs in words, for the foot of a figure."""
    train = amount(profile.train_examples, "training examples")
    defaults, own = profile.defaults, find(letters_cnn.SPEC.name)
    network = "" if profile.network == own.name else f"{find(profile.network).title} in place of the {own.title}, "
    return (
        f"profile {profile.name}: {network}{train}, {count(profile.epochs, 'epoch')}, pre-training included; unless a "
        f"column says otherwise {_pretraining(defaults['pretrain_epochs'])}, n = {defaults['batch_size']}, "
        f"α = {short(defaults['learning_rate'])}; {precision}"
        + (f". LB is not defined in the paper: this is the reading nearest to what it says, {NEAREST}" if lb else "")
    )
