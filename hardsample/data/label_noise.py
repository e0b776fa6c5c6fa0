"""Label noise: a share of the training labels flipped to another class."""

import torch

from hardsample import randomness
from hardsample.randomness import Stream


def flip_labels(labels: torch.Tensor, classes: int, seeds: torch.Tensor, share: float) -> torch.Tensor:
    """Wrong labels for a share of the examples, chosen by each seed: int64 [N] -> int64 [S, N].

    Exactly ``round(share * N)`` labels change, each into any of the other classes with equal probability.
    """
    chosen = randomness.permutations(seeds, Stream.LABELS, 0, len(labels))[:, : round(share * len(labels))]
    numbers = randomness.uniforms(seeds, Stream.LABELS, 1, chosen.shape[1])
    away = numbers.mul(classes - 1).long().clamp_(max=classes - 2) + 1
    all_labels = labels.repeat(len(seeds), 1)
    return all_labels.scatter_(1, chosen, (all_labels.gather(1, chosen) + away) % classes)
