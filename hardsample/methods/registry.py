"""How the next mini-batch is chosen: the one interface of all methods, and their registry."""

import inspect
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Protocol

from torch import Tensor

from hardsample.errors import check_choice
from hardsample.methods import hard_mini_batches, loss_based, rivals, streams


class Method(Protocol):
    """Chooses mini-batches for S seeds and learns from what the network made of them.

    A method is built as ``Method(size, n, seeds, first_step, **options)``: N examples, mini-batches of n, int64 seeds
    [S] and the step of its first draw. Everything it learns is in :attr:`tensors`; everything random is a function of
    (seed, stream, step).
    """

    capturable: bool  # may draw and observe run inside a CUDA graph?
    scored: tuple[str, bool]  # what observe is given: "before" or "after" the update, and with dropout on or off
    updates_per_epoch: int | Fraction  # what an epoch is worth: N mini-batches, or N/n updates of a stream
    short: bool  # is the mini-batch of the step prepared shorter than the others? Then all seeds' are
    weights: Tensor | None  # of the examples last drawn, float32 [S, n]: their losses are multiplied by it; None: 1
    learning_rate_factor: float  # of the step prepared
    end: int | None  # the step before which the training ends, if its budget does not end it sooner; None: that alone

    def prepare(self, step: int) -> Tensor | None:
        """Work on the host before a step; may ask for a forward pass over examples: int64 [S, m].

        It is called until it asks for nothing, an answer after each call. A row of -1 asks nothing for that seed.
        """

    def examined(self, indices: Tensor, logits: Tensor, losses: Tensor) -> None:
        """The answer to :meth:`prepare`, in evaluation mode: [S, m], [S, m, K], [S, m]; for rows of -1 any numbers."""

    def draw(self, step: int | Tensor) -> Tensor:
        """The examples of a step: int64 [S, n], or fewer of them for a method that trains a part of n.

        ``step`` is an int, or an int64 tensor [] inside a captured graph.
        """

    def observe(self, indices: Tensor, logits: Tensor, losses: Tensor) -> None:
        """What the network made of the drawn examples: [S, n], [S, n, K], [S, n]."""

    @property
    def tensors(self) -> dict[str, Tensor]:
        """The state, by name: live tensors, to be copied out of or into."""


METHODS: dict[str, type] = {
    "MB": streams.MiniBatches,
    "SMB": streams.UniformStream,
    "LB": loss_based.LossBased,
    "PLB": streams.PersistentLoss,
    "PEB": streams.PersistentEntropy,
    "HMB": hard_mini_batches.HardMiniBatches,
    "RMB": hard_mini_batches.RandomMiniBatches,
    "FMB": hard_mini_batches.FreshMiniBatches,
    "HE": hard_mini_batches.HardExamples,
    "SB": rivals.SelectiveBackprop,
    "KAKURENBO": rivals.Kakurenbo,
    "InfoBatch": rivals.InfoBatch,
    "Mercury": rivals.Mercury,
    "OHEM": rivals.OnlineHardExamples,
    "LPS": rivals.LossProportional,
}


def option_names(name: str) -> list[str]:
    """What can be chosen of a method of ``METHODS``."""
    parameters = inspect.signature(METHODS[name]).parameters.values()
    return [parameter.name for parameter in parameters if parameter.kind is inspect.Parameter.KEYWORD_ONLY]


def build(
    name: str, size: int, n: int, seeds: Tensor, *, first_step: int = 0, options: Mapping[str, Any] | None = None
) -> Method:
    """The method of that name for N = ``size`` examples, mini-batches of ``n`` and int64 seeds [S].

    Raises:
        InputError: unknown method or option, or an option's value out of its range.
    """
    check_choice("method", name, METHODS)
    for option in options or {}:
        check_choice(f"option of {name}", option, option_names(name) or ["none: it has no options"])
    return METHODS[name](size, n, seeds, first_step, **(options or {}))
