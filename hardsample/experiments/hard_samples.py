"""Paper B's grids: the runs behind each of its figures and tables, at the size that a profile sets."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from hardsample.config import Run
from hardsample.data.catalogue import paper_data, stand_ins
from hardsample.data.dataset import name_of
from hardsample.errors import check_choice
from hardsample.experiments.panels import Experiment, Panel, amount, named, sources, substitute
from hardsample.methods.hard_mini_batches import whole_rounds
from hardsample.methods.registry import option_names
from hardsample.training.networks import INITIALIZED_BY_LIBRARY, TITLES

PAPER = "hard-samples"
DELTAS = (1.0, 0.8, 0.5, 0.2)
SLOTS = dict(zip(("CIFAR-10", "CIFAR-100", "STL-10"), paper_data(PAPER), strict=True))
EXAMPLES = {"CIFAR-10": 50_000, "CIFAR-100": 50_000, "STL-10": 5_000}  # that the paper trains on
PROTOCOLS = ("sound", "published")
TWO = ("resnet18", "mobilenet_v3_small")


@dataclasses.dataclass(frozen=True)
class Profile:
    """A size of paper B's grid; the optimiser is the paper's in all (section 4.1), its learning rate the profile's."""

    seeds: int
    train_examples: int | None
    test_examples: int | None
    evaluate_train_examples: int | None
    epochs: float
    batch_size: int
    learning_rate: float
    image_size: int
    networks: tuple[str, ...]
    own: Mapping[str, Mapping[str, float]] = dataclasses.field(default_factory=dict)  # what a network has instead


_SLOW = {"mobilenet_v3_small": {"epochs": 16.0, "learning_rate": 0.05}}  # it learns later, and is cheap
# Short budgets take a larger learning rate and smaller mini-batches: "small" makes a tenth of the updates of "paper".
PROFILES = {
    "smoke": Profile(1, 40, 32, 16, 3.0, 8, 0.02, 32, TWO),
    "quick": Profile(3, 320, 96, 96, 6.0, 32, 0.02, 32, TWO, _SLOW),
    "small": Profile(3, 5_000, 2_000, 1_000, 10.0, 64, 0.05, 32, TWO),
    "paper": Profile(3, None, None, 5_000, 100.0, 512, 0.005, 128, tuple(TITLES)),
}
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

_HARD = tuple(("HMB", {"delta": delta}) for delta in DELTAS)
_TABLED = (*_HARD, ("FMB", {}))  # the last one is what the sound protocol's tables compare with, beside δ = 1
_CONTROLS = (
    *(("RMB", {"delta": delta}) for delta in DELTAS[2:]),
    ("RMB", {"delta": 1.0, "walk": "drawn"}),
    ("FMB", {}),
    ("HE", {"delta": 0.5}),
)

_ALL = tuple(TITLES)
_CELLS: dict[str, tuple[str, Sequence[str], Sequence[str], Sequence[tuple[str, Mapping[str, Any]]]]] = {
    "figure-1": ("Convergence of the training loss", ("resnet18",), ("CIFAR-10",), _HARD),
    "figure-2": ("The two training methods", (), (), ()),
    "figure-3": ("Training and test accuracy", ("resnet18",), ("CIFAR-10",), _HARD),
    "figure-4": ("Training and test accuracy", ("efficientnet_b4",), ("STL-10",), _HARD),
    "figure-5": ("Training and test accuracy", ("resnet18",), ("CIFAR-100",), _HARD),
    "table-1": ("Time per iteration", (), (), ()),
    "table-2": ("Parameters and FLOPs", (), (), ()),
    "table-3": ("CIFAR-10", _ALL, ("CIFAR-10",), _TABLED),
    "table-4": ("CIFAR-100", _ALL, ("CIFAR-100",), _TABLED),
    "table-5": ("STL-10", _ALL, ("STL-10",), _TABLED),
    "table-6": ("Best δ against δ = 1", _ALL, tuple(SLOTS), _TABLED),
    "controls": ("Is it the loss?", ("resnet18",), ("CIFAR-10",), (*_HARD, *_CONTROLS)),
    "audit": ("What follows from what is printed", (), (), ()),
}
NAMES = tuple(f"{PAPER}/{name}" for name in _CELLS)


def grid(
    name: str, profile: str, data: str, seeds: int, examples: int, precision: str, networks: str, protocol: str
) -> Experiment:
    """The runs of one figure or table; the arguments are those of :func:`hardsample.experiments.registry.grid`,
    checked.

    Raises:
        InputError: an unknown network or protocol.
    """
    check_choice("protocol", protocol, PROTOCOLS)
    size = PROFILES[profile]
    if examples:  # and evaluations that cost less than a third of an epoch
        size = dataclasses.replace(
            size,
            train_examples=examples,
            test_examples=max(2, examples * 2 // 5),
            evaluate_train_examples=max(1, examples // 5),
        )
    precision = "float32" if precision == "auto" else precision
    count = seeds or (1 if protocol == "published" else size.seeds)
    wanted = _networks(networks) or size.networks
    chosen = dict(zip(SLOTS, sources(PAPER, data, profile).values(), strict=True))
    title, rows, slots, methods = _CELLS[name.split("/")[1]]
    if protocol == "published" and methods is _TABLED:
        methods = _HARD
    if len(slots) > 1 and len(set(chosen.values())) == 1:
        slots = [_home(name_of(chosen["CIFAR-10"]))]  # one data set has one place
    panels = tuple(
        Panel(
            f"{TITLES[network]}, {name_of(chosen[slot])}",
            tuple(
                _run(size, network, name_of(chosen[slot]), slot, method, options, seed, precision, protocol)
                for method, options in methods
                for seed in range(1, count + 1)
                if network in wanted
            ),
            network,
            slot,
        )
        for slot in slots
        for network in rows
    )
    timed = ()
    if name == f"{PAPER}/table-1":
        slots = ("CIFAR-10",)
        source = name_of(chosen["CIFAR-10"])
        timed = tuple(_run(size, "resnet18", source, "CIFAR-10", *hard, 1, precision, protocol) for hard in _HARD)
    used = {slot: chosen[slot] for slot in slots}
    return Experiment(
        name,
        title,
        panels,
        profile,
        sources=named(used),
        own=tuple(SLOTS[slot] for slot in slots),
        note=_note(profile, size, precision, protocol),
        baseline="δ = 1",
        folder=substitute(PAPER, {SLOTS[slot]: source for slot, source in used.items()}),
        protocol=protocol,
        timed=timed,
    )


def _run(
    size: Profile,
    network: str,
    data: str,
    slot: str,
    method: str,
    options: Mapping[str, Any],
    seed: int,
    precision: str,
    protocol: str,
) -> Run:
    many_tests = size.test_examples is None and slot == "STL-10"  # 8,000, and 5,000 training images
    evaluated = 1_000 if many_tests else size.evaluate_train_examples
    values: dict[str, Any] = {"epochs": size.epochs, "learning_rate": size.learning_rate} | size.own.get(network, {})
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
        batch_size=size.batch_size,
        train_examples=size.train_examples,
        test_examples=size.test_examples,
        image_size=size.image_size,
        precision=precision,
        **values,
    )


def _networks(networks: str) -> tuple[str, ...]:
    names = tuple(TITLES) if networks == "all" else tuple(part.strip() for part in networks.split(",") if part.strip())
    for network in names:
        check_choice("network of paper B", network, ("all", *TITLES))
    return names


def _home(data: str) -> str:
    """The slot that a data set belongs into."""
    for slot, own, stand_in in zip(SLOTS, paper_data(PAPER), stand_ins(PAPER), strict=True):
        if data in (own, stand_in):
            return slot
    return "CIFAR-10"


def _note(profile: str, size: Profile, precision: str, protocol: str) -> str:
    """The size of the runs in words, for the foot of a figure."""
    sizes = f"{amount(size.train_examples, 'training images')}, {amount(size.test_examples, 'test images')}"
    own = "".join(
        f" ({TITLES[network]}: {values['epochs']:g} epochs, {values['learning_rate']:g})"
        for network, values in size.own.items()
    )
    ending = ", below δ = 1 of int(ζ) rounds of int(δN) updates" if protocol == "published" else ""
    return (
        f"profile {profile}: {sizes}, resized to {size.image_size}x{size.image_size}, n = {size.batch_size}, "
        f"SGD with momentum 0.9, {size.epochs:g} epochs at learning rate {size.learning_rate:g}{own}; "
        f"{protocol} protocol{ending}; {precision}"
    )
