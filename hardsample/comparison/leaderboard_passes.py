"""What a row costs beside its updates: the examples that are passed forward and backward, counted in one training."""

from collections import Counter
from collections.abc import Sequence

from torch import Tensor, nn

from hardsample.comparison import launch, leaderboard, losses
from hardsample.comparison.digits import digits
from hardsample.comparison.result import Comparison

NAME, SEEDS = "leaderboard-passes", (1,)
_passed: Counter[bool] = Counter()  # in this process, by the training that goes on: is it learnt from them?


def counted_network() -> nn.Module:
    """The network of a training whose examples are counted from 0 on."""
    _passed.clear()
    return leaderboard.network()


def counted_loss(outputs: Tensor, targets: Tensor) -> Tensor:
    """The loss of each example, of which every pass through the network asks once."""
    _passed[outputs.requires_grad] += len(outputs)
    return losses.cross_entropy(outputs, targets)


def forward(outputs: Tensor, targets: Tensor) -> float:
    """The examples passed forward so far, but for those of the test set, which were just now."""
    _passed[False] -= len(outputs)
    return float(_passed.total())


def backward(outputs: Tensor, targets: Tensor) -> float:
    """The examples passed backward so far."""
    return float(_passed[True])


METRICS = {"forward": forward, "backward": backward}


def count(names: Sequence[str], workers: int = 0) -> Comparison:
    """One training with clean labels of the baseline and of each of these methods, where it is not stored."""
    given = {"seeds": SEEDS, "metrics": METRICS, "name": NAME, "workers": workers}
    return launch.compare(counted_network, *digits(), counted_loss, **leaderboard.shared(names), **given)
