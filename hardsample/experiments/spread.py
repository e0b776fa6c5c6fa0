"""The runs behind paper B's printed ±: the published protocol, and its choices changed one at a time and together."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from hardsample.experiments import hard_samples
from hardsample.experiments.hard_samples import Cells
from hardsample.experiments.panels import Experiment
from hardsample.experiments.profile_types import SpreadProfile
from hardsample.experiments.specs import ExperimentSpec

PUBLISHED, ALL_TRAINED, RUNNING = "published protocol", "every example trained", "running statistics"
SHUFFLED, ALL_CHANGED = "mini-batches shuffled once", "all three changed"
CHOICES: dict[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
    PUBLISHED: ({}, {}),
    ALL_TRAINED: ({"drop_last": False}, {}),
    RUNNING: ({}, {"evaluation_statistics": "running", "detail": "examples"}),
    SHUFFLED: ({"shuffle": True}, {}),
    ALL_CHANGED: ({"drop_last": False, "shuffle": True}, {"evaluation_statistics": "running"}),
}
"""What is changed of the published protocol: options of the method, and fields of the run.

What is kept of single examples is predicted with running statistics, so that their runs keep it.
"""


def build_grid(spec: ExperimentSpec, profile: SpreadProfile, data: str, seeds: int, precision: str) -> Experiment:
    """A panel for each choice, with every δ; evaluations are means over mini-batches in all."""
    panels = []
    for title, (options, fields) in CHOICES.items():
        methods = tuple(("HMB", {"delta": delta, **options}) for delta in hard_samples.DELTAS)
        cells = Cells(("resnet18",), ("CIFAR-10",), methods)
        experiment = hard_samples.build_grid(cells, spec, profile, data, seeds, precision, protocol="published")
        (panel,) = experiment.panels
        fields = {"evaluations_per_epoch": profile.evaluations_per_epoch, **fields}
        runs = tuple(dataclasses.replace(run, **fields) for run in panel.runs)
        panels.append(dataclasses.replace(panel, title=title, runs=runs))
    return dataclasses.replace(experiment, panels=tuple(panels))


NAME = f"{hard_samples.PAPER}/spread"
SPEC = ExperimentSpec(name=NAME, title="What the printed ± is", grid=build_grid, sizes=NAME)
