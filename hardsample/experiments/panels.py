"""What an experiment is: the runs behind one figure or table, in panels, and the words said of them."""

import dataclasses
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Self

from hardsample.config import Run
from hardsample.data import catalogue
from hardsample.data.dataset import name_of
from hardsample.methods.registry import METHODS
from hardsample.numerals import count


@dataclasses.dataclass(frozen=True)
class Panel:
    """One column of a figure or block of a table: its title and its runs, method by method and seed by seed.

    ``network`` and ``slot`` (the paper's data set that the panel's stands for, "CIFAR-10") say which cell of paper B's
    tables it is; ``setting`` is what sets it apart in a contest of all methods: schedule, noise, imbalance and budget.
    ``names`` are of runs that :func:`variant` alone would not tell apart.
    """

    title: str
    runs: tuple[Run, ...]
    network: str = ""
    slot: str = ""
    setting: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    names: Mapping[Run, str] = dataclasses.field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Panel({self.title}: {count(len(self.runs), 'run')})"

    def variant(self, run: Run) -> str:
        """What the curve of one of its runs is called."""
        return self.names.get(run) or variant(run)


@dataclasses.dataclass(frozen=True)
class Experiment:
    """One figure's or table's runs, and the words that it says of them.

    ``sources`` maps the name of each data set to what it is loaded from, ``own`` names the paper's own data, and
    ``folder`` is where outputs go: the names of the data, "" for the usual stand-ins. ``baseline`` is the
    :func:`variant` that the others are compared with. ``timed`` are runs whose updates are timed and nothing
    else. ``costs`` are the methods' measured training times relative to the baseline's, ``rates`` the mean factors of
    those that change the learning rate. ``metric_titles`` are what the paper calls the metrics that it does not call by
    their columns' names, ``epochs_title`` what it calls its epochs. ``variation`` is a short
    name of what a reader changed of its runs, "" for nothing (:mod:`hardsample.experiments.overrides`).
    """

    name: str
    title: str
    panels: tuple[Panel, ...]
    profile: str
    sources: Mapping[str, str]
    own: tuple[str, ...]
    note: str
    baseline: str
    folder: str = ""
    protocol: str = ""
    timed: tuple[Run, ...] = ()
    costs: Mapping[str, float] = dataclasses.field(default_factory=dict)
    rates: Mapping[str, float] = dataclasses.field(default_factory=dict)
    metric_titles: Mapping[str, str] = dataclasses.field(default_factory=dict)
    epochs_title: str = "epochs"
    variation: str = ""

    def __repr__(self) -> str:
        runs = count(len(self.runs), "run")
        return f"Experiment({self.name}: {self.title}, profile {self.profile}, data {self.data}, {runs})"

    @property
    def runs(self) -> tuple[Run, ...]:
        """Every run once, in the order of the panels."""
        return tuple(dict.fromkeys(run for panel in self.panels for run in panel.runs))

    @property
    def data(self) -> str:
        """The names of the data sets, for people."""
        return ", ".join(self.sources)

    @property
    def stand_in(self) -> bool:
        """Whether data are generated."""
        return any(map(catalogue.is_stand_in, self.sources))

    @property
    def substitute(self) -> bool:
        """Whether known data, neither generated nor the paper's own, are in the paper's place; your own are not."""
        others = set(self.sources) - set(self.own)
        return bool(self.folder) and any(map(catalogue.is_built_in, others))

    @property
    def in_place(self) -> bool:
        """Whether data are taken in the place of the paper's: generated ones, or a known set."""
        return self.stand_in or self.substitute

    @property
    def layout(self) -> dict[str, tuple[str, ...]]:
        """Every panel's variants, by its title."""
        return {panel.title: tuple(dict.fromkeys(map(panel.variant, panel.runs))) for panel in self.panels}

    @property
    def cells(self) -> dict[str, tuple[str, str]]:
        """Every panel's (network, slot), by its title."""
        return {panel.title: (panel.network, panel.slot) for panel in self.panels}

    @property
    def settings(self) -> dict[str, Mapping[str, Any]]:
        """Every panel's setting, by its title."""
        return {panel.title: panel.setting for panel in self.panels}

    @property
    def measured(self) -> tuple[int | None, ...]:
        """The numbers of examples that train metrics are measured on, None for all of those trained on."""
        return tuple(dict.fromkeys(map(_measured, self.runs)))

    @property
    def tested(self) -> tuple[int | None, ...]:
        """The numbers of examples that test metrics are of, None where it is not known."""
        return tuple(dict.fromkeys(map(_tested, self.runs)))


def _measured(run: Run) -> int | None:
    examples, most = run.evaluate_train_examples, run.train_examples
    return None if examples is None or (most is not None and examples >= most) else examples


def _tested(run: Run) -> int | None:
    """The whole of a data set known by name, or what is asked for of it; a stand-in is made to what is asked for."""
    known = catalogue.DATASETS.get(run.data)
    if known is None or known.generate:
        return run.test_examples if known else None
    return min(known.tests, run.test_examples or known.tests) if known.tests else None


def variant(run: Run) -> str:
    """What a run's curve is called: its method, or what sets it apart within paper B or among the rivals."""
    if run.method == "MB" and run.loss == "focal":
        return "focal"
    spec = METHODS.get(run.method)
    return spec.curve(run.options) if spec else run.method


@dataclasses.dataclass(frozen=True)
class PaperData:
    """A paper's own data sets, and by the same order what is generated in the place of each."""

    own: tuple[str, ...]
    stand_ins: tuple[str, ...]

    @classmethod
    def of(cls, paper: str) -> Self:
        """Those that the catalogue of data sets has of the paper now."""
        return cls(catalogue.paper_data(paper), catalogue.stand_ins(paper))

    def sources(self, choice: str, *, stand_in: bool, stand_ins: Sequence[str] = ()) -> dict[str, str]:
        """The source for each of the paper's own data sets, in their order, by what the ``data`` knob says.

        "stand-in" is the stand-in, and "auto" too in a profile that generates its data (``stand_in``), else the paper's
        own; everything else is a source of :func:`hardsample.data.dataset.load`. ``stand_ins`` are a profile's, in the
        place of the usual ones.
        """
        if choice == "auto":
            choice = "stand-in" if stand_in else "own"
        if choice in ("stand-in", "own"):
            stand_ins = stand_ins or self.stand_ins
            return dict(zip(self.own, stand_ins if choice == "stand-in" else self.own, strict=True))
        return dict.fromkeys(self.own, choice)

    def folder(self, chosen: Mapping[str, str], stand_ins: Sequence[str] = ()) -> str:
        """The names of the data, which outputs have a folder by; "" for the usual stand-ins, whose outputs are trials.

        ``chosen`` maps each of the paper's own data sets to what is loaded in its place. A stand-in that is not among a
        profile's ``stand_ins`` has a folder, too.
        """
        names = {name_of(source) for source in chosen.values()}
        return "-".join(sorted(names - {*(stand_ins or self.stand_ins)}))


def named(chosen: Mapping[str, str]) -> Mapping[str, str]:
    """Sources by the name of the data set, each once."""
    return MappingProxyType({name_of(source): source for source in chosen.values()})


def amount(how_many: int | None, things: str) -> str:
    """So many of a data set's things in words: "5,000 training images", or "all training images" for None."""
    return f"all {things}" if how_many is None else count(how_many, things.removesuffix("s"))
