"""The runs that tell which reading of LB is paper A's: every reading in the settings that the paper speaks of."""

from hardsample.data.dataset import name_of
from hardsample.experiments import base_values, profiles
from hardsample.experiments.base_values_studies import size_in_words
from hardsample.experiments.panels import Experiment
from hardsample.experiments.profiles import LBReadingsProfile
from hardsample.experiments.specs import ExperimentSpec
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


def build_grid(spec: ExperimentSpec, profile: LBReadingsProfile, data: str, seeds: int, precision: str) -> Experiment:
    """MB, every reading of LB and, where the paper ranks all methods, PEB."""
    chosen = base_values.DATA.sources(data, stand_in=profile.stand_in, stand_ins=profile.stand_ins)
    common = profile.fields | {"data": name_of(*chosen.values()), "precision": precision}
    tried = profile.readings or tuple(READINGS)
    readings = {f"LB, {reading}": ("LB", READINGS[reading]) for reading in READINGS if reading in tried}
    ranked = {"MB": ("MB", {}), "PEB": ("PEB", {})}
    panels = tuple(
        base_values.panel(
            title,
            (ranked if title == LARGE_BATCH else {"MB": ("MB", {})}) | readings,
            seeds or profile.seeds,
            common | varied,
        )
        for title, varied in SETTINGS.items()
        if title == DEFAULT or profile.every_setting
    )
    return base_values.experiment(spec, profile, chosen, panels, size_in_words(profile, precision, profile.epochs))


SPEC = ExperimentSpec(name=NAME, title="Readings of LB", grid=build_grid, sizes=profiles.LB_READINGS[0].of)


def sizes(experiment: Experiment) -> tuple[Experiment, ...]:
    """The study at every size that is read together with the experiment's: 12,000 letters and all of them, or itself.

    The others are of the same data, at their own number of seeds and precision; nothing of them needs to be run.
    """
    (source,) = experiment.sources.values()
    together = [profile for profile in SPEC.profiles.values() if profile.every_setting]
    if experiment.variation or experiment.profile not in [profile.name for profile in together]:
        return (experiment,)
    return tuple(
        experiment
        if profile.name == experiment.profile
        else build_grid(SPEC, profile, source, 0, profile.choose_precision("auto"))
        for profile in together
    )
