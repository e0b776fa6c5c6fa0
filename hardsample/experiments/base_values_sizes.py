"""Paper A's settings at every size that they were run at: which stored runs belong together, whoever asked for them."""

import functools
import json
from collections.abc import Iterable, Mapping

from hardsample.config import Run
from hardsample.experiments import base_values, lb_study, registry, specs
from hardsample.experiments.panels import Experiment, Panel, named
from hardsample.records import StoredRun

NAME = f"{base_values.PAPER}/claims"
FIGURES = tuple(f"{base_values.PAPER}/figure-{number}" for number in range(1, 5))
PROFILE = "paper"
SIZE = (
    *("data", "train_examples", "test_examples", "evaluate_train_examples", "evaluations_per_epoch"),
    "precision",
)
"""What two runs of one size have in common, beside what all of paper A's have."""
_ANY = {*SIZE, "seed", "detail"}


def at_every_size(records: Iterable[StoredRun]) -> list[tuple[Experiment, dict[Run, StoredRun]]]:
    """The runs in paper A's settings, an experiment for each size, of all data; the largest of each data set first.

    A setting is a panel, named by what sets it apart from the paper's defaults as in
    :data:`hardsample.experiments.lb_study.SETTINGS`. MB, LB (in the nearest reading), PLB and PEB, from 10 epochs;
    what differs from the paper in anything else is left out, and of two runs that differ in what they keep of single
    examples alone, the one that keeps less. Beside each experiment are its records.
    """
    places, found = _places(), {}
    for record in sorted(records, key=lambda record: record.run.detail == "metrics"):  # what keeps more comes first
        if place := places.get(_alike(record.run)):
            size = tuple(getattr(record.run, name) for name in SIZE)
            own = found.setdefault(size, {})
            own.setdefault((*place, record.run.seed), record)
    return [_experiment(dict(zip(SIZE, size, strict=True)), own) for size, own in sorted(found.items(), key=_order)]


def _experiment(
    size: Mapping[str, object], found: Mapping[tuple[str, str, int], StoredRun]
) -> tuple[Experiment, dict[Run, StoredRun]]:
    panels: dict[str, dict[Run, str]] = {}
    for (title, method, _), record in found.items():
        panels.setdefault(title, {})[record.run] = method
    chosen = dict.fromkeys(base_values.DATA.own, str(size["data"]))
    experiment = Experiment(
        NAME,
        "What the paper says",
        tuple(Panel(title, tuple(names), names=names) for title, names in panels.items()),
        PROFILE,
        sources=named(chosen),
        own=tuple(chosen),
        note="",
        baseline=base_values.BASELINE,
        folder=base_values.DATA.folder(chosen),
        epochs_title=base_values.EPOCHS_TITLE,
    )
    return experiment, {record.run: record for record in found.values()}


@functools.cache
def _places() -> dict[str, tuple[str, str]]:
    """The panel and method of a run in each of paper A's settings, by :func:`_alike`."""
    defaults = specs.find_profile(base_values.PAPER, PROFILE).defaults
    grids = [registry.grid(figure, profile=PROFILE, data="own", seeds=1, precision="bf16") for figure in FIGURES]
    runs = [(panel.variant(run), run) for grid in grids for panel in grid.panels for run in panel.runs]
    methods = {shown: run for shown, run in runs}
    places = {}
    for _, setting in runs:
        fields = {name: getattr(setting, name) for name in base_values.TITLES}
        changed = [base_values.TITLES[name](value) for name, value in fields.items() if value != defaults[name]]
        for shown, method in methods.items():
            run = Run.from_dict(method.to_dict() | fields)
            places[_alike(run)] = (", ".join(changed) or lb_study.DEFAULT, shown)
    return places


def _alike(run: Run) -> str:
    """Equal for runs that differ in size, seed and what is kept of them alone."""
    return json.dumps({name: value for name, value in run.to_dict().items() if name not in _ANY}, sort_keys=True)


def _order(size: tuple[tuple, object]) -> tuple:
    data, examples, *rest = size[0]
    return data, examples is not None, -(examples or 0), *map(str, rest)
