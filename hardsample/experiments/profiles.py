"""Every profile, the size at which experiments are run: the one place where they are written down."""

from typing import Any

from hardsample.config import SCHEDULES
from hardsample.experiments.profile_types import (
    BaseValuesProfile,
    ContestProfile,
    HardSamplesProfile,
    LBReadingsProfile,
    SpreadProfile,
    StudyProfile,
)
from hardsample.experiments.specs import Profile
from hardsample.methods.loss_based import NEAREST
from hardsample.methods.specs import BUDGETS
from hardsample.training import letters_cnn
from hardsample.training.networks import TITLES

# Paper A. Short budgets take larger learning rates: Adadelta starts slowly, and 200 updates at the paper's would show
# nothing.
_PAPER_A_VALUES = {
    "epochs": 10.0,
    "pretrain_epochs": (0.0, 1.0, 2.0, 5.0),
    "batch_sizes": (4, 32, 1024),
    "learning_rates": (0.1, 0.05, 0.01, 0.001),
    "defaults": {"pretrain_epochs": 2.0, "batch_size": 32, "learning_rate": 0.05},
}
_EASY_LETTERS = {"stand_in": True, "stand_ins": ("easy-letters",)}
BASE_VALUES = (
    BaseValuesProfile(  # every method and column once, in seconds: a test of the whole way, and no result
        of="base-values",
        name="smoke",
        seeds=2,
        train_examples=128,
        test_examples=64,
        evaluate_train_examples=64,
        epochs=4.0,
        pretrain_epochs=(0.0, 0.5, 1.0, 2.0),
        batch_sizes=(8, 16, 64),
        learning_rates=(1.0, 0.5, 0.1, 0.01),
        defaults={"pretrain_epochs": 1.0, "batch_size": 16, "learning_rate": 0.5},
        network="narrow-letters-cnn",
        native_bf16=True,
        **_EASY_LETTERS,
    ),
    # What two cores learn in two minutes, and can tell apart: ten seeds are enough for Holm's test over a figure's
    # methods and metrics, and every figure has its default column and one other.
    BaseValuesProfile(
        of="base-values",
        name="quick",
        seeds=10,
        train_examples=960,
        test_examples=500,
        evaluate_train_examples=250,
        epochs=5.0,
        pretrain_epochs=(0.0, 1.0),
        batch_sizes=(16, 32),
        learning_rates=(2.0, 1.0),
        defaults={"pretrain_epochs": 1.0, "batch_size": 32, "learning_rate": 2.0},
        network="narrow-letters-cnn",
        collapsed=False,
        **_EASY_LETTERS,
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
    _study_of_lb(_QUICK, every_setting=False, evaluations_per_epoch=2.0, readings=(NEAREST, "raw exp/count, no reset")),
    # Seven readings in five settings: three seeds see what stands apart, and evaluations are on fewer examples.
    _study_of_lb(
        _HOUR, every_setting=True, seeds=3, test_examples=4_000, evaluate_train_examples=2_000, precision="float32"
    ),
    # The paper's size, in bf16 for a GPU: what of it is stored is read beside the study.
    _study_of_lb(_PAPER, every_setting=True, evaluations_per_epoch=2.0, precision="bf16"),
)


def _study(like: BaseValuesProfile, **changes: Any) -> StudyProfile:
    """The size of what goes beyond paper A's figures that a size of the figures gives, with some changes."""
    return StudyProfile(**(vars(like) | {"of": "base-values/studies"} | changes))


STUDIES = (
    _study(_SMOKE, long_epochs=6.0),
    _study(_QUICK, evaluations_per_epoch=2.0, long_epochs=10.0, whole=False),
    # As the study of LB at this size, so that runs are shared, with the seeds of the paper.
    _study(_HOUR, test_examples=4_000, evaluate_train_examples=2_000, precision="float32"),
    _study(_PAPER),
)

# Paper B. Short budgets take a larger learning rate and smaller mini-batches, and images as small as CIFAR's.
_EASY_IMAGES = {"stand_in": True, "stand_ins": ("easy-digits", "easy-hundred", "easy-capitals")}
HARD_SAMPLES = (
    HardSamplesProfile(  # every cell once, in seconds: no result
        of="hard-samples",
        name="smoke",
        seeds=1,
        train_examples=40,
        test_examples=32,
        evaluate_train_examples=16,
        epochs=3.0,
        batch_size=8,
        learning_rate=0.02,
        image_size=16,
        in_place="narrow-resnet",
        **_EASY_IMAGES,
    ),
    # What two cores learn in two minutes, and can tell apart, as paper A's; a hundred classes take more images.
    HardSamplesProfile(
        of="hard-samples",
        name="quick",
        seeds=10,
        train_examples=512,
        test_examples=300,
        evaluate_train_examples=200,
        epochs=6.0,
        batch_size=32,
        learning_rate=0.1,
        image_size=16,
        in_place="narrow-resnet",
        own={"CIFAR-100": {"train_examples": 1_600, "epochs": 5.0}},
        shown={
            "CIFAR-10": (
                "δ = 1",
                "δ = 0.5",
                "δ = 0.2",
                "random δ = 0.5",
                "new order",
                "reshuffled",
                "examples δ = 0.5",
            ),
            "CIFAR-100": ("δ = 1", "δ = 0.5"),
            "STL-10": ("δ = 1", "δ = 0.5"),
        },
        schedules=SCHEDULES[:1],
        **_EASY_IMAGES,
    ),
    # A tenth of the paper's updates, on a tenth of its images. Ten seeds are what Holm's test over the controls takes;
    # a seed of ResNet-18 with all of them is 40 minutes of a core or more.
    HardSamplesProfile(
        of="hard-samples",
        name="hour",
        seeds=10,
        train_examples=5_000,
        test_examples=2_000,
        evaluate_train_examples=1_000,
        epochs=10.0,
        batch_size=64,
        learning_rate=0.05,
        image_size=32,
        networks=("resnet18", "mobilenet_v3_small"),  # those of the five that a CPU trains in minutes
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


def _spread(like: HardSamplesProfile, **changes: Any) -> SpreadProfile:
    """The size of the study of the printed ± that a size of paper B's gives, with some changes; one checkpoint."""
    sizes = vars(like) | {"of": "hard-samples/spread", "seeds": 1, "own": {}}
    return SpreadProfile(**(sizes | changes))


_SMOKE, _QUICK, _HOUR, _PAPER = HARD_SAMPLES
SPREAD = (
    _spread(_SMOKE, train_examples=44, evaluations_per_epoch=0.5),
    _spread(
        _QUICK,
        train_examples=240,
        test_examples=200,
        epochs=8.0,
        shown={"CIFAR-10": ("δ = 1", "δ = 0.2")},
        evaluations_per_epoch=0.25,
    ),
    # STL-10's nine mini-batches and remainder. With small images, and evaluations at the start and the end alone,
    # ResNet-18 learns nearly all by heart in an hour; of the learning rates 0.02 and 0.05 it did so sooner at 0.05.
    _spread(
        _HOUR,
        test_examples=8_000,
        epochs=35.0,
        batch_size=512,
        image_size=16,
        networks=("resnet18",),
        evaluations_per_epoch=0.02,
    ),
    _spread(_PAPER, train_examples=5_000, test_examples=8_000, networks=("resnet18",), evaluations_per_epoch=0.1),
)

# The contests. In "hour" the learning rate is that of three (letters 0.2, 0.5, 1; images 0.01, 0.02, 0.05) at which MB
# did best, alone and with a seed that is not among the runs'.
_NO_NOISE = dict.fromkeys(SCHEDULES, (0.0,))
_LITTLE_AND_MUCH = dict.fromkeys(SCHEDULES, (0.0, 0.4))
_ALL_NOISES = dict.fromkeys(SCHEDULES, (0.0, 0.1, 0.2, 0.4))
_LONG_TAIL = {SCHEDULES[0]: (50.0,)}  # of 26 classes it leaves 26 % of as many examples each
_LETTERS = {"network": letters_cnn.SPEC.name, "optimizer": "adadelta", "batch_size": 32}
_IMAGES = {"optimizer": "sgd", "momentum": 0.9}
# Half of ResNet-18's time; initialised as in paper B's own experiments.
_FAST = _IMAGES | {
    "network": "mobilenet_v3_small",
    "learning_rate": 0.05,
    "image_size": 32,
    "initialization": "timm",
}
# In seconds: narrow networks, on easy data.
_NARROW_LETTERS = _LETTERS | {"network": "narrow-letters-cnn", "learning_rate": 2.0}
_NARROW_IMAGES = _IMAGES | {"network": "narrow-resnet", "learning_rate": 0.1, "image_size": 16}
_SOME = ("MB", "PLB", "PEB", "δ = 0.5", "KAKURENBO", "InfoBatch", "OHEM")
LETTERS = (
    ContestProfile(  # every method, with right labels and wrong ones, in seconds: no result
        of="rivals/letters",
        name="smoke",
        native_bf16=True,
        seeds=2,
        train_examples=64,
        test_examples=32,
        evaluate_train_examples=32,
        epochs=2.0,
        noises=dict(zip(SCHEDULES, ((0.0,), (0.4,)), strict=True)),
        common=_NARROW_LETTERS,
        **_EASY_LETTERS,
    ),
    ContestProfile(  # a minute on two cores: some methods in two settings, and seeds enough for Holm's test
        of="rivals/letters",
        name="quick",
        seeds=10,
        train_examples=960,
        test_examples=500,
        evaluate_train_examples=250,
        epochs=5.0,
        noises={SCHEDULES[0]: (0.0,)},
        imbalances=_LONG_TAIL,
        budgets=BUDGETS[:1],
        methods=_SOME,
        common=_NARROW_LETTERS,
        **_EASY_LETTERS,
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
        imbalances=_LONG_TAIL,
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
        imbalances=_LONG_TAIL,
        imbalanced_epochs=38.0,
        common=_LETTERS | {"learning_rate": 0.05},
    ),
)
IMAGES = (
    ContestProfile(  # every method, in seconds: no result
        of="rivals/images",
        name="smoke",
        seeds=1,
        train_examples=32,
        test_examples=16,
        evaluate_train_examples=16,
        epochs=2.0,
        noises=_NO_NOISE,
        common=_NARROW_IMAGES | {"batch_size": 8},
        **_EASY_IMAGES,
    ),
    ContestProfile(  # half a minute on two cores; a tenth of the labels are wrong
        of="rivals/images",
        name="quick",
        seeds=10,
        train_examples=512,
        test_examples=500,
        evaluate_train_examples=256,
        epochs=6.0,
        noises={SCHEDULES[0]: (0.1,)},
        budgets=BUDGETS[:1],
        methods=_SOME,
        common=_NARROW_IMAGES | {"batch_size": 32},
        **_EASY_IMAGES,
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

EVERY: tuple[Profile, ...] = (*BASE_VALUES, *LB_READINGS, *STUDIES, *HARD_SAMPLES, *SPREAD, *LETTERS, *IMAGES)
for _profile in EVERY:
    _profile.register()
