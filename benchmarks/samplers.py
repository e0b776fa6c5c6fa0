"""What the samplers cost a training loop of one's own, with the data in tensors or behind a DataLoader."""

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, TensorDataset

from benchmarks.measure import Row, Way, compare, in_turns
from benchmarks.step import RUN, OrdinaryCNN
from hardsample.data.dataset import load
from hardsample.samplers.base_values import BaseValuesSampler
from hardsample.samplers.hard_mini_batches import HardMiniBatchSampler
from hardsample.samplers.with_index import WithIndex

N = RUN.batch_size
STARTS = 3
SAMPLERS = {"BaseValuesSampler": BaseValuesSampler, "HardMiniBatchSampler": HardMiniBatchSampler}


def letters() -> tuple[Tensor, Tensor]:
    """Images as float32 and labels."""
    data = load(RUN.data, train_examples=RUN.train_examples, test_examples=RUN.test_examples)
    return data.x_train.float() / 255, data.y_train


def ordinary_step() -> Callable[[Tensor, Tensor], Tensor]:
    """One update of the ordinary letters CNN: images and labels to losses [n]."""
    network = OrdinaryCNN().train()
    optimizer = torch.optim.Adadelta(network.parameters(), lr=RUN.learning_rate, rho=RUN.rho)

    def step(images: Tensor, labels: Tensor) -> Tensor:
        optimizer.zero_grad()
        losses = F.cross_entropy(network(images), labels, reduction="none")
        losses.mean().backward()
        optimizer.step()
        return losses

    return step


def tensors(sampler: str | None) -> Way:
    """A step on data in tensors, its examples drawn uniformly or by a sampler that learns from it."""
    images, labels = letters()
    step = ordinary_step()
    if sampler is None:
        indices = itertools.cycle(torch.randperm(len(images)).split(N))
        return lambda _: step(images[batch := next(indices)], labels[batch])
    chosen = SAMPLERS[sampler](len(images), N, seed=1)

    def learning(_: int) -> None:
        batch = chosen.draw()
        chosen.update(batch, step(images[batch], labels[batch]))

    return learning


def loader(sampler: str | None, trained: bool) -> Way:
    """A mini-batch from a DataLoader, with or without a step on it."""
    images, labels = letters()
    dataset = TensorDataset(images, labels)
    step = ordinary_step() if trained else lambda images, labels: torch.ones(len(images))
    if sampler is None:
        batches = forever(DataLoader(dataset, batch_sampler=BatchSampler(RandomSampler(dataset), N, drop_last=True)))
        return lambda _: step(*next(batches))
    chosen = SAMPLERS[sampler](len(dataset), N, seed=1)
    batches = forever(DataLoader(WithIndex(dataset), batch_sampler=chosen))

    def learning(_: int) -> None:
        images, labels, indices = next(batches)
        chosen.update(indices, step(images, labels))

    return learning


def forever(batches: Iterable) -> Iterator:
    """Pass after pass."""
    while True:
        yield from batches


def measure() -> list[Row]:
    """Each sampler against shuffled mini-batches; a sample is ten mini-batches, or a hundred without a step."""
    kinds = (
        ("training step on tensors in memory", tensors, 10, 1.02),
        ("training step under a DataLoader", functools.partial(loader, trained=True), 10, 1.05),
        ("mini-batch of a DataLoader, nothing trained", functools.partial(loader, trained=False), 100, None),
    )
    rows = []
    for what, way, inner, bound in kinds:
        makers = {name or "RandomSampler": functools.partial(way, name) for name in (None, *SAMPLERS)}
        seconds = in_turns(makers, rounds=10, inner=inner, starts=STARTS)
        rows += [compare(what, seconds, "RandomSampler", name, at_most=bound) for name in SAMPLERS]
    return rows
