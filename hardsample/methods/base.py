"""The one interface of all methods, which choose mini-batches and learn from what the network makes of them."""

import abc
from collections.abc import Callable
from fractions import Fraction
from typing import NamedTuple

import torch
from torch import Tensor

from hardsample.arguments import told, whole
from hardsample.errors import InputError

Evaluate = Callable[[Tensor], tuple[Tensor, Tensor]]
"""A forward pass in evaluation mode: int64 indices [S, m] to logits [S, m, K] and losses [S, m].

A row of -1 asks nothing for that seed, and its answer is any numbers.
"""


AT_ONCE = 12_000
"""Examples whose logits are kept together, at most."""


def of_all(evaluate: Evaluate, size: int, seeds: Tensor, values: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """What ``values`` makes of logits [S, m, K] and losses [S, m], of all ``size`` examples, some at once: [S, N].

    Whole mini-batches of the network's, where ``evaluate`` says by ``at_once`` how large those are: so the numbers are
    those of all examples together, bit for bit.
    """
    together = getattr(evaluate, "at_once", 1)
    parts = torch.arange(size, device=seeds.device).split(together * max(1, AT_ONCE // together))
    return torch.cat([values(*evaluate(part.expand(len(seeds), -1))) for part in parts], 1)


def check_seeds(seeds: object) -> None:
    """Raise :class:`hardsample.errors.InputError` unless they are one or more, int64 [S]."""
    if not isinstance(seeds, Tensor) or seeds.dtype != torch.int64 or seeds.dim() != 1 or not len(seeds):
        raise InputError(f"seeds are {told(seeds)}: give a tensor of one or more, int64 [S].")


class Draw(NamedTuple):
    """The examples of one step."""

    indices: Tensor  # int64 [S, n], or fewer of them for a method that trains a part of n
    weights: Tensor | None = None  # float32 [S, n]: the examples' losses are multiplied by it; None for ones


class Method(abc.ABC):
    """Chooses mini-batches for S seeds and learns from what the network made of them.

    A method is built as ``Method(size, n, seeds, first_step, **options)``: N examples, mini-batches of n, int64 seeds
    [S] and the step of its first draw. A step is :meth:`refresh`, :meth:`prepare`, :meth:`draw`, the update of the
    network and :meth:`observe`. Everything a method learns is in :attr:`tensors`; everything random is a function of
    (seed, stream, step). What a subclass does not say is as of a method that learns nothing.
    """

    capturable: bool = True  # may draw and observe run inside a CUDA graph?
    scored: tuple[str, bool] = ("before", True)  # observe is given scores "before" or "after" the update, with dropout?
    updates_per_epoch: int | Fraction  # what an epoch is worth: N mini-batches, or N/n updates of a stream
    end: int | None = None  # the step before which the training ends, if its budget does not end it sooner

    def refresh(self, step: int, evaluate: Evaluate) -> None:  # noqa: B027
        """Learn from forward passes that the choice of a step needs, if any: called once for each step, first."""

    def prepare(self, step: int) -> None:  # noqa: B027
        """The host's other work before a step is drawn; doing it again changes nothing."""

    @abc.abstractmethod
    def draw(self, step: int | Tensor) -> Draw:
        """The examples of the step prepared, an int, or inside a captured graph an int64 tensor []."""

    def observe(self, indices: Tensor, logits: Tensor, losses: Tensor) -> None:  # noqa: B027
        """What the network made of the examples last drawn: [S, n], [S, n, K], [S, n]."""

    def skip(self) -> None:  # noqa: B027
        """The examples last drawn were not trained: go on to the next, and learn nothing."""

    def short(self, step: int) -> bool:
        """Is the mini-batch of the step prepared shorter than the others? Then all seeds' are."""
        return False

    def learning_rate_factor(self, step: int) -> float:
        """What the learning rate of a step is multiplied by."""
        return 1.0

    @property
    def tensors(self) -> dict[str, Tensor]:
        """The state, by name: live tensors, to be copied out of or into."""
        return {}

    @property
    def bounds(self) -> dict[str, tuple[float, float]]:
        """The least and the greatest number that tensors of the state may hold, by name; the others may hold any."""
        return {}

    # What a loop that is not the package's own has to know; a subclass may say it by an attribute of the class.

    @property
    def reads_logits(self) -> bool:
        """Does observe, or refresh in what it is answered, look at logits?"""
        return False

    @property
    def evaluates(self) -> bool:
        """Does refresh ask for forward passes, later than before the first draw?"""
        return type(self).refresh is not Method.refresh

    @property
    def in_turn(self) -> bool:
        """Must a step be observed before the next is drawn?"""
        return True

    @property
    def hardness(self) -> Tensor | None:
        """How hard each example is by what was learned: float [S, N], not finite where unknown; None if nothing is."""
        return None

    @property
    def probabilities(self) -> Tensor | None:
        """Of each example in the next draw, float64 [S, N], where draws are independent; else None."""
        return None


class FullMiniBatches(Method):
    """A method every mini-batch of which is full, so that an epoch is N/n updates."""

    def __init__(self, size: int, n: int) -> None:
        size, n = whole("size", size, 1, "at least 1 example"), whole("n", n, 1, "at least 1 example a mini-batch")
        self.updates_per_epoch = Fraction(size, n)
