"""Paper A's grids: the runs behind each of its figures, at the size that a profile sets."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hardsample.config import Run
from hardsample.data.dataset import name_of
from hardsample.experiments.panels import Experiment, Panel, amount, named, sources, substitute
from hardsample.methods.loss_based import NEAREST, READINGS

PAPER = "base-values"
COLLAPSED = "LB, collapsed"  # its default reading, which keeps drawing a few examples; shown once
_OPTIONS = {"LB": ("LB", READINGS[NEAREST]), COLLAPSED: ("LB", {})}


@dataclasses.dataclass(frozen=True)
class Profile:
    """A size of paper A's grid; in every tuple the default comes at the place the paper has it."""

    seeds: int
    train_examples: int | None
    test_examples: int | None
    evaluate_train_examples: int | None
    epochs: float
    pretrain_epochs: tuple[float, float, float, float]
    batch_sizes: tuple[int, int, int]
    learning_rates: tuple[float, ...]
    native_bf16: bool  # bf16 where the CPU computes in it

    @property
    def fields(self) -> dict[str, Any]:
        """What all runs of this size have in common, at section 4.1's default hyper-parameters."""
        names = ("epochs", "train_examples", "test_examples", "evaluate_train_examples")
        return {name: getattr(self, name) for name in names} | self.defaults

    @property
    def defaults(self) -> dict[str, float]:
        """Section 4.1's default hyper-parameters."""
        return {
            "pretrain_epochs": self.pretrain_epochs[2],
            "batch_size": self.batch_sizes[1],
            "learning_rate": self.learning_rates[1],
        }


# Short budgets take larger learning rates: Adadelta starts slowly, and 200 updates at the paper's would show nothing.
PROFILES = {
    "smoke": Profile(2, 200, 64, 64, 4.0, (0.0, 0.5, 1.0, 2.0), (8, 16, 64), (1.0, 0.5, 0.1, 0.01), True),
    "quick": Profile(3, 640, 320, 320, 10.0, (0.0, 1.0, 2.0, 5.0), (8, 32, 128), (1.0, 0.5, 0.1, 0.01), True),
    "small": Profile(
        12, 12_000, None, 3_000, 10.0, (0.0, 1.0, 2.0, 5.0), (4, 32, 1024), (0.1, 0.05, 0.01, 0.001), True
    ),
    "paper": Profile(12, None, None, None, 10.0, (0.0, 1.0, 2.0, 5.0), (4, 32, 1024), (0.1, 0.05, 0.01, 0.001), False),
}


def _one_column(methods: Sequence[str]) -> Callable:
    def columns(profile: Profile) -> list[tuple[str, Sequence[str], dict]]:
        return [("default hyper-parameters", methods, {})]

    return columns


def _varying(field: str, values: str, title: Callable[[float], str]) -> Callable:
    def columns(profile: Profile) -> list[tuple[str, Sequence[str], dict]]:
        return [(title(value), ("MB", "LB", "PEB"), {field: value}) for value in getattr(profile, values)]

    return columns


def _pretraining(epochs: float) -> str:
    return f"pre-training {epochs:g} epoch{'s' * (epochs != 1)}"


_FIGURES: dict[str, tuple[str, Callable]] = {
    "base-values/figure-1": ("Persistent methods", _one_column(("MB", "PLB", "PEB"))),
    "base-values/figure-2": (
        "Length of the pre-training",
        _varying("pretrain_epochs", "pretrain_epochs", _pretraining),
    ),
    "base-values/figure-3": ("Mini-batch size", _varying("batch_size", "batch_sizes", "n = {}".format)),
    "base-values/figure-4": ("Learning rate", _varying("learning_rate", "learning_rates", "α = {:g}".format)),
    "base-values/draws": ("Which examples are drawn", _one_column(("MB", "SMB", "LB", COLLAPSED, "PLB", "PEB"))),
}
NAMES = tuple(_FIGURES)


def grid(name: str, profile: str, data: str, seeds: int, examples: int, precision: str) -> Experiment:
    """The runs of one figure; the arguments are those of :func:`hardsample.experiments.registry.grid`, checked."""
    size = with_examples(PROFILES[profile], examples)
    precision = settled(precision, size.native_bf16)
    chosen = sources(PAPER, data, profile)
    title, columns = _FIGURES[name]
    common = size.fields | {"data": name_of(*chosen.values()), "precision": precision}
    panels = tuple(
        panel(
            heading, {shown: _OPTIONS.get(shown, (shown, {})) for shown in methods}, seeds or size.seeds, common | own
        )
        for heading, methods, own in columns(size)
    )
    return Experiment(
        name,
        title,
        panels,
        profile,
        sources=named(chosen),
        own=tuple(chosen),
        note=_note(profile, size, precision, lb=any("LB" in panel.names.values() for panel in panels)),
        baseline="MB",
        folder=substitute(PAPER, chosen),
    )


def with_examples(size: Any, examples: int) -> Any:
    """A profile on so many training examples, and evaluations on fewer; 0 for as many as it has."""
    if not examples:
        return size
    return dataclasses.replace(size, train_examples=examples, evaluate_train_examples=max(1, examples // 4))


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


def settled(precision: str, native_bf16: bool) -> str:
    """The precision behind "auto": bf16 where it is wanted and this machine's CPU computes in it, else float32."""
    if precision != "auto":
        return precision
    flags = Path("/proc/cpuinfo")
    native = flags.exists() and any(name in flags.read_text() for name in ("avx512_bf16", "amx_bf16"))
    return "bf16" if native_bf16 and native else "float32"


def _note(profile: str, size: Profile, precision: str, *, lb: bool) -> str:
    """The size of the runs in words, for the foot of a figure."""
    train = amount(size.train_examples, "training examples")
    defaults = size.defaults
    return (
        f"profile {profile}: {train}, {size.epochs:g} epochs, pre-training included; unless a column says otherwise "
        f"{_pretraining(defaults['pretrain_epochs'])}, n = {defaults['batch_size']}, "
        f"α = {defaults['learning_rate']:g}; {precision}"
        + (f". LB is not defined in the paper: this is the reading nearest to what it says, {NEAREST}" if lb else "")
    )
