"""When choosing examples helps, and when it hurts: small problems, each with one difficulty, compared by `compare`.

``python -m benchmarks.when_it_helps`` trains what is not stored, draws the figures, and writes the tables of
docs/when-it-helps.md. A problem's data are of one fixed seed; the trainings' seeds decide starts and draws.
"""

import dataclasses
import functools
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from sklearn import datasets, metrics
from torch import Tensor, nn

from hardsample import compare, paths
from hardsample.comparison import stored
from hardsample.comparison.losses import absolute_error, binary_cross_entropy, cross_entropy, squared_error
from hardsample.comparison.result import Comparison
from hardsample.numerals import number, p_value, short
from hardsample.report import figures, markup

SEEDS = 10
PAGE = paths.project_root() / "docs" / "when-it-helps.md"
FIGURES = paths.project_root() / "figures" / "when-it-helps"
CURES = ("PLB(power=0.5)", "PLB(clip=5)", "PLB(uniform=0.2, beta=1)")
CLASSES = ("shuffled", "uniform", "PLB", "PEB", *CURES, "HMB")
NUMBERS = ("shuffled", "uniform", "PLB", *CURES, "HMB")
_BLOCK = re.compile(r"(<!-- measured: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)

Pair = tuple[np.ndarray, np.ndarray]


def mlp(inputs: int, outputs: int) -> nn.Module:
    """Two hidden layers of 64; outputs [n] where there is one."""
    layers = [nn.Linear(inputs, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, outputs)]
    return nn.Sequential(*layers, *([nn.Flatten(0)] if outputs == 1 else []))


def average_precision(outputs: Tensor, targets: Tensor) -> float:
    """Of the positives, by the logit."""
    return float(metrics.average_precision_score(targets.numpy(), outputs.numpy()))


def brier_score(outputs: Tensor, targets: Tensor) -> float:
    """The mean squared error of the probabilities: how well they are calibrated, and how sharp they are."""
    return float(metrics.brier_score_loss(targets.numpy(), outputs.sigmoid().numpy()))


def accuracy(outputs: Tensor, targets: Tensor) -> float:
    """The share of right answers."""
    return float(metrics.accuracy_score(targets.numpy(), outputs.argmax(1).numpy()))


def positives(wrong: float) -> tuple[Pair, Pair]:
    """5 % positives among 20 numbers, a share of the training labels wrong."""
    x, y = datasets.make_classification(
        6000, 20, n_informative=6, n_clusters_per_class=3, weights=[0.95], flip_y=0, class_sep=0.6, random_state=0
    )
    x, y = x.astype(np.float32), y.astype(np.float32)
    flipped = np.random.default_rng(1).random(3000) < wrong
    return (x[:3000], np.where(flipped, 1 - y[:3000], y[:3000])), (x[3000:], y[3000:])


def smooth(noisy: float) -> tuple[Pair, Pair]:
    """Friedman's first function of 10 numbers, standardised; a share of the training targets with noise of 3 sd."""
    x, y = datasets.make_friedman1(4000, 10, random_state=0)
    x, y = x.astype(np.float32), ((y - y.mean()) / y.std()).astype(np.float32)
    random = np.random.default_rng(1)
    noise = np.where(random.random(2000) < noisy, 3 * random.standard_normal(2000), 0)
    return (x[:2000], (y[:2000] + noise).astype(np.float32)), (x[2000:], y[2000:])


def digits(wrong: float = 0.0, imbalance: float = 1.0) -> tuple[Pair, Pair]:
    """The 8x8 digits of scikit-learn, a share of the training labels wrong, or classes of falling size."""
    x, y = datasets.load_digits(return_X_y=True)
    random = np.random.default_rng(0)
    order = random.permutation(len(y))
    x, y = (x[order] / 16).astype(np.float32), y[order].astype(np.int64)
    train, labels = x[:1200], y[:1200]
    flipped = random.random(1200) < wrong
    labels = np.where(flipped, (labels + random.integers(1, 10, 1200)) % 10, labels)
    most = np.bincount(labels).min()
    sizes = np.round(most * imbalance ** (-np.arange(10) / 9)).astype(int)
    if imbalance > 1:
        kept = np.sort(np.concatenate([np.flatnonzero(labels == label)[:size] for label, size in enumerate(sizes)]))
        train, labels = train[kept], labels[kept]
    return (train, labels), (x[1200:], y[1200:])


@dataclasses.dataclass(frozen=True)
class Study:
    """A problem, and what is asked of it."""

    title: str
    data: Callable[[], tuple[Pair, Pair]]
    model: Callable[[], nn.Module]
    loss: Callable[[Tensor, Tensor], Tensor]
    methods: Sequence[str]
    epochs: float = 20
    score: Callable[[Tensor, Tensor], Tensor] | None = None
    metrics: Mapping[str, Callable[[Tensor, Tensor], float]] = dataclasses.field(default_factory=dict)
    lower: Sequence[str] = ()


_POSITIVES = {
    "model": functools.partial(mlp, 20, 1),
    "loss": binary_cross_entropy,
    "methods": CLASSES,
    "metrics": {"average precision": average_precision, "Brier score": brier_score},
    "lower": ("Brier score",),
}
_SMOOTH = {"model": functools.partial(mlp, 10, 1), "loss": squared_error, "methods": NUMBERS}
_DIGITS = {
    "model": functools.partial(mlp, 64, 10),
    "loss": cross_entropy,
    "methods": CLASSES,
    "metrics": {"accuracy": accuracy},
}
STUDIES = {
    "positives": Study("5 % positives", functools.partial(positives, 0.0), epochs=5, **_POSITIVES),
    "positives-wrong": Study(
        "5 % positives, 4 % wrong labels", functools.partial(positives, 0.04), epochs=5, **_POSITIVES
    ),
    "positives-long": Study("5 % positives, four times as long", functools.partial(positives, 0.0), **_POSITIVES),
    "regression": Study("Regression, scored by squared error", functools.partial(smooth, 0.0), **_SMOOTH),
    "regression-absolute": Study(
        "Regression, scored by absolute error", functools.partial(smooth, 0.0), score=absolute_error, **_SMOOTH
    ),
    "noisy": Study("15 % noisy targets, scored by squared error", functools.partial(smooth, 0.15), **_SMOOTH),
    "noisy-absolute": Study(
        "15 % noisy targets, scored by absolute error", functools.partial(smooth, 0.15), score=absolute_error, **_SMOOTH
    ),
    "digits": Study("Digits", digits, **_DIGITS),
    "digits-wrong": Study("Digits, 10 % wrong labels", functools.partial(digits, 0.1), **_DIGITS),
    "digits-imbalanced": Study("Digits, classes imbalanced by 50", functools.partial(digits, 0.0, 50.0), **_DIGITS),
}
"""By name, in the page's order."""


def train(name: str) -> Comparison:
    """The comparison of a study: what is stored, and what is trained for it now."""
    study = STUDIES[name]
    return compare(
        study.model,
        *study.data(),
        study.loss,
        methods=study.methods,
        seeds=SEEDS,
        epochs=study.epochs,
        batch_size=32,
        score=study.score,
        metrics=study.metrics,
        lower_is_better=study.lower,
        device="cpu",
        name=name,
    )


def read(name: str) -> Comparison:
    """The same out of the committed trainings."""
    return stored.read(name, list(STUDIES[name].methods), paths.project_root() / "runs")


def table(found: Comparison) -> str:
    """A row for each method: every metric less the baseline's, with its interval, adjusted p and verdict."""
    rows, usual = found.table.set_index(["method", "metric"]), found.baseline
    header = ["method", *(f"{metric} - {usual}'s {number(_usual(found, metric), 3)}" for metric in found.metrics)]
    lines = [
        [f"`{method}`", *(_told(rows.loc[method, metric]) for metric in found.metrics)] for method in found.methods[1:]
    ]
    return markup.markdown_table(header, lines)


def _usual(found: Comparison, metric: str) -> float:
    return found.table[found.table.metric == metric].baseline_mean.iloc[0]


def _told(row) -> str:
    ends = f"{number(row.difference, 3, '+')} [{number(row.low, 3, '+')}, {number(row.high, 3, '+')}]"
    verdict = f"**{row.verdict}**" if row.verdict in ("better", "worse") else row.verdict
    return f"{ends}, {verdict} (p = {p_value(row.p_holm)})"


def in_words(name: str) -> str:
    """A study's block of the page."""
    found = read(name)
    setting = found.setting
    about = (
        f"{short(setting.train_examples)} training and {short(setting.test_examples)} test examples,"
        f" n = {setting.batch_size}, {setting.updates} updates, {len(found.seeds)} seeds."
    )
    figure = f"[Curves and seeds](../figures/when-it-helps/{name}.png)"
    return f"{table(found)}\n\n{about} {figure}."


def page(text: str) -> str:
    """The page with the blocks between ``<!-- measured: NAME -->`` and ``<!-- end -->`` anew."""
    return _BLOCK.sub(lambda block: f"{block[1]}\n{in_words(block[2])}\n\n{block[3]}", text)


def main(names: Sequence[str]) -> None:
    """Train and draw the studies of those names, or all, and write the page."""
    for name in names or STUDIES:
        found = train(name)
        figures.save(found.plot(), found.curves, FIGURES / name)
        print(found.table.to_string())
    if PAGE.exists():
        paths.write_atomically(Path(PAGE), page(PAGE.read_text()).encode())


if __name__ == "__main__":
    main(sys.argv[1:])
