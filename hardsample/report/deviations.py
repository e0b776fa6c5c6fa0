"""Where this package had to choose: what the papers leave open, and what is done otherwise.

:mod:`hardsample.report.deviation_effects` adds what each choice changes, and writes the table of all.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

PAPERS = {"A": "Paper A (base values)", "B": "Paper B (hard mini-batches)"}
_PERSISTENT, _HARD = ("PLB", "PEB"), ("HMB", "RMB", "HE")
METHODS = {"A": ("MB", "SMB", "LB", *_PERSISTENT), "B": (*_HARD, "FMB")}
"""The methods of each paper."""


@dataclasses.dataclass(frozen=True)
class Deviation:
    """A choice: ``paper`` "A" or "B", what it ``says`` (with the section), and what is done ``here``.

    ``default`` maps options to their default values, ``others`` are other values of theirs: fields of
    :class:`hardsample.Run`, or options of the ``methods`` that are named. Without ``default`` there is no option.
    """

    paper: str
    question: str
    says: str
    here: str
    default: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    others: tuple[Mapping[str, Any], ...] = ()
    methods: tuple[str, ...] = ()


DEVIATIONS = (
    Deviation(
        "A",
        "Data",
        "EMNIST letters, 124,800 / 20,800 (4.1)",
        "read where its archive is at hand; another set takes its place under a name of its own, never under this one",
    ),
    Deviation(
        "A",
        "γ = 0.95",
        "Adadelta, and γ = 0.95 (4.1); Adadelta has no γ",
        "Adadelta's ρ. The other reading is a factor of the learning rate after every epoch: so the MNIST example of"
        " PyTorch has it (StepLR's γ), which network and optimiser match layer for layer",
        {"rho": 0.95, "learning_rate_decay": 1.0},
        ({"rho": 0.9, "learning_rate_decay": 0.95},),
    ),
    Deviation(
        "A",
        "Smallest learning rate",
        "0.01 (4.1), 0.001 (4.2.4)",
        "both: Figure 4 has a fourth column",
    ),
    Deviation(
        "A",
        "Learning-rate schedule",
        "none is named",
        "constant",
        {"learning_rate_schedule": "constant"},
        ({"learning_rate_schedule": "cosine"},),
    ),
    Deviation("A", "Augmentation, weight decay", "none is named", "none"),
    Deviation(
        "A",
        "Input scaling",
        "nothing",
        "pixels from 0 to 1, no mean or deviation taken out",
        {"input_scaling": "unit"},
        ({"input_scaling": "standard"},),
    ),
    Deviation(
        "A",
        "Ends of epochs (MB)",
        "nothing",
        "no short mini-batch: one epoch's order follows another's, and an epoch is N/n updates",
    ),
    Deviation(
        "A",
        "Start of the repetitions",
        "the fine-tuning is executed 12 times (4)",
        "every seed has its own network and pre-training, which its methods share",
        {"pretrain_start": "own"},
        ({"pretrain_start": "shared"},),
    ),
    Deviation(
        "A",
        "Optimiser after the pre-training",
        "nothing",
        "fresh",
        {"pretrain_optimizer_state": "fresh"},
        ({"pretrain_optimizer_state": "carried"},),
    ),
    Deviation(
        "A",
        "When is an example scored?",
        "newly calculated after the training step (3.1)",
        "before the update, from the step's own logits, which costs no forward pass",
        {"score": "before"},
        ({"score": "after"},),
        _PERSISTENT,
    ),
    Deviation(
        "A",
        "Dropout while scoring",
        "nothing",
        "as the step's own logits have it: on before the update, off after it, and off in the first scoring of all"
        " examples",
        {"score_dropout": None},
        ({"score_dropout": False}, {"score_dropout": True}),
        _PERSISTENT,
    ),
    Deviation(
        "A",
        "An example twice in a mini-batch",
        "draws are independent (eq. 3); which of two scores stays is not said",
        "the last one's; or none comes twice, drawn one after another in proportion to what is left",
        {"distinct": False},
        ({"distinct": True},),
        _PERSISTENT,
    ),
    Deviation(
        "A",
        "A base value of 0",
        "base values are positive (3); in float32 an entropy can be 0, and the example would never come again",
        "none falls below a floor",
        {"floor": 1e-8},
        ({"floor": 1e-4},),
        _PERSISTENT,
    ),
    Deviation(
        "A",
        "LB: what a mini-batch writes into the vector of probabilities, and draws from it",
        "the optimal method of Duda et al. 2020 (4), not defined",
        "a reading, not shown to be the paper's: its utilities, normalised to what the whole vector sums to; draws"
        " without replacement, by rounds of draws with it or by exponential keys, the same distribution by other random"
        " numbers. What the study of the readings found is in lb-readings",
        {"write": "normalized", "draws": "rounds"},
        ({"draws": "keys"}, {"write": "kept", "draws": "keys"}, {"write": "raw", "draws": "keys"}),
        ("LB",),
    ),
    Deviation(
        "A",
        "LB: utility of an example",
        "not defined",
        "tanh(loss) / times drawn",
        {"utility": "tanh/count"},
        ({"utility": "exp/count"}, {"utility": "exp"}),
        ("LB",),
    ),
    Deviation(
        "A",
        "LB: the reset",
        "a drift detector was the crucial step of Duda et al. 2020 (3)",
        "a CUSUM of the monitored loss's falls less α; above a threshold the vector is uniform again",
        {"alpha": 0.01, "threshold": 0.1, "reset": True, "alarm": "fall"},
        ({"reset": False}, {"alarm": "rise"}),
        ("LB",),
    ),
    Deviation(
        "A",
        "LB: the monitor",
        "on elements not seen during training (2)",
        "a share of the training set, never drawn, looked at every so many steps; or the mini-batch's own loss, which"
        " costs nothing",
        {"monitor": "held-out", "held_out": 0.02, "monitor_every": 50},
        ({"monitor": "mini-batch"}, {"monitor_every": 1}, {"held_out": 0.005, "monitor_every": 1}),
        ("LB",),
    ),
    Deviation(
        "A",
        "LB: the smallest probability",
        "nothing",
        "a floor, relative to a sum of about 1",
        {"floor": 1e-30},
        ({"floor": 1e-8},),
        ("LB",),
    ),
    Deviation(
        "A",
        "Length of a training",
        "10 epochs (4.2.3); whether the pre-training is in them is not said",
        "10 epochs of N/n updates, pre-training included",
    ),
    Deviation(
        "A",
        "Spacing of evaluations",
        "throughout the learning process (4)",
        "twice an epoch",
        {"evaluations_per_epoch": 2.0},
        ({"evaluations_per_epoch": 10.0},),
    ),
    Deviation(
        "A",
        "Examples that train metrics are measured on",
        "the training dataset (4)",
        "all in the `paper` profile, a fixed subset in the others, with dropout off and weights as they are",
        {"evaluate_train_examples": None},
        ({"evaluate_train_examples": 3_000},),
    ),
    Deviation(
        "A",
        "Precision",
        "nothing; PyTorch's own is float32",
        "float32 in the `paper` profile unless `PRECISION` says otherwise, as every figure tells; in the others bf16"
        " products where the CPU computes in them",
        {"precision": "float32"},
        ({"precision": "bf16"}, {"precision": "tf32"}),
    ),
    Deviation(
        "B",
        "Data",
        "CIFAR-10, CIFAR-100, STL-10 (4.2)",
        "read where their archives, or all of CIFAR-100 in an .npz, are at hand; copies have names of their own",
    ),
    Deviation(
        "B",
        "Image size",
        'images "cropped to the image size 128²" (4.2), which is larger than they are',
        "resized to 128x128, bilinearly (`small`, `quick`: 32x32)",
        {"image_size": None},
        ({"image_size": 128},),
    ),
    Deviation("B", "Input scaling", "nothing", "pixels from 0 to 1, less ImageNet's mean, by its deviation"),
    Deviation("B", "Augmentation, weight decay", "none is named", "none"),
    Deviation(
        "B",
        "Learning-rate schedule",
        "an initial learning rate of 0.005 (4.1); no schedule is named",
        "constant",
        {"learning_rate_schedule": "constant"},
        ({"learning_rate_schedule": "cosine"},),
    ),
    Deviation(
        "B",
        "Networks",
        "timm's (4.1)",
        "torchvision's, made equal to timm's: no dropout, no stochastic depth, batch normalisation with eps 1e-5 and"
        " momentum 0.1, last scale of a ResNet block 0 at first",
    ),
    Deviation(
        "B",
        "Initialisation of EfficientNets and MobileNet",
        "timm's networks (4.1), whose rule divides the fan-out of a depthwise convolution by its groups",
        "timm's rule in the experiments of paper B; in the contest of all methods on images too, but for its"
        " `small` profile, whose runs have torchvision's, as its figure and tables say",
        {"initialization": "torchvision"},
        ({"initialization": "timm"},),
    ),
    Deviation(
        "B",
        "Which examples form a mini-batch?",
        "N mini-batches (3); whether they are shuffled is not said",
        "one shuffle, the seed's, also at δ = 1 (`published`: the data's own order)",
        {"shuffle": True},
        ({"shuffle": False},),
        _HARD,
    ),
    Deviation(
        "B",
        "Examples that fill no mini-batch",
        "nothing",
        "a short mini-batch (`published`: never trained)",
        {"drop_last": False},
        ({"drop_last": True},),
        (*_HARD, "FMB"),
    ),
    Deviation(
        "B",
        "Length of a round",
        "δ × N (Algorithm 2), no whole number in general; the indices 0 to δ × N, both included, are one more",
        "δN on average, the fraction carried on, so that all make E N updates (`published`: int(δN))",
        {"round_length": "carried"},
        ({"round_length": "truncated"},),
        _HARD,
    ),
    Deviation(
        "B",
        "Number of rounds",
        "ζ = (E - 1) / δ (eq. 2), no whole number in general",
        "as many as the budget of E N updates has (`published`: int(ζ), as the pseudo-code can do, and fewer updates)",
        {"rounds": 0},
        ({"rounds": 123},),
        _HARD,
    ),
    Deviation(
        "B",
        "Order within a round",
        "sorted by loss, highest first (Algorithm 2)",
        "highest first (`published`: as in the data, by which its printed numbers seem to have been made)",
        {"walk": "loss"},
        ({"walk": "data"},),
        ("HMB", "RMB"),
    ),
    Deviation(
        "B",
        "Batch normalisation in evaluation",
        "nothing",
        "running statistics (`published`: those of the mini-batch evaluated)",
        {"evaluation_statistics": "running"},
        ({"evaluation_statistics": "batch"},),
    ),
    Deviation(
        "B",
        "What metrics are means over",
        "averaged over the mini-batches (3.1)",
        "examples (`published`: mini-batches, a short one like the others)",
        {"evaluation_average": "examples"},
        ({"evaluation_average": "mini-batches"},),
    ),
    Deviation(
        "B",
        "Spacing of evaluations",
        "every N iterations at δ = 1, every 1/δ below, without a unit (4.3)",
        "as stated below every table, for all δ alike",
        {"evaluations_per_epoch": 2.0},
        ({"evaluations_per_epoch": 1.0}, {"evaluations_per_epoch": 0.5}),
    ),
    Deviation(
        "B",
        "Images that train metrics are measured on",
        "the N mini-batches (3.1)",
        "a fixed subset, as the note of each table says (`published`: all)",
        {"evaluate_train_examples": None},
        ({"evaluate_train_examples": 5_000},),
    ),
    Deviation(
        "B",
        "±",
        "a 95 % confidence interval (4.3); over what is not said",
        "a t interval over seeds (`published`: over the mini-batches of one checkpoint of one seed)",
    ),
    Deviation(
        "B",
        "Choice of the best δ (Table 6)",
        "the best of three by the test accuracy that is reported",
        "chosen on one half of the test set, reported on the other (`published`: as the paper)",
    ),
    Deviation(
        "B",
        "e, the epoch in which the training loss converges",
        "not defined (Table 3)",
        "the first evaluation from which on the loss stays within 5 % of its whole fall from its last value",
    ),
    Deviation(
        "B",
        "E",
        "not printed; the largest e is 100",
        "100 epochs of N updates in the `paper` profile",
    ),
    Deviation(
        "B",
        "Time per iteration (Table 1)",
        "average time per iteration; whether test passes are in it is not said",
        "choosing, forward and backward pass and update, no evaluation",
    ),
    Deviation(
        "B",
        "Precision",
        "nothing; on an A100 PyTorch's convolutions are TF32 unless told otherwise",
        "float32 (IEEE's, on a GPU too)",
        {"precision": "float32"},
        ({"precision": "tf32"}, {"precision": "bf16"}),
    ),
)
"""Every choice, paper A's first, in the order in which a training meets them."""
NO_DEVIATION = {
    "data": "named in every figure",
    "method": "what is compared",
    "seed": "what is repeated",
    "options": "those of the method, here one by one",
    "network": "the papers' own",
    "optimizer": "the papers' own",
    "learning_rate": "a hyper-parameter that the papers name",
    "momentum": "a hyper-parameter that paper B names",
    "batch_size": "a hyper-parameter that the papers name",
    "epochs": "the size of a profile, said in every figure",
    "pretrain_epochs": "a hyper-parameter that paper A names",
    "train_examples": "the size of a profile, said in every figure",
    "test_examples": "the size of a profile, said in every figure",
    "loss": "beyond the papers; their own is the default",
    "focal_gamma": "beyond the papers; of the focal loss alone",
    "label_noise": "beyond the papers; none is the default",
    "class_imbalance": "beyond the papers; the classes as they are is the default",
    "detail": "what is kept of a run, not how it is trained",
    "delta": "a hyper-parameter that paper B names",
    "uniform": "beyond the papers; none is the default",
    "beta": "beyond the papers; their own is the default",
    "power": "beyond the papers; none is the default",
    "clip": "beyond the papers; none is the default",
    "refresh_every": "beyond the papers; never is the default",
}
"""Fields of Run and options of the papers' methods that are no deviation, and why."""
