"""When choosing examples helps, and when it hurts: small problems, each with one difficulty, compared by `compare`.

``python -m benchmarks.when_it_helps`` trains what is not stored, draws the figures, and writes the tables of
docs/when-it-helps.md. A problem's data are of one fixed seed; the trainings' seeds decide starts and draws.
"""

import dataclasses
import functools
import sys
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from sklearn import datasets, metrics
from torch import Tensor, nn

from benchmarks.suspects import EPOCHS, suspect_trial, suspects
from benchmarks.suspects_figure import suspect_figure, suspect_markdown
from hardsample import BaseValuesSampler, compare, paths, statistics
from hardsample.comparison import stored
from hardsample.comparison.digits import Pair, digits
from hardsample.comparison.losses import absolute_error, binary_cross_entropy, cross_entropy, squared_error
from hardsample.comparison.result import BETTER, WORSE, Comparison
from hardsample.errors import check_choice
from hardsample.numerals import count, number, p_value
from hardsample.report import figures, markup
from hardsample.report.wording import with_interval

SEEDS = 10
PAGE = paths.project_root() / "docs" / "when-it-helps.md"
FIGURES = paths.project_root() / "figures" / "when-it-helps"
CURES = ("PLB(power=0.5)", "PLB(clip=5)", "PLB(uniform=0.2, beta=1)")
CLASSES = ("shuffled", "uniform", "PLB", "PEB", *CURES, "HMB")
NUMBERS = ("shuffled", "uniform", "PLB", *CURES, "HMB")


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
    header = ["method", *(f"{metric}, minus {usual}'s {_of_the_baseline(found, metric)}" for metric in found.metrics)]
    lines = [
        [f"`{method}`", *(_told(rows.loc[method, metric]) for metric in found.metrics)] for method in found.methods[1:]
    ]
    return markup.markdown_table(header, lines)


def summary() -> str:
    """A row for each study: its first metric, and each method against the baseline in it."""
    shown, lines = [*CLASSES[1:]], []
    for name, study in STUDIES.items():
        found = read(name)
        metric = found.metrics[0]
        rows = found.table[found.table.metric == metric].set_index("method")
        usual = f"{metric} {_of_the_baseline(found, metric)}" + (", lower is better" if metric in found.lower else "")
        cells = (_short(rows.loc[method]) if method in rows.index else "" for method in shown)
        lines.append([study.title, usual, *cells])
    return markup.markdown_table(["problem", "shuffled", *(f"`{method}`" for method in shown)], lines)


def _of_the_baseline(found: Comparison, metric: str) -> str:
    mean = found.table[found.table.metric == metric].baseline_mean.iloc[0]
    return number(mean, _digits(mean))


def _told(row) -> str:
    said = with_interval(row.difference, row.low, row.high, "+", _digits(row.baseline_mean))
    return f"{said}, {_short_verdict(row)} (p = {p_value(row.p_holm)})"


def _digits(size: float) -> int:
    return 3 if size >= 0.1 else 4


def _short(row) -> str:
    return f"{number(row.difference, _digits(row.baseline_mean), '+')}, {_short_verdict(row)}"


def _short_verdict(row) -> str:
    return f"**{row.verdict}**" if row.verdict in (BETTER, WORSE) else row.verdict


def study_block(name: str) -> str:
    """A study's block of the page."""
    found = read(name)
    setting = found.setting
    about = (
        f"{count(setting.train_examples, 'training example')}, {count(setting.test_examples, 'test example')},"
        f" n = {setting.batch_size}, {count(setting.updates, 'update')}, {count(len(found.seeds), 'seed')}."
    )
    return f"{table(found)}\n\n{about} [Curves and seeds](../figures/when-it-helps/{name}.png)."


BROKEN_OPTIONS: Mapping[str, Mapping[str, float]] = {
    "none": {},
    "power=0.6": {"power": 0.6},
    "clip=5": {"clip": 5.0},
    "uniform=0.2": {"uniform": 0.2},
}
BROKEN_TARGET = 200.0  # where the others have a deviation of 1


def broken_shares(seeds: Sequence[int]) -> pd.DataFrame:
    """The share of all draws that one of 2,000 examples takes whose target is broken, by option and seed.

    The loop is that of docs/samplers.md, with the absolute error as the loss and the score, for 10 passes.
    """
    (x, y), _ = smooth(0.0)
    inputs, targets = torch.from_numpy(x), torch.from_numpy(y)
    targets[0] = BROKEN_TARGET
    rows = []
    for seed in seeds:
        for option, chosen in BROKEN_OPTIONS.items():
            torch.manual_seed(seed)
            model = mlp(10, 1)
            optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
            sampler = BaseValuesSampler(len(y), batch_size=32, seed=seed, warn_share=1.0, **chosen)
            for _ in range(10):
                for indices in sampler:
                    losses = absolute_error(model(inputs[indices]), targets[indices])
                    losses.mean().backward()
                    optimizer.step()
                    optimizer.zero_grad()
                    sampler.update(indices, losses)
            draws = sampler.report().draws
            rows.append({"option": option, "seed": seed, "share": draws[0] / draws.sum()})
    return pd.DataFrame(rows)


def broken_block() -> str:
    """The table of the broken example, out of its stored measurement."""
    shares = pd.read_csv(FIGURES / "broken.csv")
    lines = []
    for option, own in shares.groupby("option", sort=False):
        found = statistics.summary(100 * own.share)
        lines.append((f"`{option}`", with_interval(found.mean, found.interval.low, found.interval.high, digits=1)))
    return markup.markdown_table(("option", "share of all draws, %"), lines)


def suspects_block() -> str:
    """The table of suspect labels, out of its stored measurement."""
    return suspect_markdown(pd.read_csv(FIGURES / "suspects.csv")).strip()


BLOCKS: Mapping[str, Callable[[], str]] = {
    "summary": summary,
    "broken": broken_block,
    "suspects": suspects_block,
    **{name: functools.partial(study_block, name) for name in STUDIES},
}
"""What the page quotes, by name."""


def page(text: str) -> str:
    """The page with the blocks between ``<!-- measured: NAME -->`` and ``<!-- end -->`` anew."""
    return markup.with_blocks(text, "measured", lambda name: BLOCKS[name]())


def measure(names: Sequence[str]) -> None:
    """Train what is not stored, and draw the figures."""
    for name in names:
        if name in STUDIES:
            found = train(name)
            figures.save(found.plot(), found.curves, FIGURES / name)
        elif name == "broken":
            markup.write(FIGURES / name, {"csv": markup.csv(broken_shares(range(1, SEEDS + 1)))})
        elif name == "suspects":
            trial = suspect_trial(range(1, SEEDS + 1))
            figures.save(suspect_figure(trial, suspects(1), max(EPOCHS)), trial, FIGURES / name)


def main(names: Sequence[str]) -> None:
    """Measure what is named, or all, and write the tables and the page."""
    for name in names:
        check_choice("measurement", name, BLOCKS)
    measure(names or list(BLOCKS))
    tables = [read(name).table.assign(problem=study.title) for name, study in STUDIES.items()]
    markup.write(FIGURES / "summary", {"md": f"{summary()}\n", "csv": markup.csv(pd.concat(tables))})
    paths.write_atomically(PAGE, page(PAGE.read_text()).encode())


if __name__ == "__main__":
    main(sys.argv[1:])
