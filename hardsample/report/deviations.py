"""Where this package had to choose: what the papers leave open, and what is done otherwise, in one table.

Each choice has what the paper says, what is done here, the option that changes it, and, where runs of both are stored,
what it changes. ``python -m hardsample.report.deviations`` writes the table into ``figures/``.
"""

import dataclasses
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from hardsample import paths
from hardsample.config import Run
from hardsample.data import catalogue
from hardsample.errors import InputError
from hardsample.experiments import base_values, hard_samples
from hardsample.methods.loss_based import NEAREST, READINGS, reading
from hardsample.records import ASPECTS, StoredRun, check_fingerprints, made, unlike
from hardsample.report import markup, stats
from hardsample.runs.store import Store
from hardsample.training import networks

PAPERS = {"A": "Paper A (base values)", "B": "Paper B (hard mini-batches)"}
_FOLDERS = {"A": base_values.PAPER, "B": hard_samples.PAPER}
_HEADER = ("question", "the paper", "here", "option", "default", "other values", "effect of the other value")
METRICS = {"acc/val": "test accuracy", "loss/val": "test loss"}  # at the end of training
COLUMNS = (
    *("paper", "question", "says", "here", "option", "default", "other"),
    *("data", "network", "method", "train_examples", "epochs", "n"),
    *("devices", "unlike", "metric", "difference", "low", "high"),
)

_PERSISTENT, _HARD = ("PLB", "PEB"), ("HMB", "RMB", "HE")
_METHODS = {"A": ("MB", "SMB", "LB", *_PERSISTENT), "B": (*_HARD, "FMB")}


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
    Deviation("A", "Input scaling", "nothing", "pixels from 0 to 1, no mean or deviation taken out"),
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
        "the last one's",
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
    "delta": "a hyper-parameter that paper B names",
    "uniform": "beyond the papers; none is the default",
    "beta": "beyond the papers; their own is the default",
    "refresh_every": "beyond the papers; never is the default",
}
"""Fields of Run and options of the papers' methods that are no deviation, and why."""


def table(store: Store | None = None) -> pd.DataFrame:
    """One row per choice, other value, setting and metric that stored runs tell of; one per choice where none do.

    A pair is two runs of a seed that differ in this choice alone, the other value minus the default. Only runs with
    true labels and the cross-entropy count, of the choice's paper: its methods and, for paper A, its network.

    - ``says``, ``here``; ``option``, ``default``, ``other``: names and values as text, "" where there is no option.
    - ``data``, ``network``, ``method`` (LB with its reading), ``train_examples``, ``epochs``: the setting; ``n``: pairs
      of seeds in it, 0 where none are stored; ``devices``: what they were computed on; ``unlike``: in which of device,
      precision, torch and code (:func:`hardsample.records.made`) the two of a pair differ beside the choice, in
      words, "" for none.
    - ``metric``: a key of ``METRICS``; ``difference``: mean over seeds; ``low``, ``high``: its 95 % t interval, NaN
      from one pair.

    Raises:
        InputError: one data set's runs were made with different data.
    """
    found = {record.run: record for record in (store or Store()).records()}
    check_fingerprints((run, record.provenance) for run, record in found.items())
    rows = []
    for deviation in DEVIATIONS:
        about = {name: getattr(deviation, name) for name in ("paper", "question", "says")}
        about["here"] = _here(deviation)
        about |= {"option": _option(deviation), "default": _values(deviation.default, deviation)}
        others = "; ".join(_values(other, deviation) for other in deviation.others)
        effects = list(_effects(deviation, found))
        rows += [about | effect for effect in effects] or [about | {"other": others, "n": 0}]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def markdown(rows: pd.DataFrame) -> str:
    """The table for readers: a block for each paper, a line for each choice; effects in test accuracy."""
    parts = ["**What the papers leave open, and what is done otherwise here.**", _notes()]
    for paper, title in PAPERS.items():
        lines = []
        for _, choice in rows[rows.paper == paper].groupby("question", sort=False):
            first = choice.iloc[0]
            others = "; ".join(dict.fromkeys(choice.other))
            effect = _effect(choice) if first.option else ""
            lines.append((first.question, first.says, first.here, first.option, first.default, others, effect))
        parts += [f"**{title}**", markup.markdown_table(_HEADER, lines)]
    return "\n\n".join(parts) + "\n"


def save(rows: pd.DataFrame, stem: Path) -> tuple[Path, ...]:
    """Write ``stem``.csv and .md, each whole or not at all; equal tables give equal bytes.

    Raises:
        InputError: the folder cannot be written.
    """
    return markup.write(stem, {"csv": markup.csv(rows), "md": markdown(rows)})


def write(store: Store | None = None) -> tuple[Path, ...]:
    """Write the table as ``deviations`` into the folder of figures.

    Raises:
        InputError: the folder cannot be written, or one data set's runs were made with different data.
    """
    return save(table(store), paths.figures_dir() / "deviations")


def _option(deviation: Deviation) -> str:
    """What changes it, in words: fields of a run, or options of methods; "" for nothing."""
    if not deviation.default:
        return ""
    return f"{', '.join(deviation.default)} of {', '.join(deviation.methods) or 'a run'}"


def _here(deviation: Deviation) -> str:
    """What is done here; of LB's options also what the reading that figures and the contest show has."""
    if deviation.methods != ("LB",):
        return deviation.here
    own = {name: value for name, value in READINGS[NEAREST].items() if name in deviation.default}
    which = f"has {', '.join(f'{name} {value}' for name, value in own.items())}" if own else "has the same"
    return f"{deviation.here}. This is LB's default reading; what figures and the contest call LB, {NEAREST!r}, {which}"


def _method(run: Run) -> str:
    """A run's method; LB with its reading, or its options where they are none of the readings."""
    if run.method != "LB":
        return run.method
    options = ", ".join(f"{name} {value}" for name, value in run.options.items())
    return f"LB, {'default reading' if not run.options else reading(run.options) or options}"


def _values(values: Mapping[str, Any], deviation: Deviation) -> str:
    """Values in words, with their names where the choice has several options."""
    texts = {name: f"{value:g}" if isinstance(value, float) else str(value) for name, value in values.items()}
    named = len(deviation.default) > 1
    return ", ".join(f"{name} {text}" if named else text for name, text in texts.items())


def _effects(deviation: Deviation, found: Mapping[Run, StoredRun]) -> Iterator[dict[str, Any]]:
    """A row of :func:`table` for each other value, setting and metric, without the columns of the choice itself."""
    for other in deviation.others:
        settings: dict[Run, list[tuple[StoredRun, StoredRun]]] = {}
        for run, record in found.items():
            twin = _changed(run, deviation, other)
            if twin in found:
                settings.setdefault(dataclasses.replace(run, seed=0), []).append((found[twin], record))
        for setting, pairs in settings.items():
            about = {name: getattr(setting, name) for name in ("data", "network", "train_examples", "epochs")}
            about["method"] = _method(setting)
            devices = sorted({record.provenance["device"] for pair in pairs for record in pair})
            about |= {"other": _values(other, deviation), "n": len(pairs), "devices": " and ".join(devices)}
            about["unlike"] = _unlike(pairs, deviation)
            for metric in METRICS:
                ends = (
                    [record.rows[-1][record.columns.index(metric)] for record in side]
                    for side in zip(*pairs, strict=True)
                )
                paired = stats.paired(*ends)
                low, high = paired.interval.low, paired.interval.high
                yield about | {"metric": metric, "difference": paired.difference, "low": low, "high": high}


def _unlike(pairs: Sequence[tuple[StoredRun, StoredRun]], deviation: Deviation) -> str:
    """What sets pairs apart beside the choice: how the runs of either value were made, where a pair differs in it."""
    twins = [tuple(made(record.run, record.provenance) for record in pair) for pair in pairs]
    differing = unlike(twins, [aspect for aspect in ASPECTS if aspect not in deviation.default])
    sides = [", ".join(" or ".join(words[side]) for words in differing.values()) for side in (0, 1)]
    return f"the other value from {sides[0]}, the default from {sides[1]}" if differing else ""


def _changed(run: Run, deviation: Deviation, other: Mapping[str, Any]) -> Run | None:
    """The run with the other value, if it is one of the papers' with the default."""
    if networks.find(run.network).paper != _FOLDERS[deviation.paper] or run.label_noise or run.loss != "cross-entropy":
        return None
    if run.method not in (deviation.methods or _METHODS[deviation.paper]):
        return None
    values = run.options if deviation.methods else run.to_dict()
    if any(values.get(name, default) != default for name, default in deviation.default.items()):
        return None
    return dataclasses.replace(run, **({"options": {**run.options, **other}} if deviation.methods else other))


def _effect(choice: pd.DataFrame) -> str:
    """The effects on test accuracy, a setting each."""
    texts = []
    for row in choice[choice.metric == "acc/val"].itertuples():
        size = "all" if pd.isna(row.train_examples) else f"{row.train_examples:,.0f}"
        interval = "" if pd.isna(row.low) else f" [{row.low:+.3f}, {row.high:+.3f}]"
        where = f"{catalogue.label(row.data) or row.data}, {size} examples, {row.epochs:g} epochs"
        mixed = f"; some pairs differ in more: {row.unlike}" if row.unlike else ""
        texts.append(f"{row.other}, {row.method}: {row.difference:+.3f}{interval} ({where}, n = {row.n}{mixed})")
    return "; ".join(texts) or "not run"


def _notes() -> str:
    return (
        "Effect: test accuracy at the end with the other value minus that with the default, paired by seed, mean"
        " [95 % t interval], for every setting in which stored runs differ in this choice alone, with true labels and"
        " the cross-entropy; `not run` where there are none. Intervals are over seeds, not over the choice of test"
        " images, and not adjusted for their number. The .csv has test losses too, and the devices. An option's default"
        " is the library's; `published` is the protocol of that name, of paper B alone."
    )


if __name__ == "__main__":
    try:
        print(*write(), sep="\n")
    except InputError as error:
        sys.exit(f"hardsample: {error}")
