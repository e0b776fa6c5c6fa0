"""KAKURENBO: what is learnt already is hidden for a pass."""

import torch
from torch import Tensor

from hardsample.errors import check_value
from hardsample.methods.base import Evaluate
from hardsample.methods.passes import Passes
from hardsample.methods.specs import BUDGETS, Entry, MethodSpec


class Kakurenbo(Passes):
    """KAKURENBO: passes that hide what is learnt already (Nguyen et al., NeurIPS 2023, arXiv:2310.10102, section 3).

    Of N examples the F N of lowest loss are candidates; those of them that were predicted wrongly, or with a confidence
    below tau, are moved back, and the others hidden for a pass. At its end the hidden ones' losses and predictions are
    computed anew by a forward pass. F falls in steps: all of ``fraction`` from the start, 0.8 of it after 30 % of the
    training, 0.6 after 60 %, 0.4 after 80 %. Nothing is hidden in the first pass. Full mini-batches always: a pass's
    examples continue into the next pass's.

    The learning rate is divided by 1 - F from the second pass on, with F the share of candidates as in the authors'
    code, not the share hidden in the end, which differs from seed to seed where one factor must serve a cohort.

    A method sees no labels; but a loss is -log p(label), so a prediction is right where the loss is, up to rounding,
    the least that the logits allow for any label, logsumexp - max. Losses of trained examples are those of training,
    before the update and with dropout on.

    The authors' code (TruongThaoNguyen/kakurenbo) has the same F, tau and learning rate. Its confidence is another: it
    takes the softmax over the mini-batch's examples, class by class, and of these shares an example's largest; here it
    is the softmax over classes, as the paper has it. It looks at the hidden examples in training mode, with dropout on
    and statistics of batch normalisation moving; here in evaluation mode.

    Args:
        epochs: length of the run in mini-batch epochs, N/n updates each, a pre-training included; has to be given.
        fraction: the largest F. 0.3, as in the paper's main results.
        tau: the confidence, the largest softmax probability, from which an example may be hidden.
        hide: False hides nothing, so that the learning rate alone is KAKURENBO's and the order of the examples MB's:
            the control that tells the two apart.

    Raises:
        InputError: an option is missing or out of its range.
    """

    STEPS = ((0.8, 0.4), (0.6, 0.6), (0.3, 0.8), (0.0, 1.0))
    """From which share of the training on, what part of ``fraction``."""
    reads_logits = True

    def __init__(
        self,
        size: int,
        n: int,
        seeds: Tensor,
        first_step: int,
        *,
        epochs: float | None = None,
        fraction: float = 0.3,
        tau: float = 0.7,
        hide: bool = True,
    ) -> None:
        super().__init__(size, n, seeds, first_step, epochs)
        check_value("fraction", fraction, 0 <= fraction < 1, "the largest share to hide, from 0 to below 1")
        check_value("tau", tau, 0 <= tau <= 1, "a confidence from 0 to 1")
        self.fraction, self.tau, self.hide = fraction, tau, hide
        self._easy, self._hidden = torch.zeros(2, len(seeds), size, dtype=torch.bool, device=seeds.device)

    def learning_rate_factor(self, step: int) -> float:
        done = step - self._first_step
        later = (done + 1) * self._n > self._size  # than the first pass
        return 1 / (1 - later * self._share(done / (self._steps - self._first_step)))

    def observe(self, indices: Tensor, logits: Tensor, losses: Tensor) -> None:
        self._easy.scatter_(1, indices, self._learnt(logits, losses).gather(1, self._last(indices)))
        super().observe(indices, logits, losses)

    @property
    def tensors(self) -> dict[str, Tensor]:
        return super().tensors | {"easy": self._easy, "hidden": self._hidden}

    @property
    def evaluates(self) -> bool:
        return self.hide

    def _review(self, ending: Tensor, evaluate: Evaluate) -> None:
        while (counts := (self._hidden & ending).sum(1, keepdim=True)).any():
            fewest = int(counts[counts > 0].min())  # the seeds' counts differ; the next turn is of the rest
            first = (self._hidden & ending).byte().argsort(dim=1, descending=True, stable=True)[:, :fewest]
            rows = counts[:, 0] > 0
            logits, losses = evaluate(first.masked_fill(counts == 0, -1))
            learnt = self._learnt(logits, losses)
            for store, new in ((self._losses, losses), (self._easy, learnt), (self._hidden, torch.zeros_like(learnt))):
                store[rows] = store[rows].scatter(1, first[rows], new[rows])

    def _keep(self, seed: int, number: int, order: Tensor, progress: float) -> Tensor:
        if not self.hide:
            return order
        candidates = self._losses[seed].argsort(stable=True)[: int(self._share(progress) * self._size + 1e-6)]
        self._hidden[seed] = False
        self._hidden[seed, candidates] = self._easy[seed, candidates]
        return order[~self._hidden[seed, order]]

    def _learnt(self, logits: Tensor, losses: Tensor) -> Tensor:
        """Is the prediction right, and confident? bool [S, m]."""
        total = logits.logsumexp(-1)
        least = total - logits.amax(-1)
        return (losses <= least + 1e-5 * (1 + total.abs())) & ((-least).exp() >= self.tau)

    def _share(self, progress: float) -> float:
        return self.fraction * next(part for start, part in self.STEPS if progress >= start)


SPECS = (
    MethodSpec(
        "KAKURENBO",
        Kakurenbo,
        title=lambda options: "KAKURENBO" if options.get("hide", True) else "KAKURENBO's rate",
        entries=(
            Entry(scheduled=True, control="KAKURENBO's rate"),
            # Its learning rate alone: MB's examples in MB's order. Its updates take MB's time, and so it is not timed.
            Entry({"hide": False}, scheduled=True, budgets=BUDGETS[:2]),
        ),
        differences=(
            "its confidence is a softmax over classes, as in the paper, where the authors' code takes it over the"
            " examples of the mini-batch; and it looks at hidden examples in evaluation mode, where theirs is in"
            " training mode"
        ),
    ),
)
