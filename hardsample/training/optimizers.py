"""Update rules as element-wise operations, the same for one network and for a stacked cohort of them."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from hardsample.config import Run
from hardsample.errors import InputError, check_choice
from hardsample.jit import compiled, uses_numba


class Adadelta:
    """Adadelta (Zeiler 2012, Algorithm 1), step for step what ``torch.optim.Adadelta`` computes.

    Args:
        parameters: updated in place; any shapes, a stacked cohort included, since the rule is element-wise.
        rho: decay of both running averages.
        eps: added to both under the root.

    Raises:
        InputError: a parameter has gaps in memory, as a part of another tensor has.
    """

    def __init__(self, parameters: Sequence[Tensor], *, rho: float, eps: float = 1e-6) -> None:
        self.parameters, self.rho, self.eps = list(parameters), rho, eps
        for parameter in self.parameters:
            if torch.empty_like(parameter).stride() != parameter.stride():
                raise InputError(f"a parameter {list(parameter.shape)} has gaps in memory: give a copy, with clone().")
        self.squares = [torch.zeros_like(parameter) for parameter in self.parameters]
        self.deltas = [torch.zeros_like(parameter) for parameter in self.parameters]

    @property
    def tensors(self) -> dict[str, Tensor]:
        """The running averages, by name."""
        averages = {"squares": self.squares, "deltas": self.deltas}
        return {f"{name}.{i}": tensor for name, tensors in averages.items() for i, tensor in enumerate(tensors)}

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor], learning_rate: float | Tensor) -> None:
        """One update, from gradients in the order of the parameters; a captured one takes its rate from a tensor [].

        Raises:
            InputError: a gradient is not of its parameter's shape.
        """
        if uses_numba(self.parameters[0].device):
            factors = tuple(map(np.float32, (self.rho, 1 - self.rho, self.eps, learning_rate)))
            for arrays in zip(self.parameters, gradients, self.squares, self.deltas, strict=True):
                _adadelta(*_flat(*arrays), *factors)
            return
        torch._foreach_mul_(self.squares, self.rho)
        torch._foreach_addcmul_(self.squares, gradients, gradients, value=1 - self.rho)
        changes, roots = torch._foreach_add(self.deltas, self.eps), torch._foreach_add(self.squares, self.eps)
        torch._foreach_sqrt_(changes)
        torch._foreach_sqrt_(roots)
        torch._foreach_div_(changes, roots)
        torch._foreach_mul_(changes, gradients)
        torch._foreach_mul_(self.deltas, self.rho)
        torch._foreach_addcmul_(self.deltas, changes, changes, value=1 - self.rho)
        _descend(self.parameters, changes, learning_rate)


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
    def step(self, gradients: Sequence[Tensor], learning_rate: float | Tensor) -> None:
        """One update, as in :class:`Adadelta`."""
        torch._foreach_mul_(self.directions, self.momentum)
        torch._foreach_add_(self.directions, gradients)
        _descend(self.parameters, self.directions, learning_rate)


def _descend(parameters: Sequence[Tensor], directions: Sequence[Tensor], learning_rate: float | Tensor) -> None:
    if isinstance(learning_rate, Tensor):
        torch._foreach_sub_(parameters, torch._foreach_mul(directions, learning_rate))
    else:
        torch._foreach_add_(parameters, directions, alpha=-learning_rate)


def _flat(parameter: Tensor, gradient: Tensor, *averages: Tensor) -> Iterator[np.ndarray]:
    """The arrays as they lie in memory, one number after the other, all in the parameter's order."""
    if gradient.shape != parameter.shape:
        raise InputError(f"a gradient {list(gradient.shape)} of a parameter {list(parameter.shape)}: give its own.")
    if gradient.stride() != parameter.stride():
        gradient = torch.empty_like(parameter).copy_(gradient)
    return (array.as_strided((array.numel(),), (1,)).numpy() for array in (parameter, gradient, *averages))


@compiled
def _adadelta(parameter, gradient, square, delta, rho, rest, eps, learning_rate):
    """One pass over memory where the plain operations make a dozen; float32 throughout, ``rest`` is 1 - rho."""
    for i in range(parameter.size):
        square[i] = square[i] * rho + rest * gradient[i] * gradient[i]
        change = np.sqrt(delta[i] + eps) / np.sqrt(square[i] + eps) * gradient[i]
        delta[i] = delta[i] * rho + rest * change * change
        parameter[i] -= learning_rate * change


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
