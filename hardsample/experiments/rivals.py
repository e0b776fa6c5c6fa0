"""The grids that set all methods against each other: each learning-rate schedule, training set and budget."""

import dataclasses
import functools
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from hardsample.config import INITIALIZATIONS, SCHEDULES, Run
from hardsample.data import catalogue
from hardsample.data.class_imbalance import fewest
from hardsample.data.dataset import name_of
from hardsample.errors import InputError
from hardsample.experiments import base_values, hard_samples
from hardsample.experiments.panels import Experiment, Panel, PaperData, amount, named
from hardsample.experiments.profiles import ContestProfile
from hardsample.experiments.specs import ExperimentSpec
from hardsample.methods import registry
from hardsample.methods.registry import BUDGETS, Entry
from hardsample.numerals import count, percent, short
from hardsample.training.networks import find

PAPER = "rivals"
BASELINE = base_values.BASELINE
TIMED_SEEDS, TIMED_EPOCHS, TIMED_UPDATES, TIMED_TESTS = 3, 6, 32, 64  # updates of an epoch; seeds and epochs at most
BY_NAME: Mapping[str, Entry] = registry.ENTRIES
"""What enters, by the names of its curves, in the order of tables."""
KNOBS = {"networks": ""}  # and their defaults
TIMED_OPTIONS: Mapping[str, Mapping[str, Any]] = {"LB": {}}
"""By method, the options with which it is timed where they are not those with which it enters."""


def build_grid(
    paper_data: PaperData,
    spec: ExperimentSpec,
    profile: ContestProfile,
    data: str,
    seeds: int,
    precision: str,
    networks: str = "",
) -> Experiment:
    """The runs at equal updates and at equal backward passes, on the first of a paper's data sets.

    :func:`by_the_clock` adds those of equal wall-clock.

    Args:
        networks: the name of the one network that every method trains; "" for the profile's. Any that is registered,
            with the profile's image size and initialisation where it has such a choice.

    Raises:
        InputError: several networks, or an unknown one.
    """
    if "," in networks:
        raise InputError(f"networks is {networks!r}, and {spec.name} compares all methods on one: give one name.")
    fields = dict(profile.common) | (_network_fields(networks, profile.common) if networks else {})
    sources = paper_data.sources(data, stand_in=profile.stand_in, stand_ins=profile.stand_ins)
    own, source = next(iter(sources.items()))
    base = Run(
        data=name_of(source),
        method=BASELINE,
        seed=1,
        epochs=profile.epochs,
        train_examples=profile.train_examples,
        test_examples=profile.test_examples,
        evaluate_train_examples=profile.evaluate_train_examples,
        evaluations_per_epoch=profile.evaluations_per_epoch,
        precision=precision,
        **fields,
    )
    most = seeds or profile.seeds
    panels = [
        _panel(base, most, setting(schedule, noise, 1.0, budget), {}, profile.methods)
        for schedule, noises in profile.noises.items()
        for noise in noises
        for budget in BUDGETS[:2]
        if budget in profile.budgets
    ]
    longer = dataclasses.replace(base, epochs=profile.imbalanced_epochs or base.epochs)
    panels += [
        _panel(longer, most, setting(schedule, 0.0, imbalance, BUDGETS[0]), {}, profile.methods)
        for schedule, imbalances in profile.imbalances.items()
        for imbalance in imbalances
        if _has_enough(base, imbalance)
    ]
    return Experiment(
        spec.name,
        spec.title,
        tuple(panels),
        profile.name,
        sources=named({own: source}),
        own=(own,),
        note=_note(profile, base),
        baseline=BASELINE,
        folder=paper_data.folder({own: source}, profile.stand_ins),
        epochs_title=base_values.EPOCHS_TITLE,
        timed=_timed(base, most) if BUDGETS[2] in profile.budgets else (),
        rates=_rates(panels[0]),
        variation="" if base.network == profile.common["network"] else base.network,
    )


def _network_fields(network: str, common: Mapping[str, Any]) -> dict[str, Any]:
    """A network in the place of a profile's: what its runs have of the fields that not every network has."""
    known = find(network)
    return {
        "network": network,
        "image_size": None if known.image_shape else common.get("image_size"),
        "initialization": (
            common.get("initialization", "timm") if known.initialize_as_timm is not None else INITIALIZATIONS[0]
        ),
    }


def _contest(kind: str, data: PaperData) -> ExperimentSpec:
    """The contest of all methods on things of a kind, which has sizes of its own."""
    name, grid = f"{PAPER}/{kind}", functools.partial(build_grid, data)
    return ExperimentSpec(
        name=name, title=f"All methods on {kind}", grid=grid, sizes=name, knobs=KNOBS, by_name=(*KNOBS,)
    )


SPECS = (_contest("letters", base_values.DATA), _contest("images", hard_samples.DATA))
NAMES = tuple(spec.name for spec in SPECS)


def setting(schedule: str, noise: float, imbalance: float, budget: str) -> dict[str, Any]:
    """What sets a panel apart: learning-rate schedule, share of wrong labels, class imbalance, and what is equal."""
    return {"schedule": schedule, "noise": noise, "imbalance": imbalance, "budget": budget}


def training_set(noise: float, imbalance: float) -> str:
    """What is done to the training set, in words: "10 % flipped", "imbalance 50"."""
    flipped = f"{percent(noise)} flipped" if noise or imbalance == 1 else ""
    return ", ".join(filter(None, (flipped, "" if imbalance == 1 else f"imbalance {short(imbalance)}")))


def by_the_clock(experiment: Experiment, costs: Mapping[str, float]) -> Experiment:
    """The experiment with the panels of equal wall-clock.

    Args:
        costs: each method's training time relative to MB's at equal updates, as :func:`hardsample.runs.timing.costs`
            measures it. By the clock a method makes 1 / cost as many updates as MB; one without a cost is not run.
    """
    panels = [panel for panel in experiment.panels if panel.setting["budget"] != BUDGETS[2]]
    base = panels[0].runs[0]
    most = len({run.seed for run in panels[0].runs})
    costs = {name: cost for name, cost in costs.items() if name in panels[0].names.values()}
    clocked = []
    for panel in panels:
        clocked.append(panel)
        if panel.setting["budget"] == BUDGETS[1]:
            clocked.append(_panel(base, most, {**panel.setting, "budget": BUDGETS[2]}, costs))
    return dataclasses.replace(experiment, panels=tuple(clocked), costs=costs)


def _has_enough(run: Run, imbalance: float) -> bool:
    """Whether every class keeps an example: of data of one's own, which may be few, it is not known before loading."""
    if not catalogue.is_built_in(run.data):
        return False
    return run.train_examples is None or run.train_examples >= fewest(catalogue.class_count(run.data), imbalance)


def _panel(
    base: Run, seeds: int, setting: Mapping[str, Any], costs: Mapping[str, float], methods: Sequence[str] = ()
) -> Panel:
    names = {
        run: entrant.name
        for entrant in BY_NAME.values()
        if not methods or entrant.name in methods
        for seed in range(1, seeds + 1)
        if (run := _run(dataclasses.replace(base, seed=seed), entrant, setting, costs)) is not None
    }
    changed = training_set(setting["noise"], setting["imbalance"])
    title = f"{setting['schedule']}, {changed}, equal {setting['budget']}"
    return Panel(title, tuple(names), setting=setting, names=names)


def _run(base: Run, entrant: Entry, setting: Mapping[str, Any], costs: Mapping[str, float]) -> Run | None:
    """An entrant's run of one seed in one setting, as long as the budget allows; None if it has none there."""
    budget = setting["budget"]
    if budget not in entrant.budgets or budget == BUDGETS[2] and entrant.name not in costs:
        return None
    epochs = base.epochs * entrant.times
    if budget == BUDGETS[1]:
        epochs = epochs / entrant.backpropagated
    if budget == BUDGETS[2]:
        epochs = round(epochs / costs[entrant.name], 4)
    return dataclasses.replace(
        base,
        method=entrant.method,
        options=dict(entrant.options) | ({"epochs": epochs} if entrant.scheduled else {}),
        loss=entrant.loss,
        label_noise=setting["noise"],
        class_imbalance=setting["imbalance"],
        learning_rate_schedule=setting["schedule"],
        epochs=epochs,
    )


def _rates(panel: Panel) -> dict[str, float]:
    """The mean factor over a run's updates, by name, of every method that changes the learning rate."""
    means = {}
    for run, name in panel.names.items():
        if name in means or not registry.METHODS[run.method].changes_learning_rate:
            continue
        size = run.train_examples or 100 * run.batch_size  # of all examples the number is not known here
        method = registry.build(run.method, size, run.batch_size, torch.tensor([run.seed]), options=run.options)
        means[name] = statistics.fmean(
            map(method.learning_rate_factor, range(max(1, round(run.epochs * size / run.batch_size))))
        )
    return means


def _timed(base: Run, seeds: int) -> tuple[Run, ...]:
    """What is timed to tell the methods' costs: whole trainings, small enough for any profile.

    LB is timed in its default reading (``TIMED_OPTIONS``), whatever reading enters: it looks at a loss besides, in one
    of fifty updates.
    """
    examples = TIMED_UPDATES * base.batch_size
    small = dataclasses.replace(
        base,
        train_examples=min(examples, base.train_examples or examples),
        test_examples=min(TIMED_TESTS, base.test_examples or TIMED_TESTS),
        epochs=float(min(TIMED_EPOCHS, base.epochs)),
    )
    runs = _panel(small, min(TIMED_SEEDS, seeds), setting(SCHEDULES[0], 0.0, 1.0, BUDGETS[0]), {}).names
    timed = (run for run, name in runs.items() if BUDGETS[2] in BY_NAME[name].budgets)
    return tuple(dataclasses.replace(run, options=TIMED_OPTIONS.get(run.method, run.options)) for run in timed)


def _note(profile: ContestProfile, base: Run) -> str:
    """The size of the runs in words, for the foot of a figure."""
    sizes = f"{amount(profile.train_examples, 'training examples')}, {amount(profile.test_examples, 'test examples')}"
    optimizer = {"adadelta": "Adadelta", "sgd": f"SGD with momentum {short(base.momentum)}"}[base.optimizer]
    known = find(base.network)
    network = known.title
    if known.initialize_as_timm is not None:
        network += f" with {base.initialization}'s initialisation"
    return (
        f"profile {profile.name}: {network}, {optimizer}, {sizes}, n = {base.batch_size}, "
        f"learning rate {short(base.learning_rate)}, MB {count(base.epochs, 'epoch')}; {base.precision}"
    )
