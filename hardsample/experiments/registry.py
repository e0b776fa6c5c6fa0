"""Every figure and table by name, and the grid of runs that each one needs."""

from hardsample.config import PRECISIONS
from hardsample.errors import InputError, check_choice
from hardsample.experiments import base_values, hard_samples, lb_study, rivals
from hardsample.experiments.panels import Experiment

PAPERS = {
    base_values.PAPER: (*base_values.NAMES, lb_study.NAME),
    hard_samples.PAPER: hard_samples.NAMES,
    rivals.PAPER: rivals.NAMES,
}
NAMES = tuple(name for names in PAPERS.values() for name in names)
PROFILES = tuple(base_values.PROFILES)


def resolve(name: str) -> str:
    """The full name of a figure or table from its full or its last part ("table-3").

    Raises:
        InputError: nothing, or more than one thing, is called so.
    """
    fitting = [full for full in NAMES if name in (full, full.split("/")[-1])]
    if len(fitting) > 1:
        raise InputError(f"figure {name!r} stands for {' and '.join(fitting)}: write one of them in full.")
    if not fitting:
        check_choice("figure", name, (*PAPERS, *NAMES))
    return fitting[0]


def select(name: str) -> tuple[str, ...]:
    """The full names that one name stands for: all for "", a paper's for "hard-samples", else :func:`resolve`."""
    return NAMES if not name else PAPERS.get(name) or (resolve(name),)


def grid(
    name: str,
    *,
    profile: str = "quick",
    data: str = "auto",
    seeds: int | None = None,
    examples: int | None = None,
    precision: str = "auto",
    networks: str = "",
    protocol: str = "sound",
) -> Experiment:
    """The runs of one figure or table.

    Args:
        name: one of ``NAMES``, or its last part where that is enough.
        profile: one of ``PROFILES``.
        data: a data set's name or the path of an .npz file; "auto" for the generated stand-in in the smoke and quick
            profiles and the paper's own data in the others; "stand-in" for the stand-in in any.
        seeds: how many; None or 0 for as many as the profile has.
        examples: at most so many training examples, and evaluations on fewer; None or 0 for as many as the profile has.
        precision: "float32", "bf16", or "auto": bf16 for paper A where the CPU computes in it and the profile is not
            "paper", else float32.
        networks: paper B's: names joined by commas, "all", or "" for the profile's.
        protocol: paper B's, "sound" or "published".

    Raises:
        InputError: an unknown name, or a number below 1.
    """
    name = resolve(name)
    check_choice("profile", profile, PROFILES)
    check_choice("precision", precision, ("auto", *PRECISIONS))
    for what, number in (("seeds", seeds), ("examples", examples)):
        if number is not None and number < 0:
            raise InputError(f"{what} is {number}: give at least 1, or 0 for as many as the profile has.")
    arguments = (name, profile, data, seeds or 0, examples or 0, precision)
    if name in rivals.NAMES:
        return rivals.grid(*arguments)
    if name == lb_study.NAME:
        return lb_study.grid(*arguments)
    if name in base_values.NAMES:
        return base_values.grid(*arguments)
    return hard_samples.grid(*arguments, networks, protocol)
