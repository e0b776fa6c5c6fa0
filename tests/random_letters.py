"""Images of noise in the shape of the letters, for tests in which only arithmetic matters."""

import torch

from hardsample.data.dataset import Dataset


def letters(size: int, test: int = 4, classes: int = 26) -> Dataset:
    generator = torch.Generator().manual_seed(0)
    parts = []
    for count in (size, test):
        parts.append(torch.randint(0, 256, (count, 1, 28, 28), dtype=torch.uint8, generator=generator))
        parts.append(torch.randint(0, classes, (count,), generator=generator))
    return Dataset("random", *parts, tuple(map(str, range(classes))), True)
