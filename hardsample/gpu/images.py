"""Pseudo-random images for the stages that need no data set."""

import math

import torch

from hardsample import randomness
from hardsample.data.dataset import Dataset
from hardsample.gpu import plan
from hardsample.randomness import Stream


def random_images(train: int, test: int, channels: int = 1, size: int = 28, classes: int = 26) -> Dataset:
    """Images of :mod:`hardsample.randomness`, equal everywhere, of classes that differ in their brightness."""
    seed = torch.tensor([2026])
    shape = (train + test, channels, size, size)
    labels = randomness.bits(seed, Stream.LABELS, 0, train + test)[0].remainder(classes)
    octets = randomness.bits(seed, Stream.ORDER, 0, -(-math.prod(shape) // 8))[0].view(torch.uint8)[: math.prod(shape)]
    images = octets.view(shape) // 2 + (labels * 127 // classes).to(torch.uint8).view(-1, 1, 1, 1)
    names = tuple(map(str, range(classes)))
    return Dataset(plan.TINY, images[:train], labels[:train], images[train:], labels[train:], names, True)
