"""Paper B's grids: the runs behind each of its figures and tables, at the size that a profile sets."""

import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hardsample.config import SCHEDULES, Run
from hardsample.data import catalogue
from hardsample.data.dataset import name_of
from hardsample.errors import check_choice, check_names
from hardsample.experiments import specs
from hardsample.experiments.panels import Experiment, Panel, PaperData, amount, named
from hardsample.experiments.profiles import HardSamplesProfile
from hardsample.experiments.specs import ExperimentSpec
from hardsample.methods.hard_mini_batches import whole_rounds
from hardsample.methods.registry import METHODS, option_names
from hardsample.numerals import count, short
from hardsample.training.networks import INITIALIZED_BY_LIBRARY, TITLES, find

PAPER = "hard-samples"
METRIC_TITLES = {
    "acc/train": "train accuracy",
    "acc/val": "test accuracy",
    "loss/train": "train loss",
    "loss/val": "test loss",
}
DATA = PaperData.of(PAPER)
PROFILES = specs.PROFILES[PAPER]
BASELINE = "δ = 1"
DELTAS = (1.0, 0.8, 0.5, 0.2)
SLOTS = dict(zip(("CIFAR-10", "CIFAR-100", "STL-10"), DATA.own, strict=True))
EXAMPLES = {"CIFAR-10": 50_000, "CIFAR-100": 50_000, "STL-10": 5_000}  # that the paper trains on
PROTOCOLS = ("sound", "published")
KNOBS = {"networks": "", "protocol": PROTOCOLS[0]}  # and their defaults
PUBLISHED: dict[str, dict[str, Any]] = {
    "options": {"shuffle": False, "drop_last": True, "walk": "data", "round_length": "truncated"},
    "run": {
        "evaluation_statistics": "batch",
        "evaluation_average": "mini-batches",
        "evaluate_train_examples": None,
        "evaluations_per_epoch": 1.0,
    },
}
"""How the paper's printed numbers seem to have been made, where that differs from the sound protocol.

Below δ = 1 a training also ends as the paper's pseudo-code does, after
:func:`hardsample.methods.hard_mini_batches.whole_rounds`.
"""


_COUNTED = {"train_examples": "training image", "test_examples": "test image", "epochs": "epoch"}


@dataclasses.dataclass(frozen=True)
class Cells:
    """What a figure or table has runs of: every method with every network on every data set.

    ``methods`` are names and options; the ``sound`` ones are run in the sound protocol alone. ``timed``: no run is
    trained, and the updates of each method are timed, with the first network and data set. Of several ``schedules`` of
    the learning rate each has a panel of its own.
    """

    networks: Sequence[str] = ()
    slots: Sequence[str] = ()
    methods: Sequence[tuple[str, Mapping[str, Any]]] = ()
    sound: Sequence[tuple[str, Mapping[str, Any]]] = ()
    timed: bool = False
    schedules: Sequence[str] = SCHEDULES[:1]


_HARD = tuple(("HMB", {"delta": delta}) for delta in DELTAS)
_RESHUFFLED = ("FMB", {})
_CONTROLS = (
    *(("RMB", {"delta": delta}) for delta in DELTAS[2:]),
    ("RMB", {"delta": 1.0, "walk": "drawn"}),
    _RESHUFFLED,
    ("HE", {"delta": 0.5}),
)
CONTROLLED = (*_HARD, *_CONTROLS)
"""Every δ and what it is held against, by name and options."""


def build_grid(
    cells: Cells,
    spec: ExperimentSpec,
    profile: HardSamplesProfile,
    data: str,
    seeds: int,
    precision: str,
    networks: str = "",
    protocol: str = PROTOCOLS[0],
) -> Experiment:
    """The runs of one figure's or table's cells.

    Args:
        networks: names joined by commas, "all", or "" for the profile's.
        protocol: one of ``PROTOCOLS``; the published one has a single seed unless more are asked for.

    Raises:
        InputError: an unknown network or protocol.
    """
    check_choice("protocol", protocol, PROTOCOLS)
    most = seeds or (1 if protocol == "published" else profile.seeds)
    wanted = _networks(networks) or ((profile.in_place,) if profile.in_place else profile.networks)
    sources = DATA.sources(data, stand_in=profile.stand_in, stand_ins=profile.stand_ins)
    chosen = dict(zip(SLOTS, sources.values(), strict=True))
    slots = cells.slots
    if len(slots) > 1 and len(set(chosen.values())) == 1:
        slots = [slot_of(name_of(chosen["CIFAR-10"])) or "CIFAR-10"]  # one data set has one place
    methods = (*cells.methods, *(cells.sound if protocol == "sound" else ()))
    places = cells.networks  # where each of the networks is trained in its own place
    if cells.networks and profile.in_place in wanted:
        places = (profile.in_place,)

    def shown(slot: str) -> list[tuple[str, Mapping[str, Any]]]:
        names = profile.shown.get(slot)
        return [(name, options) for name, options in methods if not names or METHODS[name].curve(options) in names]

    def run(
        network: str, slot: str, method: tuple[str, Mapping[str, Any]], seed: int, schedule: str = SCHEDULES[0]
    ) -> Run:
        made = _run(profile, network, name_of(chosen[slot]), slot, *method, seed, precision, protocol)
        return dataclasses.replace(made, learning_rate_schedule=schedule)

    several = len(cells.schedules) > 1
    panels = tuple(
        Panel(
            ", ".join((find(network).title, name_of(chosen[slot]), *[f"{schedule} learning rate"] * several)),
            tuple(
                run(network, slot, method, seed, schedule)
                for method in shown(slot)
                for seed in range(1, most + 1)
                if network in wanted
            ),
            network,
            slot,
            setting={"schedule": schedule} if several else {},
        )
        for slot in slots
        for network in places
        for schedule in cells.schedules
        if schedule in profile.schedules and not cells.timed
    )
    used = {slot: chosen[slot] for slot in slots}
    return Experiment(
        spec.name,
        spec.title,
        panels,
        profile.name,
        sources=named(used),
        own=tuple(SLOTS[slot] for slot in slots),
        note=_note(profile, wanted, used, precision, protocol),
        baseline=BASELINE,
        folder=DATA.folder({SLOTS[slot]: source for slot, source in used.items()}, profile.stand_ins),
        metric_titles=METRIC_TITLES,
        epochs_title="updates / N (epochs of δ = 1)",
        protocol=protocol,
        timed=tuple(run(places[0], slots[0], method, 1) for method in methods if cells.timed),
    )


def _run(
    profile: HardSamplesProfile,
    network: str,
    data: str,
    slot: str,
    method: str,
    options: Mapping[str, Any],
    seed: int,
    precision: str,
    protocol: str,
) -> Run:
    many_tests = profile.test_examples is None and slot == "STL-10"  # 8,000, and 5,000 training images
    evaluated = 1_000 if many_tests else profile.evaluate_train_examples
    sizes = ("epochs", "learning_rate", "batch_size", "train_examples", "test_examples", "image_size")
    values: dict[str, Any] = {name: getattr(profile, name) for name in sizes} | dict(profile.own.get(slot, {}))
    values |= {"evaluate_train_examples": evaluated, "evaluations_per_epoch": 0.5 if many_tests else 1.0}
    if network in INITIALIZED_BY_LIBRARY:
        values["initialization"] = "timm"  # whose networks the paper trains
    if protocol == "published":
        values |= PUBLISHED["run"]
        known = option_names(method)
        options = {name: value for name, value in PUBLISHED["options"].items() if name in known} | options
        if options.get("delta", 1) < 1:
            options |= {"rounds": whole_rounds(values["epochs"], options["delta"])}
    return Run(
        data=data,
        method=method,
        seed=seed,
        options=options,
        network=network,
        optimizer="sgd",
        momentum=0.9,
        precision=precision,
        **values,
    )


def _networks(networks: str) -> tuple[str, ...]:
    if networks in ("", "all"):
        return tuple(TITLES) if networks else ()
    names = tuple(part.strip() for part in networks.split(","))
    check_names("networks", networks, names)
    for network in names:
        check_choice("network of paper B", network, ("all", *TITLES))
    return names


def slot_of(data: str) -> str | None:
    """Which of the paper's data sets one is, is a copy of or stands for; None for others."""
    known = catalogue.DATASETS.get(data)
    for slot, own in SLOTS.items():
        if data == own or known and own in (known.stands_for, known.copy_of):
            return slot
    return None


def _note(
    profile: HardSamplesProfile, networks: Sequence[str], slots: Sequence[str], precision: str, protocol: str
) -> str:
    """The size of the runs in words, for the foot of a figure."""
    narrow = (
        f"{find(profile.in_place).title} in place of the paper's networks, " if profile.in_place in networks else ""
    )
    sizes = f"{amount(profile.train_examples, 'training images')}, {amount(profile.test_examples, 'test images')}"
    own = "".join(f" ({', '.join(_own_sizes(profile.own[slot]))} for {slot})" for slot in slots if slot in profile.own)
    ending = ", below δ = 1 of int(ζ) rounds of int(δN) updates" if protocol == "published" else ""
    return (
        f"profile {profile.name}: {narrow}{sizes}, resized to {profile.image_size}x{profile.image_size}, "
        f"n = {profile.batch_size}, SGD with momentum 0.9, {count(profile.epochs, 'epoch')} at learning rate "
        f"{short(profile.learning_rate)}{own}; {protocol} protocol{ending}; {precision}"
    )


def _own_sizes(values: Mapping[str, float]) -> Iterator[str]:
    """What a data set has of its own, in words."""
    for name, value in values.items():
        yield f"learning rate {short(value)}" if name == "learning_rate" else count(value, _COUNTED[name])


def _spec(name: str, title: str, cells: Cells, knobs: Mapping[str, str] | None = None) -> ExperimentSpec:
    grid, usual = functools.partial(build_grid, cells), KNOBS if cells.methods else {}
    knobs = usual if knobs is None else knobs
    return ExperimentSpec(name=f"{PAPER}/{name}", title=title, grid=grid, sizes=PAPER, knobs=knobs)


def _table(*slots: str) -> Cells:
    """All networks; beside the four shares the sound protocol has what the tables compare with besides δ = 1."""
    return Cells(tuple(TITLES), slots, _HARD, sound=(_RESHUFFLED,))


_ACCURACIES = "Training and test accuracy"
SPECS = (
    _spec("figure-1", "Convergence of the training loss", Cells(("resnet18",), ("CIFAR-10",), _HARD)),
    _spec("figure-2", "The two training methods", Cells()),
    _spec("figure-3", _ACCURACIES, Cells(("resnet18",), ("CIFAR-10",), _HARD)),
    _spec("figure-4", _ACCURACIES, Cells(("efficientnet_b4",), ("STL-10",), _HARD)),
    _spec("figure-5", _ACCURACIES, Cells(("resnet18",), ("CIFAR-100",), _HARD)),
    _spec("table-1", "Time per iteration", Cells(("resnet18",), ("CIFAR-10",), _HARD, timed=True)),
    _spec("table-2", "Parameters and FLOPs", Cells()),
    _spec("table-3", "CIFAR-10", _table("CIFAR-10")),
    _spec("table-4", "CIFAR-100", _table("CIFAR-100")),
    _spec("table-5", "STL-10", _table("STL-10")),
    _spec("table-6", "Best δ against δ = 1", _table(*SLOTS)),
    _spec("controls", "Is it the loss?", Cells(("resnet18",), ("CIFAR-10",), CONTROLLED)),
    _spec(
        "causes",
        "What makes the difference?",
        Cells(("resnet18",), ("CIFAR-10",), CONTROLLED, schedules=SCHEDULES),
        knobs={"networks": ""},  # of the published protocol the controls differ in more than what they control for
    ),
    _spec(
        "convergence",
        "Does any δ converge first?",
        Cells(("resnet18",), ("CIFAR-10",), _HARD, sound=(_RESHUFFLED,)),
    ),
    _spec("audit", "What follows from what is printed", Cells()),
)
NAMES = tuple(spec.name for spec in SPECS)
