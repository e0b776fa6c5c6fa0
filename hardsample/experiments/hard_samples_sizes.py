"""Paper B's trainings at every size that they were run at: which stored runs belong together."""

import functools
import json
from collections.abc import Iterable, Mapping

from hardsample.config import Run
from hardsample.data import catalogue
from hardsample.experiments import hard_samples, specs
from hardsample.experiments.panels import Experiment, Panel, amount, named
from hardsample.numerals import count, short
from hardsample.records import StoredRun
from hardsample.training.networks import TITLES

NAME = f"{hard_samples.PAPER}/claims"
PROFILE = "paper"
SIZE = (
    *("data", "train_examples", "test_examples", "evaluate_train_examples", "evaluations_per_epoch", "image_size"),
    *("batch_size", "learning_rate", "epochs", "precision"),
)
"""What two runs of one size have in common, beside what all of paper B's have."""
_ANY = {*SIZE, "seed", "detail"}


def at_every_size(records: Iterable[StoredRun]) -> list[tuple[Experiment, dict[Run, StoredRun]]]:
    """The runs of paper B's networks in the sound protocol, an experiment for each size; each data's largest first.

    A panel is a network, by its title; methods are those of ``hard-samples/controls``. The data are the paper's own, or
    a copy of them: the panels' slot says of which. Generated data are left out, and so is a size without two methods.
    Beside each experiment are its records.
    """
    methods, found = _methods(), {}
    for record in records:
        run = record.run
        generated = run.data in catalogue.DATASETS and catalogue.DATASETS[run.data].generate
        if _alike(run) in methods and not generated and hard_samples.slot_of(run.data):
            size = tuple(getattr(run, name) for name in SIZE)
            found.setdefault(size, {})[run] = record
    several = {size: own for size, own in found.items() if len({methods[_alike(run)] for run in own}) > 1}
    return [(_experiment(dict(zip(SIZE, size, strict=True)), tuple(own)), own) for size, own in _ordered(several)]


def _experiment(size: Mapping, runs: tuple[Run, ...]) -> Experiment:
    data, slot = str(size["data"]), hard_samples.slot_of(str(size["data"]))
    order = list(_methods().values())
    runs = tuple(sorted(runs, key=lambda run: (order.index(_methods()[_alike(run)]), run.seed)))
    chosen = {hard_samples.SLOTS[slot]: data}
    used = [network for network in TITLES if any(run.network == network for run in runs)]
    return Experiment(
        NAME,
        "What the paper says",
        tuple(
            Panel(TITLES[network], tuple(run for run in runs if run.network == network), network, slot)
            for network in used
        ),
        PROFILE,
        sources=named(chosen),
        own=tuple(chosen),
        note=(
            f"{amount(size['train_examples'], 'training images')}, {amount(size['test_examples'], 'test images')},"
            f" {size['image_size']}x{size['image_size']}, n = {size['batch_size']}, learning rate"
            f" {short(size['learning_rate'])}, {count(size['epochs'], 'epoch')}, {size['precision']}"
        ),
        baseline=hard_samples.BASELINE,
        folder=data,
        metric_titles=hard_samples.METRIC_TITLES,
        epochs_title="updates / N (epochs of δ = 1)",
        protocol=hard_samples.PROTOCOLS[0],
    )


@functools.cache
def _methods() -> dict[str, tuple[str, str]]:
    """The network and method of a run in the sound protocol, by :func:`_alike`."""
    cells = hard_samples.Cells(tuple(TITLES), ("CIFAR-10",), hard_samples.CONTROLLED)
    spec, profile = hard_samples.SPECS[0], specs.find_profile(hard_samples.PAPER, PROFILE)
    grid = hard_samples.build_grid(cells, spec, profile, data="own", seeds=1, precision="float32", networks="all")
    return {_alike(run): (panel.network, panel.variant(run)) for panel in grid.panels for run in panel.runs}


def _alike(run: Run) -> str:
    """Equal for runs that differ in size, seed and what is kept of them alone."""
    return json.dumps({name: value for name, value in run.to_dict().items() if name not in _ANY}, sort_keys=True)


def _ordered(found: Mapping[tuple, dict]) -> list[tuple[tuple, dict]]:
    """By data, and of each the size of most examples and epochs first."""

    def order(size: tuple) -> tuple:
        own = dict(zip(SIZE, size, strict=True))
        examples = own["train_examples"]
        return own["data"], examples is not None, -(examples or 0), -own["epochs"], *map(str, size)

    return [(size, found[size]) for size in sorted(found, key=order)]
