"""InfoBatch: part of the low losses is left out of a pass at random, and the rest of them counts more."""

from torch import Tensor

from hardsample import randomness
from hardsample.errors import check_value
from hardsample.methods.base import Draw
from hardsample.methods.passes import Passes
from hardsample.methods.specs import Entry, MethodSpec
from hardsample.randomness import Stream


class InfoBatch(Passes):
    """InfoBatch: passes from which part of the low losses is left out at random (Qin et al., ICLR 2024, 2303.04947).

    An example whose loss, when last seen in training, is below the mean of all is left out of a pass with probability
    r; one of these that stays counts 1 / (1 - r) times, so that the expected gradient is that of all examples (section
    2). No pass that begins after a share delta of the training leaves anything out (annealing). An
    example not yet seen is never left out. Full mini-batches always: a pass's examples continue into the next pass's,
    and the mean of n weighted losses is taken.

    The authors' code (NUS-HPC-AI-Lab/InfoBatch) draws which of the k low losses stay without replacement, exactly
    int((1 - r) k) of them: here each is left out or not by a draw of its own, as the paper words it, so that their
    number varies. There a pass is chosen when the last one has ended: here before the mini-batch in which it begins,
    by losses of which the last few are a pass older. Its weighted mean is this one.

    Args:
        epochs: length of the run in mini-batch epochs, N/n updates each, a pre-training included; has to be given.
        ratio: r.
        delta: 0.875 leaves nothing out in the last 12.5 % of the training. The paper counts it in passes of the whole
            run, whose number is not known ahead where updates are: here it is a share of the method's own updates.

    Raises:
        InputError: an option is missing or out of its range.
    """

    def __init__(
        self,
        size: int,
        n: int,
        seeds: Tensor,
        first_step: int,
        *,
        epochs: float | None = None,
        ratio: float = 0.5,
        delta: float = 0.875,
    ) -> None:
        super().__init__(size, n, seeds, first_step, epochs)
        check_value("ratio", ratio, 0 <= ratio < 1, "the probability of leaving out, from 0 to below 1")
        check_value("delta", delta, 0 <= delta <= 1, "the share of the training that leaves out, from 0 to 1")
        self.ratio, self.delta = ratio, delta

    def draw(self, step: int | Tensor) -> Draw:
        queued = super().draw(step).indices
        low = queued < 0
        return Draw((~queued).where(low, queued), 1 + low * (self.ratio / (1 - self.ratio)))

    def _keep(self, seed: int, number: int, order: Tensor, progress: float) -> Tensor:
        if progress >= self.delta:
            return order
        losses = self._losses[seed].double()
        low = losses < losses[losses.isfinite()].mean()
        numbers = randomness.uniforms(self._seeds[seed : seed + 1], Stream.SELECT, number, self._size)[0]
        kept = order[~(low & (numbers < self.ratio))[order]]
        return (~kept).where(low[kept], kept)  # a low one is queued as its complement


SPECS = (
    MethodSpec(
        "InfoBatch",
        InfoBatch,
        entries=(Entry(scheduled=True),),
        differences=(
            "each low loss is left out or not by a draw of its own, where the authors' code keeps an exact share"
            " of them; and leaving out ends after a share of the updates, where theirs counts passes"
        ),
    ),
)
