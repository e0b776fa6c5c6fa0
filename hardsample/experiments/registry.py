"""Every figure and table by name, and the grid of runs that each one needs."""

from collections.abc import Mapping, Sequence
from typing import Any

from hardsample import arguments
from hardsample.config import PRECISIONS
from hardsample.errors import InputError, check_choice, check_value, did_you_mean
from hardsample.experiments import base_values, base_values_studies, hard_samples, lb_study, rivals, spread
from hardsample.experiments.overrides import OVERRIDES, Overrides
from hardsample.experiments.panels import Experiment
from hardsample.experiments.specs import EXPERIMENTS, ExperimentSpec, find_profile

MOST_SEEDS, MOST_EXAMPLES = 1_000, 10_000_000  # what can be meant, and be held in memory
_ALWAYS = ("profile", "data", "seeds", "examples", "precision")  # what every figure lets one choose

for _spec in (
    *(*base_values.SPECS, lb_study.SPEC, *base_values_studies.SPECS),
    *(*hard_samples.SPECS, spread.SPEC, *rivals.SPECS),
):
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
        check_choice("figure", name, (*papers(), *names()), [full.split("/")[-1] for full in names()])
    return fitting[0]


def select(name: str) -> tuple[str, ...]:
    """The full names that one name stands for: all for "", a paper's for "hard-samples", else :func:`resolve`."""
    return names() if not name else papers().get(name) or (resolve(name),)


def grid(
    name: str,
    *,
    profile: str = "quick",
    data: str = "auto",
    seeds: int | None = 0,
    examples: int | None = 0,
    precision: str = "auto",
    learning_rate: float | None = 0.0,
    batch_size: int | None = 0,
    epochs: float | None = 0.0,
    methods: str | None = "",
    **knobs: str,
) -> Experiment:
    """The runs of one figure or table.

    Args:
        name: one of :func:`names`, or its last part where that is enough.
        profile: one of those in :mod:`hardsample.experiments.profiles`.
        data: a data set's name or the path of an .npz file; "auto" for the generated stand-in in the smoke and quick
            profiles and the paper's own data in the others; "stand-in" for the stand-in in any.
        seeds: how many; 0 or None for as many as the profile has.
        examples: at most so many training examples, and evaluations on fewer; 0 or None for as many as the profile has.
        precision: "float32", "bf16", or "auto": bf16 for paper A where the CPU computes in it and the profile is not
            "paper", else float32.
        learning_rate: of every run; 0 or None for the profile's, as for the next two.
        batch_size: examples in a mini-batch.
        epochs: pre-training included.
        methods: some of the figure's, by the names of their curves, joined by commas ("PLB, PEB"); the baseline is
            kept. "" or None for all.
        knobs: what else the figure lets one choose. Paper B's have networks (names joined by commas, "all", or "" for
            the profile's) and protocol ("sound" or "published"); a contest has networks (one name, or "").

    Raises:
        InputError: a value of another type, an unknown name, a number below 1 or above what can be meant, a knob that
            the figure does not have, or one of the last four that it cannot do with
            (:meth:`hardsample.experiments.overrides.Overrides.build`).
    """
    words = {"name": name, "profile": profile, "data": data, "precision": precision, "methods": methods or ""}
    for what, word in (words | knobs).items():
        arguments.text(what, word, "words, as the documentation lists them")
    for what, count, most in (("seeds", seeds, MOST_SEEDS), ("examples", examples, MOST_EXAMPLES)):
        known = 0 <= arguments.whole(what, count or 0, -arguments.MOST, "how many, or 0 for the profile's") <= most
        check_value(what, count, known, f"at least 1 and {most:,} at most, or 0 for as many as the profile has")
    arguments.whole("batch_size", batch_size or 0, -arguments.MOST, "how many, or 0 for the profile's")
    for what, rate in (("learning_rate", learning_rate), ("epochs", epochs)):
        arguments.real(what, rate or 0, "a number, or 0 for the profile's")
    spec = EXPERIMENTS[resolve(name)]
    size = find_profile(spec.sizes, profile)
    check_choice("precision", precision, ("auto", *PRECISIONS))
    _check_choices(spec.name, [spec], knobs)
    size = size.with_examples(examples) if examples else size
    chosen = {"data": data, "seeds": seeds or 0, "precision": size.choose_precision(precision)}
    chosen |= {knob: knobs.get(knob, default) for knob, default in spec.knobs.items()}
    overrides = Overrides(
        learning_rate=learning_rate or 0.0, batch_size=batch_size or 0, epochs=epochs or 0.0, methods=methods or ""
    )
    return overrides.build(spec.name, size, lambda size: spec.grid(spec, profile=size, **chosen))


def grids(figure: str = "", **choices: Any) -> list[Experiment]:
    """The runs of every figure and table that one name stands for, as :func:`grid` gives them of each.

    Args:
        figure: what :func:`select` takes.
        choices: arguments of :func:`grid`; None is the default. One that not all of the figures have is of those alone;
            its default says nothing. A contest's network is its profile's where all figures are asked for.

    Raises:
        InputError: as of :func:`grid`; a choice that none of the figures has.
    """
    specs = [EXPERIMENTS[name] for name in select(figure)]
    given = {name: value for name, value in choices.items() if value is not None}
    _check_choices(figure, specs, given)
    return [_grid_of(spec, reaching(spec, figure, given), alone=len(specs) == 1) for spec in specs]


def reaching(spec: ExperimentSpec, figure: str, choices: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the choices that reach the experiment where ``figure`` is asked for, as :func:`select` takes it."""
    return {name: value for name, value in choices.items() if figure or name not in spec.by_name}


def _grid_of(spec: ExperimentSpec, given: Mapping[str, Any], *, alone: bool) -> Experiment:
    """The grid by those of the choices that it has; unless it is alone, one that trains nothing ignores overrides."""
    known = {name: value for name, value in given.items() if name in (*_ALWAYS, *spec.knobs)}
    changes = {name: value for name, value in given.items() if name in OVERRIDES and value}
    if not changes:
        return grid(spec.name, **known)
    if not alone and not (usual := grid(spec.name, **known)).runs:
        return usual
    return grid(spec.name, **known, **changes)


def _check_choices(figure: str, specs: Sequence[ExperimentSpec], given: Mapping[str, Any]) -> None:
    """Refuse what none of the experiments lets one choose."""
    known = (*_ALWAYS, *OVERRIDES, *dict.fromkeys(knob for spec in specs for knob in spec.knobs))
    defaults = {name: value for spec in EXPERIMENTS.values() for name, value in spec.knobs.items()}
    for name, value in given.items():
        if name not in known and (name not in defaults or value != defaults[name]):
            others = dict.fromkeys(spec.paper for spec in EXPERIMENTS.values() if name in spec.knobs)
            advice = f"choose a figure or table of {' or '.join(others)}" if others else f"give {', '.join(known)}"
            meant = "" if others else did_you_mean(name, known)
            raise InputError(f"{name}{meant} does not apply to {figure or 'any figure'}: leave it out, or {advice}.")
