"""Every profile, the size at which experiments are run: the one place where they are written down."""

import dataclasses
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, ClassVar, Self

from hardsample.config import SCHEDULES
from hardsample.experiments.specs import Profile
from hardsample.training import letters_cnn
from hardsample.training.networks import TITLES


@dataclasses.dataclass(frozen=True, kw_only=True)
class BaseValuesProfile(Profile):
    """A size of paper A's experiments; in every tuple the default comes at the place the paper has it."""

    pretrain_epochs: tuple[float, float, float, float]
    batch_sizes: tuple[int, int, int]
    learning_rates: tuple[float, float, float, float]

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

    def changed(self, **values: float) -> Self:
        """As :meth:`Profile.changed`: the default among those that the figures vary."""
        fields = {"learning_rate": "learning_rates", "batch_size": "batch_sizes"}
        varied = {name: values.pop(name) for name in fields if name in values}
        for name, value in varied.items():
            first, _, *others = getattr(self, fields[name])
            values[fields[name]] = (first, value, *others)
        return super().changed(**values)


@dataclasses.dataclass(frozen=True, kw_only=True)
class LBReadingsProfile(BaseValuesProfile):
    """A size of the study of LB's readings: ``every_setting`` of the paper's, or its defaults alone.

    ``precision`` is that of its runs unless another is asked for; "" for :meth:`Profile.choose_precision`'s.
    """

    every_setting: bool
    precision: str
    evaluations_per_epoch: float

    def choose_precision(self, asked: str) -> str:
        """The precision asked for, or for "auto" the study's own, where it has one."""
        return super().choose_precision(self.precision if asked == "auto" and self.precision else asked)


@dataclasses.dataclass(frozen=True, kw_only=True)
class HardSamplesProfile(Profile):
    """A size of paper B's experiments; the optimiser is the paper's in all (section 4.1).

    ``networks`` are those trained unless others are asked for; ``own`` is what one of them has instead.
    """

    batch_size: int
    learning_rate: float
    image_size: int
    networks: tuple[str, ...]
    own: Mapping[str, Mapping[str, float]] = dataclasses.field(default_factory=dict)

    test_share: ClassVar[Fraction | None] = Fraction(2, 5)  # evaluations then cost less than a third of an epoch
    evaluated_share: ClassVar[Fraction] = Fraction(1, 5)

    def changed(self, **values: float) -> Self:
        """As :meth:`Profile.changed`: for every network, whatever it has of its own."""
        own = {
            network: {name: value for name, value in having.items() if name not in values}
            for network, having in self.own.items()
        }
        return super().changed(own=own, **values)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ContestProfile(Profile):
    """A size of a contest of all methods; ``common`` are fields of its runs.

    ``noises`` are the shares of wrong labels, by the learning-rate schedule.
    """

    noises: Mapping[str, Sequence[float]]
    common: Mapping[str, Any]
    evaluations_per_epoch: float = 0.5

    def changed(self, **values: float) -> Self:
        """As :meth:`Profile.changed`."""
        sizes = {"epochs": values.pop("epochs")} if "epochs" in values else {}
        return super().changed(common={**self.common, **values}, **sizes)


# Paper A. Short budgets take larger learning rates: Adadelta starts slowly, and 200 updates at the paper's would show
# nothing.
_PAPER_A_VALUES = {
    "epochs": 10.0,
    "pretrain_epochs": (0.0, 1.0, 2.0, 5.0),
    "batch_sizes": (4, 32, 1024),
    "learning_rates": (0.1, 0.05, 0.01, 0.001),
}
_FAST_VALUES = {"learning_rates": (1.0, 0.5, 0.1, 0.01), "native_bf16": True, "stand_in": True}
BASE_VALUES = (
    BaseValuesProfile(  # every method and column once, in seconds: a test of the whole way, and no result
        of="base-values",
        name="smoke",
        seeds=2,
        train_examples=200,
        test_examples=64,
        evaluate_train_examples=64,
        epochs=4.0,
        pretrain_epochs=(0.0, 0.5, 1.0, 2.0),
        batch_sizes=(8, 16, 64),
        **_FAST_VALUES,
    ),
    BaseValuesProfile(  # all figures in a few minutes on two cores; 200 updates at the default, enough to learn letters
        of="base-values",
        name="quick",
        seeds=3,
        train_examples=640,
        test_examples=320,
        evaluate_train_examples=320,
        epochs=10.0,
        pretrain_epochs=(0.0, 1.0, 2.0, 5.0),
        batch_sizes=(8, 32, 128),
        **_FAST_VALUES,
    ),
    BaseValuesProfile(  # the paper's settings and seeds on a tenth of its letters: about an hour on two cores
        of="base-values",
        name="hour",
        seeds=12,
        train_examples=12_000,
        test_examples=None,
        evaluate_train_examples=3_000,
        native_bf16=True,
        **_PAPER_A_VALUES,
    ),
    BaseValuesProfile(  # sections 4.1 and 4.2 as they stand
        of="base-values",
        name="paper",
        seeds=12,
        train_examples=None,
        test_examples=None,
        evaluate_train_examples=None,
        **_PAPER_A_VALUES,
    ),
)


def _study_of_lb(
    like: BaseValuesProfile, every_setting: bool, evaluations_per_epoch: float = 1.0, **changes: Any
) -> LBReadingsProfile:
    """The size of the study that a size of paper A's figures gives, with some changes."""
    sizes = vars(like) | {"of": "base-values/lb-readings", "precision": ""} | changes
    return LBReadingsProfile(every_setting=every_setting, evaluations_per_epoch=evaluations_per_epoch, **sizes)


_SMOKE, _QUICK, _HOUR, _PAPER = BASE_VALUES
LB_READINGS = (
    _study_of_lb(_SMOKE, every_setting=False),  # the other settings tell nothing in so few updates
    _study_of_lb(_QUICK, every_setting=False),
    # Seven readings in five settings: three seeds see what stands apart, and evaluations are on fewer examples.
    _study_of_lb(
        _HOUR, every_setting=True, seeds=3, test_examples=4_000, evaluate_train_examples=2_000, precision="float32"
    ),
    # The paper's size, in bf16 for a GPU: what of it is stored is read beside the study.
    _study_of_lb(_PAPER, every_setting=True, evaluations_per_epoch=2.0, precision="bf16"),
)

# Paper B. Short budgets take a larger learning rate and smaller mini-batches, and images as small as CIFAR's.
_TWO = ("resnet18", "mobilenet_v3_small")  # those of the five that a CPU trains in minutes
HARD_SAMPLES = (
    HardSamplesProfile(  # every cell of two networks once, in seconds: no result
        of="hard-samples",
        name="smoke",
        stand_in=True,
        seeds=1,
        train_examples=40,
        test_examples=32,
        evaluate_train_examples=16,
        epochs=3.0,
        batch_size=8,
        learning_rate=0.02,
        image_size=32,
        networks=_TWO,
    ),
    HardSamplesProfile(  # minutes on two cores
        of="hard-samples",
        name="quick",
        stand_in=True,
        seeds=3,
        train_examples=320,
        test_examples=96,
        evaluate_train_examples=96,
        epochs=6.0,
        batch_size=32,
        learning_rate=0.02,
        image_size=32,
        networks=_TWO,
        own={"mobilenet_v3_small": {"epochs": 16.0, "learning_rate": 0.05}},  # it learns later, and is cheap
    ),
    HardSamplesProfile(  # a tenth of the paper's updates, on a tenth of its images: an hour or more on two cores
        of="hard-samples",
        name="hour",
        seeds=3,
        train_examples=5_000,
        test_examples=2_000,
        evaluate_train_examples=1_000,
        epochs=10.0,
        batch_size=64,
        learning_rate=0.05,
        image_size=32,
        networks=_TWO,
    ),
    HardSamplesProfile(  # section 4.1 as it stands; train metrics of 5,000 images cost a tenth of an epoch and no more
        of="hard-samples",
        name="paper",
        seeds=3,
        train_examples=None,
        test_examples=None,
        evaluate_train_examples=5_000,
        epochs=100.0,
        batch_size=512,
        learning_rate=0.005,
        image_size=128,
        networks=tuple(TITLES),
    ),
)

# The contests. In "hour" the learning rate is that of three (letters 0.2, 0.5, 1; images 0.01, 0.02, 0.05) at which MB
# did best, alone and with a seed that is not among the runs'.
_NO_NOISE = dict.fromkeys(SCHEDULES, (0.0,))
_LITTLE_AND_MUCH = dict.fromkeys(SCHEDULES, (0.0, 0.4))
_ALL_NOISES = dict.fromkeys(SCHEDULES, (0.0, 0.1, 0.2, 0.4))
_LETTERS = {"network": letters_cnn.SPEC.name, "optimizer": "adadelta", "batch_size": 32}
_IMAGES = {"optimizer": "sgd", "momentum": 0.9}
# Half of ResNet-18's time; initialised as in paper B's own experiments.
_FAST = _IMAGES | {
    "network": "mobilenet_v3_small",
    "learning_rate": 0.05,
    "image_size": 32,
    "initialization": "timm",
}
LETTERS = (
    ContestProfile(  # every method in every setting, in seconds: no result
        of="rivals/letters",
        name="smoke",
        stand_in=True,
        native_bf16=True,
        seeds=2,
        train_examples=64,
        test_examples=32,
        evaluate_train_examples=32,
        epochs=2.0,
        noises=_LITTLE_AND_MUCH,
        common=_LETTERS | {"learning_rate": 1.0},
    ),
    ContestProfile(  # a minute on two cores
        of="rivals/letters",
        name="quick",
        stand_in=True,
        native_bf16=True,
        seeds=3,
        train_examples=256,
        test_examples=128,
        evaluate_train_examples=128,
        epochs=4.0,
        noises=_LITTLE_AND_MUCH,
        common=_LETTERS | {"learning_rate": 1.0},
    ),
    ContestProfile(  # an hour on two cores; paper A's 12 seeds are enough for Holm's test over all methods
        of="rivals/letters",
        name="hour",
        native_bf16=True,
        seeds=12,
        train_examples=1_024,
        test_examples=1_000,
        evaluate_train_examples=250,
        epochs=6.0,
        noises=_ALL_NOISES,
        common=_LETTERS | {"learning_rate": 0.5},
    ),
    ContestProfile(  # paper A's budget
        of="rivals/letters",
        name="paper",
        seeds=12,
        train_examples=None,
        test_examples=None,
        evaluate_train_examples=5_000,
        epochs=10.0,
        noises=_ALL_NOISES,
        common=_LETTERS | {"learning_rate": 0.05},
    ),
)
IMAGES = (
    ContestProfile(  # every method, in seconds: no result
        of="rivals/images",
        name="smoke",
        stand_in=True,
        seeds=1,
        train_examples=32,
        test_examples=16,
        evaluate_train_examples=16,
        epochs=2.0,
        noises=_NO_NOISE,
        common=_FAST | {"batch_size": 8},
    ),
    ContestProfile(  # a minute on two cores
        of="rivals/images",
        name="quick",
        stand_in=True,
        seeds=2,
        train_examples=96,
        test_examples=48,
        evaluate_train_examples=48,
        epochs=2.0,
        noises=_NO_NOISE,
        common=_FAST | {"batch_size": 16},
    ),
    ContestProfile(  # an hour on two cores; its stored runs have torchvision's initialisation
        of="rivals/images",
        name="hour",
        seeds=3,
        train_examples=640,
        test_examples=1_000,
        evaluate_train_examples=250,
        epochs=5.0,
        noises=_LITTLE_AND_MUCH,
        common=_FAST | {"batch_size": 32, "initialization": "torchvision"},
    ),
    ContestProfile(  # paper B's budget and its ResNet-18
        of="rivals/images",
        name="paper",
        seeds=3,
        train_examples=None,
        test_examples=None,
        evaluate_train_examples=5_000,
        epochs=100.0,
        evaluations_per_epoch=0.2,
        noises=_ALL_NOISES,
        common=_IMAGES | {"network": "resnet18", "learning_rate": 0.005, "image_size": 128, "batch_size": 512},
    ),
)

for _profile in (*BASE_VALUES, *LB_READINGS, *HARD_SAMPLES, *LETTERS, *IMAGES):
    _profile.register()
