"""A trial of suspect labels: wrong ones are planted in scikit-learn's digits, and rankings are asked to find them."""

import functools
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from sklearn.datasets import load_digits
from torch import Tensor
from torch.nn import functional as F

from hardsample.data.label_noise import flip_labels
from hardsample.errors import check_value
from hardsample.samplers.method import MethodSampler

SHARE, EPOCHS, BATCH_SIZE, HIDDEN, CLASSES = 0.05, (5, 10, 20, 40), 64, 64, 10
RANKINGS = {
    "PLB: base values": "what `sampler.report()` ranks by, at no cost",
    "PLB: final losses": "one more forward pass over all examples",
    "MB: final losses": "the same after plain training, shuffled mini-batches",
    "MB: mean losses": "the mean of an example's losses in plain training, as seen",
}
"""What ranks the examples, and what it is."""


class Suspects(NamedTuple):
    """What one seed's trainings make of the examples."""

    labels: Tensor  # int64 [N], as trained
    wrong: Tensor  # bool [N], which of them are planted
    scores: dict[int, dict[str, Tensor]]  # after so many epochs, by ranking: float32 [N], the higher the more suspect


def suspect_trial(
    seeds: Iterable[int] = range(1, 9), *, epochs: Sequence[int] = EPOCHS, share: float = SHARE
) -> pd.DataFrame:
    """Precision of the k most suspect examples, k as many as labels are wrong: the share of them that are.

    A seed decides which labels are wrong, the network's start and the mini-batches. All rankings of a seed are of the
    same wrong labels, the same start and as many updates. Half a minute on one core.

    Args:
        seeds: of the trial.
        epochs: when to rank, in N / n updates each; the training is as long as the longest.
        share: of the labels that are wrong; each is any other class with equal probability.

    Returns:
        rows of ``seed``, ``epochs``, ``ranking`` (of ``RANKINGS``) and ``precision``, 0 to 1.

    Raises:
        InputError: ``share`` makes no label wrong or all.
    """
    rows = []
    for seed in seeds:
        found = suspects(seed, epochs=epochs, share=share)
        for length, scores in found.scores.items():
            rows += [(seed, length, ranking, precision(found.wrong, scores[ranking])) for ranking in RANKINGS]
    return pd.DataFrame(rows, columns=["seed", "epochs", "ranking", "precision"])


def precision(wrong: Tensor, scores: Tensor) -> float:
    """The share of the k highest scores, float [N], whose label is wrong, bool [N], with k as many as are wrong."""
    count = int(wrong.sum())
    return wrong[scores.topk(count).indices].double().mean().item()


def suspects(seed: int, *, epochs: Sequence[int] = EPOCHS, share: float = SHARE) -> Suspects:
    """The rankings of one seed, after training with PLB and with shuffled mini-batches on the same wrong labels.

    Raises:
        InputError: as :func:`suspect_trial`.
    """
    x, y = digits()
    check_value("share", share, 0 < round(share * len(y)) < len(y), "a share that makes some labels wrong, and not all")
    labels = flip_labels(y, CLASSES, torch.tensor([seed]), share)[0]
    drawn, shuffled = (list(_trained(method, seed, x, labels, epochs)) for method in ("PLB", "MB"))
    scores = {
        length: dict(zip(RANKINGS, (values, after_draws, after_shuffled, means), strict=True))
        for length, (values, after_draws, _), (_, after_shuffled, means) in zip(
            sorted(epochs), drawn, shuffled, strict=True
        )
    }
    return Suspects(labels, labels != y, scores)


@functools.cache
def digits() -> tuple[Tensor, Tensor]:
    """Images float32 [1797, 64] from 0 to 1, and labels int64 [1797]."""
    found = load_digits()
    return torch.from_numpy(found.data).float() / 16, torch.from_numpy(np.int64(found.target))


def _network(seed: int) -> torch.nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return torch.nn.Sequential(torch.nn.Linear(64, HIDDEN), torch.nn.ReLU(), torch.nn.Linear(HIDDEN, CLASSES))


def _trained(
    method: str, seed: int, x: Tensor, labels: Tensor, epochs: Sequence[int]
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Train in the loop of docs/samplers.md; gives after each length what ranks examples, float32 [N] each.

    These are what the sampler keeps, the losses of a forward pass, and the mean of the losses as trained.
    """
    network, sampler = _network(seed), MethodSampler(method, len(x), BATCH_SIZE, seed=seed)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.2)
    sums = torch.zeros(len(x))
    for epoch in range(1, max(epochs) + 1):
        for indices in sampler:
            index = torch.tensor(indices)
            losses = F.cross_entropy(network(x[index]), labels[index], reduction="none")
            losses.mean().backward()
            optimizer.step()
            optimizer.zero_grad()
            sampler.update(index, losses)
            sums.index_add_(0, index, losses.detach())
        if epoch in epochs:
            report = sampler.report()
            kept = sums if report.values is None else torch.from_numpy(report.values).nan_to_num(0)
            with torch.no_grad():
                after = F.cross_entropy(network(x), labels, reduction="none")
            yield kept, after, sums / torch.from_numpy(report.draws).clamp(min=1)
