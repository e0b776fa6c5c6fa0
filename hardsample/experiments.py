"""What each figure needs: the grids of runs, at the size that a profile sets."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

from hardsample.configuration import Run
from hardsample.data import name_of
from hardsample.errors import InputError, check_choice


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
    "paper": Profile(12, None, None, None, 10.0, (0.0, 1.0, 2.0, 5.0), (4, 32, 1024), (0.1, 0.05, 0.01, 0.001), False),
}


@dataclasses.dataclass(frozen=True)
class Panel:
    """One column of a figure: its title and its runs, method by method and seed by seed."""

    title: str
    runs: tuple[Run, ...]


@dataclasses.dataclass(frozen=True)
class Experiment:
    """One figure's runs, and the words that the figure says of them."""

    name: str
    title: str
    panels: tuple[Panel, ...]
    profile: str
    data: str
    note: str

    @property
    def runs(self) -> tuple[Run, ...]:
        """Every run once, in the order of the panels."""
        return tuple(dict.fromkeys(run for panel in self.panels for run in panel.runs))


def _one_column(methods: Sequence[str]) -> Callable:
    def columns(profile: Profile) -> list[tuple[str, Sequence[str], dict]]:
        return [("default hyper-parameters", methods, {})]

    return columns


def _varying(field: str, values: str, title: str) -> Callable:
    def columns(profile: Profile) -> list[tuple[str, Sequence[str], dict]]:
        return [(title.format(value), ("MB", "LB", "PEB"), {field: value}) for value in getattr(profile, values)]

    return columns


_FIGURES: dict[str, tuple[str, Callable]] = {
    "base-values/figure-1": ("Persistent methods", _one_column(("MB", "PLB", "PEB"))),
    "base-values/figure-2": (
        "Length of the pre-training",
        _varying("pretrain_epochs", "pretrain_epochs", "pre-training {:g} epochs"),
    ),
    "base-values/figure-3": ("Mini-batch size", _varying("batch_size", "batch_sizes", "n = {}")),
    "base-values/figure-4": ("Learning rate", _varying("learning_rate", "learning_rates", "α = {:g}")),
    "base-values/draws": ("Which examples are drawn", _one_column(("MB", "SMB", "LB", "PLB", "PEB"))),
}
NAMES = tuple(_FIGURES)


def resolve(name: str) -> str:
    """The full name of an experiment from its full or its last part ("figure-2").

    Raises:
        InputError: no experiment, or more than one, is called so.
    """
    fitting = [full for full in NAMES if name in (full, full.split("/")[-1])]
    if len(fitting) > 1:
        raise InputError(f"figure {name!r} stands for {' and '.join(fitting)}: write one of them in full.")
    if not fitting:
        check_choice("figure", name, NAMES)
    return fitting[0]


def grid(
    name: str,
    *,
    profile: str = "quick",
    data: str = "glyphs",
    seeds: int | None = None,
    examples: int | None = None,
    precision: str = "auto",
) -> Experiment:
    """The runs of one figure.

    Args:
        name: one of ``NAMES``, or its last part.
        profile: one of ``PROFILES``.
        data: a data set's name or the path of an .npz file.
        seeds: how many; None or 0 for as many as the profile has.
        examples: at most so many training examples, and the training metrics on a quarter of them; None or 0 for as
            many as the profile has, where "paper" means all.
        precision: "float32", "bf16", or "auto": float32 in the paper profile, else bf16 where the CPU computes in it.

    Raises:
        InputError: an unknown name, or a number below 1.
    """
    name = resolve(name)
    check_choice("profile", profile, PROFILES)
    for what, number in (("seeds", seeds), ("examples", examples)):
        if number is not None and number < 0:
            raise InputError(f"{what} is {number}: give at least 1, or 0 for as many as the profile has.")
    size = PROFILES[profile]
    if examples:
        size = dataclasses.replace(size, train_examples=examples, evaluate_train_examples=max(1, examples // 4))
    title, columns = _FIGURES[name]
    common = {
        "data": name_of(data),
        "precision": _precision(size) if precision == "auto" else precision,
        "epochs": size.epochs,
        "train_examples": size.train_examples,
        "test_examples": size.test_examples,
        "evaluate_train_examples": size.evaluate_train_examples,
    }
    panels = tuple(
        Panel(
            heading,
            tuple(
                Run(method=method, seed=seed, **(common | size.defaults | chosen))
                for method in methods
                for seed in range(1, (seeds or size.seeds) + 1)
            ),
        )
        for heading, methods, chosen in columns(size)
    )
    return Experiment(name, title, panels, profile, common["data"], _note(profile, size, common["precision"]))


def _precision(profile: Profile) -> str:
    return "bf16" if profile.native_bf16 and _cpu_computes_in_bf16() else "float32"


def _cpu_computes_in_bf16() -> bool:
    flags = Path("/proc/cpuinfo")
    return flags.exists() and any(name in flags.read_text() for name in ("avx512_bf16", "amx_bf16"))


def _note(profile: str, size: Profile, precision: str) -> str:
    """The size of the runs in words, for the foot of a figure."""
    train = "all training examples" if size.train_examples is None else f"{size.train_examples:,} training examples"
    defaults = size.defaults
    return (
        f"profile {profile}: {train}, {size.epochs:g} epochs; unless a column says otherwise pre-training "
        f"{defaults['pretrain_epochs']:g} epochs, n = {defaults['batch_size']}, α = {defaults['learning_rate']:g}; "
        f"{precision}"
    )
