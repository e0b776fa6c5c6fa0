"""All methods, by name."""

import inspect
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from hardsample.errors import check_choice
from hardsample.methods import (
    hard_mini_batches,
    infobatch,
    kakurenbo,
    loss_based,
    loss_proportional,
    mercury,
    ohem,
    persistent,
    selective_backprop,
    uniform,
)
from hardsample.methods.base import Method

METHODS: dict[str, type[Method]] = {
    "MB": uniform.MiniBatches,
    "SMB": uniform.UniformStream,
    "LB": loss_based.LossBased,
    "PLB": persistent.PersistentLoss,
    "PEB": persistent.PersistentEntropy,
    "HMB": hard_mini_batches.HardMiniBatches,
    "RMB": hard_mini_batches.RandomMiniBatches,
    "FMB": hard_mini_batches.FreshMiniBatches,
    "HE": hard_mini_batches.HardExamples,
    "SB": selective_backprop.SelectiveBackprop,
    "KAKURENBO": kakurenbo.Kakurenbo,
    "InfoBatch": infobatch.InfoBatch,
    "Mercury": mercury.Mercury,
    "OHEM": ohem.OnlineHardExamples,
    "LPS": loss_proportional.LossProportional,
}

DIFFERENCES = {
    "SB": "the choice begins at the first step, where the authors' code trains the first epoch whole; and what waits at"
    " an epoch's end is kept, where theirs trains it as a smaller mini-batch",
    "KAKURENBO": "its confidence is a softmax over classes, as in the paper, where the authors' code takes it over the"
    " examples of the mini-batch; and it looks at hidden examples in evaluation mode, where theirs is in training mode",
    "InfoBatch": "each low loss is left out or not by a draw of its own, where the authors' code keeps an exact share"
    " of them; and leaving out ends after a share of the updates, where theirs counts passes",
    "Mercury": "its moving average of the loss goes on through all epochs, where the authors' code begins anew in each"
    ' (option mean_over="epoch"); and its scores are of evaluation mode and of the present weights, where theirs are of'
    " training mode and one update older",
    "OHEM": "its rule was made for the regions of an image; for examples, and a half of them, it is ours",
    "LPS": "home-made, from no paper: a plain draw in proportion to the loss",
}
"""By method, what sets it apart from its authors' code."""


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
