"""Whether the package's runs at the paper's size have the settings that a paper prints."""

import dataclasses
import functools
import re
from collections.abc import Callable, Collection
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from hardsample import statistics
from hardsample.config import Run
from hardsample.data import catalogue
from hardsample.errors import InputError
from hardsample.experiments import base_values, hard_samples, published, registry
from hardsample.experiments.curves import METRICS
from hardsample.experiments.panels import Experiment
from hardsample.experiments.published import PAPERS
from hardsample.numerals import short
from hardsample.report import diagrams, scales
from hardsample.training import letters_cnn, networks
from hardsample.verdicts.claim import CHANGED, KEPT, Setting

PROFILE = "paper"
_N, _E = 98, 100  # mini-batches and epochs of the paper's largest trainings: 50,000 images, 512 in each


@dataclasses.dataclass(frozen=True)
class _Check:
    """The values of a setting here: all of them for ``one``, or some among others. ``source`` says of what."""

    values: Callable[[], Collection[Any]]
    source: str
    one: bool = True


def gather() -> dict[tuple[str, str, str], tuple[Setting, ...]]:
    """The settings that can be looked up, by paper ("A" or "B"), place and claim."""
    found = {}
    for paper, folder in PAPERS.items():
        printed = published.text(f"{folder}-claims").set_index(["place", "claim"]).value
        for (place, claim), check in _CHECKS[paper].items():
            found[paper, place, claim] = (_setting(printed.loc[(place, claim)], check),)
    return found


def _setting(printed: str, check: _Check) -> Setting:
    """``printed`` is a number, or "" for what is said in words and holds or not."""
    values = check.values()
    wanted: Any = float(printed) if printed else True
    kept = set(values) == {wanted} if check.one else wanted in values
    told = ", ".join(("yes" if value else "no") if isinstance(value, bool) else short(value) for value in values)
    return Setting(printed or "in words", told, KEPT if kept else CHANGED, check.source)


@functools.cache
def _grid(name: str) -> Experiment:
    return registry.grid(name, profile=PROFILE, data="own", precision="float32")


def _runs(name: str, field: str, *, one: bool = True) -> _Check:
    """A field of all runs of a figure or table."""

    def values() -> list[float]:
        return list(dict.fromkeys(float(getattr(run, field)) for run in _grid(name).runs))

    return _Check(values, f"{name}: {field}", one)


def _have(name: str, field: str, *values: Any) -> bool:
    """Whether the runs of a figure or table have these values of a field, and no others."""
    return {getattr(run, field) for run in _grid(name).runs} == set(values)


def _number(source: str, compute: Callable[[], float | bool]) -> _Check:
    def values() -> list[float | bool]:
        value = compute()
        return [bool(value) if isinstance(value, np.bool_) else value]

    return _Check(values, source)


def _seeds(name: str) -> _Check:
    return _number(f"{name}: seeds", lambda: len({run.seed for run in _grid(name).runs}))


def _has(name: str, *methods: str) -> _Check:
    """That a figure has those curves in every panel."""
    return _number(name, lambda: all(set(methods) <= set(own) for own in _grid(name).layout.values()))


def _shows(name: str, network: str, slot: str) -> _Check:
    """That a figure of paper B shows every δ of one network on one data set."""

    def shows() -> bool:
        ((panel, cell),) = _grid(name).cells.items()
        every = {f"δ = {delta:g}" for delta in hard_samples.DELTAS}
        return cell == (network, slot) and every <= set(_grid(name).layout[panel])

    return _number(name, shows)


@functools.cache
def _network() -> letters_cnn.LettersCNN:
    with torch.device("meta"):
        return letters_cnn.LettersCNN(catalogue.class_count(*base_values.DATA.own))


def _layer(what: str, value: Callable[[letters_cnn.LettersCNN], float]) -> _Check:
    return _number(f"network {letters_cnn.SPEC.name}: {what}", lambda: value(_network()))


def _layers(network: letters_cnn.LettersCNN) -> int:
    """Those that have weights, and the pooling between them."""
    convolutions, linear = (
        [own for own in network.children() if isinstance(own, kind)] for kind in (nn.Conv2d, nn.Linear)
    )
    return len(convolutions) + len(linear) + (_pooled(network) > 1)


def _pooled(network: letters_cnn.LettersCNN) -> float:
    """By how much width and height are divided: what two convolutions leave of 28, against what comes out."""
    kernel, out = network.convolution_1.kernel_size[0], network.convolution_2.out_channels
    left = 28 - 2 * (kernel - 1)
    return left / (network.linear_1.in_features / out) ** 0.5


def _band() -> float:
    row = pd.DataFrame({"mean": [0.0], "sd": [1.0], "metric": ["loss/val"]})
    return float(scales.band(row)[1].iloc[0])


def _phases() -> int:
    """1, or 2 where a pre-training comes before the rest of a training."""
    (begun,) = {(run.pretrain_epochs, run.epochs) for run in _grid("base-values/figure-1").runs}
    return 1 + (0 < begun[0] < begun[1])


def _of_a(figure: int, claim: str, field: str, *, one: bool = True) -> tuple[str, _Check]:
    return claim, _runs(f"base-values/figure-{figure}", field, one=one)


_SIZES = {"pretrain_epochs": 2, "batch_size": 3, "learning_rate": 4}  # and the figures that vary them
_WORDS = {"pretrain_epochs": "pre-training epochs", "batch_size": "mini-batch size", "learning_rate": "learning rate"}


def _base_values() -> dict[tuple[str, str], _Check]:
    """Paper A's settings."""
    claims = published.text("base-values-claims")
    found: dict[tuple[str, str], _Check] = {}
    for place, claim in claims[claims.kind == "set-up"][["place", "claim"]].itertuples(index=False):
        for field, figure in _SIZES.items():
            if match := re.fullmatch(rf"{_WORDS[field]}(, (\w+)| of Figure 1).*", claim):
                one = match[1] in (", default", " of Figure 1")
                found[place, claim] = _runs(f"base-values/figure-{1 if one else figure}", field, one=one)
    network = {
        "layers of the network": ("layers with weights, and the pooling", _layers),
        "filters of the first convolution": ("convolution_1", lambda own: own.convolution_1.out_channels),
        "filters of the second convolution": ("convolution_2", lambda own: own.convolution_2.out_channels),
        "width and height of a convolution": ("convolution_1", lambda own: own.convolution_1.kernel_size[0]),
        "width and height of the max-pooling": ("pooling", _pooled),
        "first dropout": ("dropout", lambda own: own.dropout[0][0]),
        "second dropout": ("dropout", lambda own: own.dropout[1][0]),
        "neurons of the first linear layer": ("linear_1", lambda own: own.linear_1.out_features),
        "neurons of the last linear layer": ("linear_2", lambda own: own.linear_2.out_features),
        "width and height of an image": ("images", lambda own: letters_cnn.SPEC.image_shape[-1]),
    }
    found |= {("Section 4.1", claim): _layer(*of) for claim, of in network.items()}
    (own,) = base_values.DATA.own
    return found | {
        ("Section 4", "phases of an experiment: pre-training, fine-tuning"): _number("base-values/figure-1", _phases),
        ("Section 4", "methods compared in fine-tuning: MB, LB, PEB"): _number(
            "base-values/figure-2", lambda: len(next(iter(_grid("base-values/figure-2").layout.values())))
        ),
        ("Section 4", "repetitions of each fine-tuning"): _seeds("base-values/figure-2"),
        ("Section 4.1", "test examples"): _number(own, lambda: catalogue.DATASETS[own].tests or 0),
        ("Section 4.1", "classes"): _number(own, lambda: catalogue.class_count(own)),
        ("Section 4.1", "γ of the optimizer, Adadelta"): _runs("base-values/figure-1", "rho"),
        ("Section 4.2", "metrics: accuracy and loss, in training and validation"): _number(
            "metrics of a run", lambda: len(METRICS)
        ),
        ("Section 4.2", "half-width of the band around a mean"): _number("bands of all figures", _band),
        ("Section 4.2.1", "repetitions of each fine-tuning of Figure 1"): _seeds("base-values/figure-1"),
        ("Figure 1", "metric curves of PLB and PEB"): _has("base-values/figure-1", "PLB", "PEB"),
        ("Figure 2", "metric curves with 0, 1, 2 and 5 pre-training epochs"): _number(
            "base-values/figure-2", lambda: _have("base-values/figure-2", "pretrain_epochs", 0.0, 1.0, 2.0, 5.0)
        ),
        ("Figure 3", "metric curves with mini-batches of 4, 32 and 1024"): _number(
            "base-values/figure-3", lambda: _have("base-values/figure-3", "batch_size", 4, 32, 1024)
        ),
        ("Figure 4", "metric curves with several learning rates α"): _number(
            "base-values/figure-4", lambda: len(_grid("base-values/figure-4").panels) > 1
        ),
        ("Section 4.2.3", "epochs of training"): _runs("base-values/figure-3", "epochs"),
    }


def _updates(column: str, formula: Callable[[float], float]) -> bool:
    """Whether every δ makes as many as a formula of the paper's says, of N mini-batches in E epochs."""
    rows = diagrams.update_counts(_N, _E, hard_samples.DELTAS)
    return all(abs(row[column] - formula(row.delta)) < 1e-6 for _, row in rows.iterrows())


def _share(delta: float) -> float:
    row = diagrams.update_counts(_N, _E, [delta]).iloc[0]
    return round(100 * row.per_round / row.first_pass, 6)


def _refuses(delta: float) -> bool:
    try:
        diagrams.update_counts(_N, _E, [delta])
    except InputError:
        return True
    return False


def _tables(field: str) -> _Check:
    """A field of the runs on CIFAR-10 and CIFAR-100."""

    def values() -> list[Any]:
        runs: list[Run] = [run for name in ("table-3", "table-4") for run in _grid(f"hard-samples/{name}").runs]
        return list(dict.fromkeys(float(getattr(run, field)) for run in runs))

    return _Check(values, f"hard-samples/table-3 and table-4: {field}")


def _every_epoch() -> bool:
    """Whether tests come every N updates, which is 1/δ rounds."""
    return _have("hard-samples/table-3", "evaluations_per_epoch", 1.0)


def _hard_samples() -> dict[tuple[str, str], _Check]:
    """Paper B's settings."""
    counts, eq = "update counts at N = 98, E = 100", "Section 3.2, eq. "
    found = {
        ("Figure 1", "the value of δ that stands for ordinary mini-batch training"): _number(
            "the baseline", lambda: float(hard_samples.BASELINE.removeprefix("δ = "))
        ),
        ("Figure 1", "training curves of ResNet-18 on CIFAR-10 for several δ: how soon each converges"): _shows(
            "hard-samples/figure-1", "resnet18", "CIFAR-10"
        ),
        ("Section 1", "δ lies above this value"): _number(
            "what is refused", lambda: 0.0 if _refuses(0.0) and not _refuses(0.01) else 0.01
        ),
        ("Section 1", "δ lies at or below this value"): _number(
            "what is refused", lambda: 1.0 if _refuses(1.01) and not _refuses(1.0) else 1.01
        ),
        ("Section 3.1, eq. 1", "training iterations, and back-propagations, of ordinary training: N × E"): _number(
            counts, lambda: diagrams.update_counts(_N, _E, [1.0]).updates.iloc[0] == _N * _E
        ),
        ("Section 3.1, eq. 1", "test iterations of ordinary training: M × E"): _number(
            "hard-samples/table-3: a test pass every epoch", _every_epoch
        ),
        ("Section 3.1", "train and test metrics are means over the M and the N mini-batches, in this order"): _number(
            "hard-samples/table-3: averaged over mini-batches, not examples",
            lambda: _have("hard-samples/table-3", "evaluation_average", "mini-batches"),
        ),
        (f"{eq}2", "rounds ζ = (E - 1) / δ"): _number(
            counts, lambda: _updates("rounds", lambda delta: (_E - 1) / delta)
        ),
        (f"{eq}3", "iterations in all rounds: ζ × δ × N"): _number(
            counts, lambda: _updates("updates", lambda delta: _N + (_E - 1) / delta * delta * _N)
        ),
        ("Algorithm 2", "the M test mini-batches are evaluated in every round"): _number(
            "hard-samples/table-3: a test pass every round, for every δ", lambda: not _every_epoch()
        ),
        ("Section 4.1", "initial learning rate of SGD"): _tables("learning_rate"),
        ("Section 4.1", "momentum"): _tables("momentum"),
        ("Section 4.1", "mini-batch size"): _tables("batch_size"),
        ("Section 4.2", "width and height after cropping, all data sets"): _tables("image_size"),
        ("Section 4.2", "training images of STL-10"): _number("STL-10", lambda: hard_samples.EXAMPLES["STL-10"]),
        ("Section 4.2", "test images of STL-10"): _number("STL-10", lambda: catalogue.DATASETS["stl10"].tests or 0),
        ("Section 4.3", "confidence level of the intervals of top-1 accuracy"): _number(
            "every interval", lambda: 100 * statistics.CONFIDENCE
        ),
        ("Section 4.3", "iterations of δ = 1: E × N; of the method: N + ζ × δ × N"): _number(
            counts, lambda: _updates("updates", lambda delta: _N * _E)
        ),
        ("Section 4.3", "iterations between two evaluations of δ = 1: N"): _number(
            "hard-samples/table-3: a test pass every N updates", _every_epoch
        ),
        ("Section 4.3", "distance of two evaluations of the method: 1/δ"): _number(
            "hard-samples/table-3: a test pass every N updates, which are 1/δ rounds", _every_epoch
        ),
        ("Figure 3", "ResNet-18 on CIFAR-10: accuracy by δ"): _shows("hard-samples/figure-3", "resnet18", "CIFAR-10"),
        ("Figure 4", "EfficientNet-B4 on STL-10: accuracy by δ"): _shows(
            "hard-samples/figure-4", "efficientnet_b4", "STL-10"
        ),
        ("Figure 5", "ResNet-18 on CIFAR-100: accuracy by δ"): _shows("hard-samples/figure-5", "resnet18", "CIFAR-100"),
    }
    for place in ("Abstract", "Section 5"):
        found[place, "data sets of the study"] = _number(
            "hard-samples/table-6", lambda: len({slot for _, slot in _grid("hard-samples/table-6").cells.values()})
        )
    for place, claim in (("Abstract", "networks of the study (five are named)"), ("Section 4.4", "networks compared")):
        found[place, claim] = _number("hard-samples/table-3", lambda: len(networks.TITLES))
    found["Section 5", "networks of the study (five are named)"] = found["Section 4.4", "networks compared"]
    for delta in hard_samples.DELTAS:
        found["Section 1", f"share of the mini-batches selected at δ = {delta:g}"] = _number(
            counts, functools.partial(_share, delta)
        )
    for slot, name in list(hard_samples.SLOTS.items())[:2]:
        tests, classes = catalogue.DATASETS[name].tests or 0, catalogue.class_count(name)
        examples = hard_samples.EXAMPLES[slot]
        found |= {
            ("Section 4.2", f"classes of {slot}"): _number(slot, functools.partial(int, classes)),
            ("Section 4.2", f"images per class of {slot}"): _number(
                slot, functools.partial(float, (examples + tests) / classes)
            ),
            ("Section 4.2", f"training images of {slot}"): _number(slot, functools.partial(int, examples)),
            ("Section 4.2", f"test images of {slot}"): _number(slot, functools.partial(int, tests)),
        }
    return found


_CHECKS = {"A": _base_values(), "B": _hard_samples()}
