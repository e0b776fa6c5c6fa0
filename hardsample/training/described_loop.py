"""Paper B's Algorithm 2 as a loop on torch's own parts, written from the paper's description and timed part by part.

A DataLoader makes the mini-batches, always the same, and is walked from end to end in every round. What is not among
the hardest is skipped after it was loaded. The loss of a mini-batch is read after its update and kept in a list.
"""

import math
from collections.abc import Callable, Collection
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from hardsample.config import Run
from hardsample.data import dataset
from hardsample.training import networks

PARTS = ("loading", "skipped", "update", "reading", "sorting")
"""Loading what is trained and what is skipped; forward, backward and update; reading the loss; ranking the losses."""


class ScaledImages(Dataset):
    """Images [m, C, H, W] with labels [m], each scaled by itself when it is asked for."""

    def __init__(self, images: Tensor, labels: Tensor, scale: Callable[[Tensor], Tensor]) -> None:
        self.images, self.labels, self.scale = images, labels, scale

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.scale(self.images[index : index + 1])[0], self.labels[index]


class DescribedLoop:
    """A first round of all N mini-batches, then rounds of the int(δN) of highest loss.

    Args:
        run: its network, mini-batch, learning rate, momentum and option ``delta`` are used.
        data: on the CPU; mini-batches are its images in their order.
        device: where the network is computed.
        clock: seconds by which all that was asked of the device is done.
    """

    def __init__(self, run: Run, data: dataset.Dataset, device: str, clock: Callable[[], float]) -> None:
        spec = networks.find(run.network)
        self._network: Any = spec.build(data.num_classes, run.image_size).to(device, memory_format=torch.channels_last)
        spec.specialize(self._network, False, torch.device(device), run.precision)
        scale = spec.build(data.num_classes, run.image_size).scaled  # on the CPU, where images are loaded
        self._network.scaled = _as_loaded
        self._optimizer = torch.optim.SGD(self._network.parameters(), lr=run.learning_rate, momentum=run.momentum)
        self._train = DataLoader(ScaledImages(data.x_train, data.y_train, scale), run.batch_size)
        self._test = DataLoader(ScaledImages(data.x_test, data.y_test, scale), run.batch_size)
        self._losses = [math.inf] * len(self._train)
        self._hardest, self._device, self._clock = int(run.options["delta"] * len(self._train)), device, clock

    def first_round(self) -> dict[str, float]:
        """Train every mini-batch; seconds of each of :data:`PARTS`, per mini-batch trained."""
        return self._walk(range(len(self._train)), self._clock())

    def next_round(self) -> dict[str, float]:
        """Train the hardest; seconds of each of :data:`PARTS`, per mini-batch trained."""
        began = self._clock()
        ranked = sorted(enumerate(self._losses), key=lambda pair: pair[1], reverse=True)
        return self._walk({place for place, _ in ranked[: self._hardest]}, began)

    @torch.no_grad()
    def test(self) -> float:
        """Pass the test images forward; seconds per mini-batch."""
        began = self._clock()
        self._network.eval()
        for images, labels in self._test:
            F.cross_entropy(self._network(images.to(self._device)), labels.to(self._device)).item()
        return (self._clock() - began) / len(self._test)

    def _walk(self, trained: Collection[int], began: float) -> dict[str, float]:
        spent = dict.fromkeys(PARTS, 0.0)
        last = began

        def charge(part: str) -> None:
            nonlocal last
            now = self._clock()
            spent[part] += now - last
            last = now

        self._network.train()
        charge("sorting")
        for place, (images, labels) in enumerate(self._train):
            charge("loading" if place in trained else "skipped")
            if place in trained:
                self._optimizer.zero_grad()
                loss = F.cross_entropy(self._network(images.to(self._device)), labels.to(self._device))
                loss.backward()
                self._optimizer.step()
                charge("update")
                self._losses[place] = loss.item()
                charge("reading")
        return {part: seconds / len(trained) for part, seconds in spent.items()}


def _as_loaded(images: Tensor) -> Tensor:
    """In place of a network's own scaling."""
    return images
