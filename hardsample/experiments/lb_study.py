"""The runs that tell which reading of LB is paper A's: every reading in the settings that the paper speaks of."""

import dataclasses

from hardsample.data.dataset import name_of
from hardsample.experiments import base_values
from hardsample.experiments.panels import Experiment, amount, named, sources, substitute
from hardsample.methods.loss_based import READINGS

NAME = "base-values/lb-readings"
DEFAULT, SMALL_BATCH, LARGE_BATCH, LARGE_RATE, SMALL_RATE = "default", "n = 4", "n = 1024", "α = 0.1", "α = 0.001"
SETTINGS: dict[str, dict[str, float]] = {
    DEFAULT: {},
    LARGE_BATCH: {"batch_size": 1024},
    SMALL_RATE: {"learning_rate": 0.001},
    SMALL_BATCH: {"batch_size": 4},
    LARGE_RATE: {"learning_rate": 0.1},
}
"""Paper A's settings by what sets each apart from its defaults; those that tell most come first."""

_SMALL = dataclasses.replace(base_values.PROFILES["small"], seeds=3, test_examples=4_000, evaluate_train_examples=2_000)
_PROFILES = base_values.PROFILES | {"small": _SMALL}
_PRECISIONS = {"small": "float32", "paper": "bf16"}  # unless another is asked for


def grid(name: str, profile: str, data: str, seeds: int, examples: int, precision: str) -> Experiment:
    """MB, every reading of LB and, where the paper ranks all methods, PEB; smoke and quick have the defaults alone.

    The arguments are those of :func:`hardsample.experiments.registry.grid`, checked.
    """
    size = base_values.with_examples(_PROFILES[profile], examples)
    if precision == "auto":
        precision = _PRECISIONS.get(profile) or base_values.settled(precision, size.native_bf16)
    chosen = sources(base_values.PAPER, data, profile)
    common = size.fields | {"data": name_of(*chosen.values()), "precision": precision}
    common |= {"evaluations_per_epoch": 2.0 if profile == "paper" else 1.0}
    readings = {f"LB, {reading}": ("LB", options) for reading, options in READINGS.items()}
    ranked = {"MB": ("MB", {}), "PEB": ("PEB", {})}
    panels = tuple(
        base_values.panel(
            title,
            (ranked if title == LARGE_BATCH else {"MB": ("MB", {})}) | readings,
            seeds or size.seeds,
            common | varied,
        )
        for title, varied in SETTINGS.items()
        if title == DEFAULT or profile not in ("smoke", "quick")
    )
    return Experiment(
        name,
        "Readings of LB",
        panels,
        profile,
        sources=named(chosen),
        own=tuple(chosen),
        note=_note(profile, size, precision),
        baseline="MB",
        folder=substitute(base_values.PAPER, chosen),
    )


def sizes(experiment: Experiment) -> tuple[Experiment, ...]:
    """The study at every size that is read together with the experiment's: 12,000 letters and all of them, or itself.

    The others are of the same data, at their own number of seeds and precision; nothing of them needs to be run.
    """
    (source,) = experiment.sources.values()
    if experiment.profile not in _PRECISIONS:
        return (experiment,)
    return tuple(
        experiment if profile == experiment.profile else grid(NAME, profile, source, 0, 0, "auto")
        for profile in _PRECISIONS
    )


def _note(profile: str, size: base_values.Profile, precision: str) -> str:
    """The size of the runs in words, for the foot of a figure."""
    defaults = size.defaults
    return (
        f"profile {profile}: {amount(size.train_examples, 'training examples')}, "
        f"{amount(size.test_examples, 'test examples')}, train metrics on "
        f"{amount(size.evaluate_train_examples, 'training examples')}; {size.epochs:g} epochs, the pre-training of "
        f"{defaults['pretrain_epochs']:g} included; unless said otherwise n = {defaults['batch_size']}, "
        f"α = {defaults['learning_rate']:g}; {precision}"
    )
