"""What a size of each paper's experiments, of the study of LB and of the contests says."""

import dataclasses
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, ClassVar, Self

from hardsample.config import SCHEDULES
from hardsample.experiments.specs import Profile
from hardsample.methods.specs import BUDGETS
from hardsample.training import letters_cnn


@dataclasses.dataclass(frozen=True, kw_only=True)
class BaseValuesProfile(Profile):
    """A size of paper A's experiments: what its figures vary, and the default of each (section 4.1).

    ``collapsed``: is LB's default reading, which keeps drawing a few examples, shown beside the nearest?
    """

    pretrain_epochs: tuple[float, ...]
    batch_sizes: tuple[int, ...]
    learning_rates: tuple[float, ...]
    defaults: Mapping[str, float]
    network: str = letters_cnn.SPEC.name
    collapsed: bool = True

    @property
    def fields(self) -> dict[str, Any]:
        """What all runs of this size have in common, at the default hyper-parameters."""
        names = ("network", "epochs", "train_examples", "test_examples", "evaluate_train_examples")
        return {name: getattr(self, name) for name in names} | dict(self.defaults)

    def changed(self, **values: float) -> Self:
        """As :meth:`Profile.changed`: the defaults."""
        own = {name: values.pop(name) for name in self.defaults if name in values}
        return super().changed(defaults=dict(self.defaults) | own, **values)


@dataclasses.dataclass(frozen=True, kw_only=True)
class StudyProfile(BaseValuesProfile):
    """A size of what goes beyond paper A's figures: its own number of evaluations, ``long_epochs`` to see
    whether a gain lasts, and the ``whole`` of every study or a part that is computed in a minute.

    ``precision`` is that of its runs unless another is asked for; "" for :meth:`Profile.choose_precision`'s.
    """

    precision: str = ""
    evaluations_per_epoch: float = 1.0
    long_epochs: float = 30.0
    whole: bool = True

    @property
    def fields(self) -> dict[str, Any]:
        """As of paper A's, with the evaluations of an epoch."""
        return super().fields | {"evaluations_per_epoch": self.evaluations_per_epoch}

    def choose_precision(self, asked: str) -> str:
        """The precision asked for, or for "auto" the study's own, where it has one."""
        return super().choose_precision(self.precision if asked == "auto" and self.precision else asked)


@dataclasses.dataclass(frozen=True, kw_only=True)
class LBReadingsProfile(StudyProfile):
    """A size of the study of LB's readings: ``every_setting`` of the paper's, or its defaults alone.

    ``readings`` are those tried; all, where there are none.
    """

    every_setting: bool
    readings: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class HardSamplesProfile(Profile):
    """A size of paper B's experiments; the optimiser is the paper's in all (section 4.1).

    ``networks`` are those of the paper's that are trained unless others are asked for; ``in_place`` is one that is
    trained in the place of each of the paper's, unless some are asked for. ``own`` is what runs in the place of
    one of the paper's data sets have instead. ``shown`` are the curves of one of them, by their
    names; all, where there are none. ``schedules`` are those of the learning rate that are run of what has several.
    """

    batch_size: int
    learning_rate: float
    image_size: int
    networks: tuple[str, ...] = ()
    in_place: str = ""
    own: Mapping[str, Mapping[str, float]] = dataclasses.field(default_factory=dict)
    shown: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    schedules: tuple[str, ...] = SCHEDULES

    test_share: ClassVar[Fraction | None] = Fraction(2, 5)  # evaluations then cost less than a third of an epoch
    evaluated_share: ClassVar[Fraction] = Fraction(1, 5)

    def with_examples(self, examples: int) -> Self:
        """As :meth:`Profile.with_examples`: of every data set, whatever it has of its own."""
        return dataclasses.replace(super().with_examples(examples), own=self._own_without("train_examples"))

    def changed(self, **values: float) -> Self:
        """As :meth:`Profile.changed`: for every data set, whatever it has of its own."""
        return super().changed(own=self._own_without(*values), **values)

    def _own_without(self, *names: str) -> dict[str, dict[str, float]]:
        return {
            slot: {name: value for name, value in having.items() if name not in names}
            for slot, having in self.own.items()
        }


@dataclasses.dataclass(frozen=True, kw_only=True)
class SpreadProfile(HardSamplesProfile):
    """A size of the study of paper B's printed ±, whose training examples do not fill the last mini-batch."""

    evaluations_per_epoch: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class ContestProfile(Profile):
    """A size of a contest of all methods; ``common`` are fields of its runs.

    ``noises`` are the shares of wrong labels, by the learning-rate schedule; ``budgets`` what is held equal.
    ``imbalances`` are the class imbalances, by the schedule too, with right labels and at equal updates alone: of
    ``imbalanced_epochs``, where the examples that stay are so few that the usual epochs would be fewer updates.
    ``methods`` are those that enter, by the names of their curves; all, where there are none.
    """

    noises: Mapping[str, Sequence[float]]
    imbalances: Mapping[str, Sequence[float]] = dataclasses.field(default_factory=dict)
    imbalanced_epochs: float = 0.0
    common: Mapping[str, Any]
    evaluations_per_epoch: float = 0.5
    budgets: tuple[str, ...] = BUDGETS
    methods: tuple[str, ...] = ()

    def with_examples(self, examples: int) -> Self:
        """As :meth:`Profile.with_examples`: so many of imbalanced classes, too."""
        return dataclasses.replace(super().with_examples(examples), imbalanced_epochs=0.0)

    def changed(self, **values: float) -> Self:
        """As :meth:`Profile.changed`."""
        sizes = {"epochs": values.pop("epochs"), "imbalanced_epochs": 0.0} if "epochs" in values else {}
        return super().changed(common={**self.common, **values}, **sizes)
