"""A comparison out of its stored trainings, without what it was made of."""

from pathlib import Path
from typing import Any

from hardsample import paths
from hardsample.comparison import trials
from hardsample.comparison.result import Comparison, Setting
from hardsample.comparison.training import Trained
from hardsample.comparison.trials import Trial
from hardsample.errors import InputError

_OF_ONE = ("method", "options", "method_source", "seed")  # what sets the trainings of a comparison apart

Stored = tuple[Trial, Trained, dict[str, Any]]
"""A training, what it gave, and all that its file holds."""


def trainings(name: str, *roots: Path) -> list[Stored]:
    """The trainings of the comparison of that name in these stores; of equal ones that in the first.

    Raises:
        InputError: a file is damaged, or trainings of several comparisons have the name.
    """
    found: dict[str, Stored] = {}
    for root in roots:
        for path in trials.files(root):
            if path.parent.name == name:
                trial, *rest = trials.read(path)
                found.setdefault(trial.key, (trial, *rest))
    alike = {
        trials.digest({key: value for key, value in trial.identity.items() if key not in _OF_ONE})
        for trial, *_ in found.values()
    }
    if len(alike) > 1:
        raise InputError(
            f"{len(alike)} comparisons have the name {name!r} in {' and '.join(map(str, roots))}: compare again under"
            " another name."
        )
    return list(found.values())


def read(name: str, methods: list[str], root: Path | None = None) -> Comparison:
    """The comparison of that name, its methods in that order, of the seeds that all of them have.

    Raises:
        InputError: a method has no stored training, or trainings of several comparisons have the name.
    """
    root = root or paths.runs_dir()
    found = trainings(name, root)
    trained = {(trial.method, trial.seed): result for trial, result, _ in found}
    other = {(trial.method, trial.seed) for trial, _, values in found if trials.is_of_other_code(trial, values)}
    seeds = sorted({seed for _, seed in trained})
    shared = [seed for seed in seeds if all((method, seed) in trained for method in methods)]
    if not shared:
        raise InputError(f"no seed of {name!r} has all of {', '.join(methods)} in {root}: compare them first.")
    about = found[0][2]["about"]
    chosen = [(method, seed) for method in methods for seed in shared]
    return Comparison(
        Setting(**about["setting"]),
        {one: trained[one] for one in chosen},
        frozenset(about["lower"]),
        len(other.intersection(chosen)),
    )
