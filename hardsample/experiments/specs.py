"""What an experiment and its sizes are, each registered under its name: the two ways to add one."""

import dataclasses
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import ClassVar, Self

from hardsample.errors import InputError, check_choice
from hardsample.experiments.panels import Experiment

PROFILES: "dict[str, dict[str, Profile]]" = {}
"""By what they are sizes of, the profiles by name."""
RENAMED = {"small": "hour"}
"""By their former names, which are understood everywhere, the names of profiles."""
EXPERIMENTS: "dict[str, ExperimentSpec]" = {}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Profile:
    """A size of some experiments' runs; of examples, None stands for all that there are.

    ``of`` says whose: a paper ("base-values"), or one experiment that has sizes of its own ("rivals/letters"). Data are
    generated where ``stand_in``, unless others are asked for: ``stand_ins``, one for each of the paper's data sets, or
    those that the catalogue has. ``native_bf16``: train in bf16 where the CPU computes in
    it, unless another precision is asked for.
    """

    of: str
    name: str
    seeds: int
    train_examples: int | None
    test_examples: int | None
    evaluate_train_examples: int | None
    epochs: float
    stand_in: bool = False
    stand_ins: tuple[str, ...] = ()
    native_bf16: bool = False

    # Of the training examples asked for, on how many to evaluate; None: on as many as the profile has.
    test_share: ClassVar[Fraction | None] = None
    evaluated_share: ClassVar[Fraction] = Fraction(1, 4)

    def with_examples(self, examples: int) -> Self:
        """The same on so many training examples, and evaluations on fewer."""
        changes = {"train_examples": examples, "evaluate_train_examples": max(1, int(examples * self.evaluated_share))}
        if self.test_share is not None:
            changes["test_examples"] = max(2, int(examples * self.test_share))
        return dataclasses.replace(self, **changes)

    def changed(self, **values: float) -> Self:
        """The same with another ``learning_rate``, ``batch_size`` or ``epochs`` of its runs."""
        return dataclasses.replace(self, **values)

    def choose_precision(self, asked: str) -> str:
        """The precision asked for, or the profile's own for "auto"."""
        if asked != "auto":
            return asked
        return "bf16" if self.native_bf16 and computes_in_bf16() else "float32"

    def register(self) -> None:
        """Let it be chosen by its name.

        Raises:
            InputError: another profile of the same experiments has the name.
        """
        if PROFILES.setdefault(self.of, {}).setdefault(self.name, self) != self:
            raise InputError(f"profile {self.name!r} of {self.of} is another one already: give yours another name.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExperimentSpec:
    """A figure or table: its full name, its title, and the runs that it is drawn from.

    ``name`` is "paper/figure": where its notebook lies under ``notebooks/`` and its outputs under ``figures/``.
    ``grid`` is called with this spec and with what was chosen: ``grid(spec, profile=, data=, seeds=, precision=)``, and
    the ``knobs``, which map the names of what else can be chosen to the defaults; those ``by_name`` reach it where it
    or its paper is asked for by name, and not where all figures are. ``profile`` is a :class:`Profile` whose ``of`` is
    ``sizes``, with the number of examples asked for; ``seeds`` is 0 for the profile's; ``precision`` is
    never "auto"; ``data`` is for :meth:`hardsample.experiments.panels.PaperData.sources`.
    """

    name: str
    title: str
    grid: Callable[..., Experiment]
    sizes: str
    knobs: Mapping[str, str] = dataclasses.field(default_factory=dict)
    by_name: tuple[str, ...] = ()

    @property
    def paper(self) -> str:
        """The first part of the name."""
        return self.name.split("/")[0]

    @property
    def profiles(self) -> Mapping[str, Profile]:
        """Its profiles by name."""
        return PROFILES.get(self.sizes, {})

    def register(self) -> None:
        """Let it be run and drawn by its name.

        Raises:
            InputError: the name is not "paper/figure", or is another's.
        """
        if len(list(filter(None, self.name.split("/")))) != 2 or self.name.count("/") != 1:
            raise InputError(f"experiment {self.name!r} has no name of two parts: call it paper/figure.")
        if EXPERIMENTS.setdefault(self.name, self) != self:
            raise InputError(f"experiment {self.name!r} is another one already: give yours another name.")


def find_profile(of: str, name: str) -> Profile:
    """The profile of that name of these experiments.

    Raises:
        InputError: they have none of that name.
    """
    known = PROFILES.get(of, {})
    name = name if name in known else RENAMED.get(name, name)
    check_choice("profile", name, known)
    return known[name]


def written_name(name: str) -> str:
    """What the columns of tables call a profile: by its first name, so that new rows are like the old ones."""
    return next((former for former, now in RENAMED.items() if now == name), name)


def computes_in_bf16() -> bool:
    """Whether this machine's CPU computes in bf16."""
    flags = Path("/proc/cpuinfo")
    return flags.exists() and any(name in flags.read_text() for name in ("avx512_bf16", "amx_bf16"))
