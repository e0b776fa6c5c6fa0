"""Update rules as element-wise operations, the same for one network and for a stacked cohort of them."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from hardsample.configuration import Run
from hardsample.errors import check_choice

CHUNK = 1 << 16  # elements updated at once on a CPU: the five arrays of a chunk stay in its cache


class Adadelta:
    """Adadelta (Zeiler 2012, Algorithm 1), step for step what ``torch.optim.Adadelta`` computes.

    Args:
        parameters: updated in place; any shapes, a stacked cohort included, since the rule is element-wise.
        rho: decay of both running averages.
        eps: added to both under the root.
    """

    def __init__(self, parameters: Sequence[Tensor], *, rho: float, eps: float = 1e-6) -> None:
        self.parameters, self.rho, self.eps = list(parameters), rho, eps
        self.squares = [torch.zeros_like(parameter) for parameter in self.parameters]
        self.deltas = [torch.zeros_like(parameter) for parameter in self.parameters]

    @property
    def tensors(self) -> dict[str, Tensor]:
        """The running averages, by name."""
        averages = {"squares": self.squares, "deltas": self.deltas}
        return {f"{name}.{i}": tensor for name, tensors in averages.items() for i, tensor in enumerate(tensors)}

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor], learning_rate: float) -> None:
        """One update, from gradients in the order of the parameters."""
        for arrays in zip(self.parameters, gradients, self.squares, self.deltas, strict=True):
            for parameter, gradient, square, delta in _chunks(*arrays):
                square.mul_(self.rho).addcmul_(gradient, gradient, value=1 - self.rho)
                change = delta.add(self.eps).sqrt_().div_(square.add(self.eps).sqrt_()).mul_(gradient)
                delta.mul_(self.rho).addcmul_(change, change, value=1 - self.rho)
                parameter.add_(change, alpha=-learning_rate)


class SGD:
    """Stochastic gradient descent with momentum, what ``torch.optim.SGD`` computes.

    Args:
        parameters: updated in place, as in :class:`Adadelta`.
        momentum: share of the last update's direction that is kept.
    """

    def __init__(self, parameters: Sequence[Tensor], *, momentum: float) -> None:
        self.parameters, self.momentum = list(parameters), momentum
        self.directions = [torch.zeros_like(parameter) for parameter in self.parameters]

    @property
    def tensors(self) -> dict[str, Tensor]:
        """The directions, by name."""
        return {f"directions.{i}": tensor for i, tensor in enumerate(self.directions)}

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor], learning_rate: float) -> None:
        """One update, from gradients in the order of the parameters."""
        torch._foreach_mul_(self.directions, self.momentum)
        torch._foreach_add_(self.directions, gradients)
        torch._foreach_add_(self.parameters, self.directions, alpha=-learning_rate)


def _chunks(*arrays: Tensor) -> Iterator[tuple[Tensor, ...]]:
    parameter = arrays[0]
    if parameter.device.type == "cpu" and parameter.numel() > CHUNK and parameter.is_contiguous():
        return zip(*(array.contiguous().view(-1).split(CHUNK) for array in arrays), strict=True)
    return iter([arrays])


OPTIMIZERS = ("adadelta", "sgd")


def build(run: Run, parameters: Sequence[Tensor]) -> Adadelta | SGD:
    """The run's optimiser.

    Raises:
        InputError: it is unknown.
    """
    check_choice("optimizer", run.optimizer, OPTIMIZERS)
    if run.optimizer == "sgd":
        return SGD(parameters, momentum=run.momentum)
    return Adadelta(parameters, rho=run.rho)
