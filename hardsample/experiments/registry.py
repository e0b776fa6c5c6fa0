"""Every figure and table by name, and the grid of runs that each one needs."""

from collections.abc import Iterable, Sequence
from typing import Any

from hardsample.config import PRECISIONS
from hardsample.errors import InputError, check_choice
from hardsample.experiments import base_values, hard_samples, lb_study, rivals
from hardsample.experiments.panels import Experiment
from hardsample.experiments.specs import EXPERIMENTS, ExperimentSpec, find_profile

_ALWAYS = ("profile", "data", "seeds", "examples", "precision")  # what every figure lets one choose

for _spec in (*base_values.SPECS, lb_study.SPEC, *hard_samples.SPECS, *rivals.SPECS):
    _spec.register()


def papers() -> dict[str, tuple[str, ...]]:
    """The full names of every paper's figures and tables, those of one paper after another."""
    found: dict[str, list[str]] = {}
    for name, spec in EXPERIMENTS.items():
        found.setdefault(spec.paper, []).append(name)
    return {paper: tuple(names) for paper, names in found.items()}


def names() -> tuple[str, ...]:
    """The full names of all figures and tables, paper by paper."""
    return tuple(name for own in papers().values() for name in own)


def profiles() -> tuple[str, ...]:
    """The names of the profiles that every figure and table has, from the smallest to the papers' own."""
    every = [spec.profiles for spec in EXPERIMENTS.values()]
    return tuple(name for name in every[0] if all(name in own for own in every))


def resolve(name: str) -> str:
    """The full name of a figure or table from its full or its last part ("table-3").

    Raises:
        InputError: nothing, or more than one thing, is called so.
    """
    fitting = [full for full in names() if name in (full, full.split("/")[-1])]
    if len(fitting) > 1:
        raise InputError(f"figure {name!r} stands for {' and '.join(fitting)}: write one of them in full.")
    if not fitting:
        check_choice("figure", name, (*papers(), *names()))
    return fitting[0]


def select(name: str) -> tuple[str, ...]:
    """The full names that one name stands for: all for "", a paper's for "hard-samples", else :func:`resolve`."""
    return names() if not name else papers().get(name) or (resolve(name),)


def grid(
    name: str,
    *,
    profile: str = "quick",
    data: str = "auto",
    seeds: int | None = None,
    examples: int | None = None,
    precision: str = "auto",
    **knobs: str,
) -> Experiment:
    """The runs of one figure or table.

    Args:
        name: one of :func:`names`, or its last part where that is enough.
        profile: one of those in :mod:`hardsample.experiments.profiles`.
        data: a data set's name or the path of an .npz file; "auto" for the generated stand-in in the smoke and quick
            profiles and the paper's own data in the others; "stand-in" for the stand-in in any.
        seeds: how many; None or 0 for as many as the profile has.
        examples: at most so many training examples, and evaluations on fewer; None or 0 for as many as the profile has.
        precision: "float32", "bf16", or "auto": bf16 for paper A where the CPU computes in it and the profile is not
            "paper", else float32.
        knobs: what else the figure lets one choose. Paper B's have networks (names joined by commas, "all", or "" for
            the profile's) and protocol ("sound" or "published").

    Raises:
        InputError: an unknown name, a number below 1, or a knob that the figure does not have.
    """
    spec = EXPERIMENTS[resolve(name)]
    size = find_profile(spec.sizes, profile)
    check_choice("precision", precision, ("auto", *PRECISIONS))
    for what, number in (("seeds", seeds), ("examples", examples)):
        if number is not None and number < 0:
            raise InputError(f"{what} is {number}: give at least 1, or 0 for as many as the profile has.")
    _check_choices(spec.name, [spec], knobs)
    size = size.with_examples(examples) if examples else size
    return spec.grid(
        spec,
        profile=size,
        data=data,
        seeds=seeds or 0,
        precision=size.choose_precision(precision),
        **(dict(spec.knobs) | knobs),
    )


def grids(figure: str = "", **choices: Any) -> list[Experiment]:
    """The runs of every figure and table that one name stands for, as :func:`grid` gives them of each.

    Args:
        figure: what :func:`select` takes.
        choices: arguments of :func:`grid`; None is the default. One that not all of the figures have is of those alone.

    Raises:
        InputError: as of :func:`grid`; a choice that none of the figures has.
    """
    specs = [EXPERIMENTS[name] for name in select(figure)]
    given = {name: value for name, value in choices.items() if value is not None}
    _check_choices(figure, specs, given)
    return [
        grid(spec.name, **{name: value for name, value in given.items() if name in (*_ALWAYS, *spec.knobs)})
        for spec in specs
    ]


def _check_choices(figure: str, specs: Sequence[ExperimentSpec], given: Iterable[str]) -> None:
    """Refuse what none of the experiments lets one choose."""
    known = (*_ALWAYS, *dict.fromkeys(knob for spec in specs for knob in spec.knobs))
    for name in given:
        if name not in known:
            others = dict.fromkeys(spec.paper for spec in EXPERIMENTS.values() if name in spec.knobs)
            advice = f"choose a figure or table of {' or '.join(others)}" if others else f"give {', '.join(known)}"
            raise InputError(f"{name} does not apply to {figure or 'any figure'}: leave it out, or {advice}.")
