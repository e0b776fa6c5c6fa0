"""What a reader may change of a figure's runs besides their size: learning rate, mini-batch, epochs and methods.

A changed figure is another experiment: its runs have keys of their own, and its files a folder of their own.
"""

import dataclasses
import re
from collections.abc import Callable

from hardsample.errors import InputError, check_choice, check_names
from hardsample.experiments.panels import Experiment
from hardsample.experiments.specs import Profile

MOST = 1_000_000  # of any of the numbers
WORDS = {"learning_rate": "learning rate", "batch_size": "mini-batches of", "epochs": "epochs"}
_SHORT = {"learning_rate": "lr", "batch_size": "n", "epochs": "epochs"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Overrides:
    """What to change; 0 and "" leave what the profile has.

    ``methods`` are names of curves, as the figure's legend has them, joined by commas ("PLB, PEB"); the baseline is
    always kept, since differences are taken to it.

    Raises:
        InputError: a number is below 0 or not finite, or a name is missing between commas.
    """

    learning_rate: float = 0.0
    batch_size: int = 0
    epochs: float = 0.0
    methods: str = ""

    def __post_init__(self) -> None:
        for name, value in self.numbers.items():
            if not 0 < value <= MOST:
                raise InputError(
                    f"{name} is {value}: give a number above 0, {MOST:,} at most, or 0 for the profile's own."
                )
        if self.methods:
            check_names("methods", self.methods, [part.strip() for part in self.methods.split(",")], once=False)

    @property
    def numbers(self) -> dict[str, float]:
        """The numbers that are asked for, by field."""
        return {name: value for name in WORDS if (value := getattr(self, name))}

    def build(self, name: str, profile: Profile, grid: Callable[[Profile], Experiment]) -> Experiment:
        """The experiment of that name with the changes; ``grid`` gives it at the size of a profile.

        Raises:
            InputError: it trains nothing, varies itself what is to be changed, pre-trains for longer than the epochs,
                or has no such method.
        """
        if self == Overrides():
            return grid(profile)
        usual = grid(profile)
        if not usual.runs:
            raise InputError(f"{name} trains nothing: leave out {', '.join(self.given)}.")
        longest = max(run.pretrain_epochs for run in usual.runs)
        if 0 < self.epochs < longest:
            raise InputError(f"epochs is {self.epochs:g}, and {name} pre-trains for {longest:g}: give at least that.")
        experiment = grid(profile.changed(**self.numbers)) if self.numbers else usual
        for field in ("learning_rate", "batch_size"):
            if field in self.numbers and {getattr(run, field) for run in experiment.runs} != {self.numbers[field]}:
                raise InputError(f"{field} is what {name} varies: leave it out, or choose another figure.")
        if self.methods:
            experiment = _only(experiment, _chosen(self.methods, experiment))
        said = [f"{WORDS[field]} {value:g}" for field, value in self.numbers.items()]
        said += [f"only {', '.join(_names(experiment))}"] * bool(self.methods)
        note = f"{experiment.note}. Changed from the profile: {', '.join(said)}"
        variation = "-".join(filter(None, (experiment.variation, self._variation(experiment))))
        return dataclasses.replace(experiment, note=note, variation=variation)

    @property
    def given(self) -> list[str]:
        """The names of the fields that are asked for."""
        return [*self.numbers, *["methods"] * bool(self.methods)]

    def _variation(self, experiment: Experiment) -> str:
        """A name for a folder: "lr0.1-epochs5-MB-PEB"."""
        parts = [f"{_SHORT[field]}{value:g}" for field, value in self.numbers.items()]
        names = _names(experiment) if self.methods else []
        return "-".join((*parts, *(re.sub(r"[^A-Za-z0-9.]+", "", name.replace("δ", "d")) for name in names)))


OVERRIDES = tuple(field.name for field in dataclasses.fields(Overrides))


def _names(experiment: Experiment) -> list[str]:
    """Every curve's name, once."""
    return list(dict.fromkeys(name for names in experiment.layout.values() for name in names))


def _plain(name: str) -> str:
    """A name as it is compared: case and spaces do not matter, and δ may be written out."""
    return re.sub(r"\s+", "", name).lower().replace("delta", "δ")


def _chosen(methods: str, experiment: Experiment) -> set[str]:
    """The curves that a list joined by commas names, and the baseline; a name may have commas in it."""
    names, chosen, rest = _names(experiment), {experiment.baseline}, f",{_plain(methods)},"
    for name in sorted(names, key=len, reverse=True):
        if (found := f",{_plain(name)},") in rest:
            chosen.add(name)
            rest = rest.replace(found, ",", 1)
    for written in methods.split(","):
        if _plain(written) in filter(None, rest.split(",")):
            check_names("methods", methods, [name for name in names if _plain(name) == _plain(written)] * 2)
            check_choice(f"method of {experiment.name}", written.strip(), names)
    return chosen


def _only(experiment: Experiment, names: set[str]) -> Experiment:
    panels = []
    for panel in experiment.panels:
        runs = tuple(run for run in panel.runs if panel.variant(run) in names)
        own = {run: name for run, name in panel.names.items() if name in names}
        panels.append(dataclasses.replace(panel, runs=runs, names=own))
    rates = {name: rate for name, rate in experiment.rates.items() if name in names}
    return dataclasses.replace(experiment, panels=tuple(panels), rates=rates)
