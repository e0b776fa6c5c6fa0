"""The rival ways to choose examples: one of our own (LPS), the others each from its paper's formulas.

``DIFFERENCES`` says for readers of tables what is otherwise than in the authors' code; the classes say it in full.
Forward passes that only choose are in evaluation mode, without dropout, and are all asked for by ``prepare``, so that
they can be counted; a chosen example passes through the network once more to be trained. Mini-batches are full.
"""

import abc
import math

import torch
from torch import Tensor

from hardsample import randomness
from hardsample.errors import check_choice, check_value
from hardsample.methods.streams import FullMiniBatches, MiniBatches, PersistentLoss
from hardsample.methods.trees import LARGEST
from hardsample.randomness import Stream

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


class SelectiveBackprop(FullMiniBatches):
    """SB: of shuffled candidates those are trained whose loss ranks high (Jiang et al. 2019, arXiv:1910.00762).

    A candidate of loss l is kept with probability CDF_R(l)^beta, CDF_R the distribution of the last R candidates'
    losses (section 3, Algorithm 1). Mini-batches of n candidates are passed through the network until n are kept; what
    is kept beyond n waits for the next step. CDF_R includes the candidate mini-batch itself and counts losses up to
    and equal to l, so that equal losses are all kept; a loss that is no number counts as infinite. An epoch of
    candidates is shorter in updates than one of mini-batches, and each seed goes through them at its own pace.

    The authors' code (angelajiang/SelectiveBackprop) trains the whole first epoch without a choice: here the choice
    begins at once. At the end of an epoch it trains what waits as a smaller mini-batch: here that waits for more. It
    passes the candidates through the network in evaluation mode, and so does this.

    Args:
        beta: the higher, the fewer are kept, 1 / (beta + 1) of them in the long run. 3, as in the authors' code.
        history: R, the number of losses that the distribution is of. 1,024, as in the authors' code.
        stale_every: 1 computes the loss of every candidate; k > 1 is StaleSB (section 3), which does so in every k-th
            epoch of candidates alone and between them chooses by the loss last computed, without a forward pass. The
            authors' code has k = 3. Losses seen in training, with dropout on, are not used.

    Raises:
        InputError: an option is out of its range.
    """

    def __init__(
        self,
        size: int,
        n: int,
        seeds: Tensor,
        first_step: int,
        *,
        beta: float = 3.0,
        history: int = 1024,
        stale_every: int = 1,
    ) -> None:
        super().__init__(size, n)
        check_value("beta", beta, 0 <= beta < math.inf, "0 to keep every candidate, or a number above it to keep fewer")
        check_value("history", history, history >= 1, "at least 1 loss")
        check_value("stale_every", stale_every, stale_every >= 1, "1 for the plain method, or more epochs")
        self.beta, self.stale_every = beta, stale_every
        self._size, self._n, self._seeds = size, n, seeds
        self._lane = torch.arange(n, device=seeds.device)
        self._before = -(-first_step * n // size)  # epochs whose orders a pre-training has used
        self._epochs = [-1] * len(seeds)  # that the next two tensors are of
        shape = len(seeds), (1 - (-n // size)) * size
        self._orders = torch.zeros(shape, dtype=torch.int64, device=seeds.device)
        self._numbers = torch.zeros(shape, dtype=torch.float64, device=seeds.device)
        self._batches, self._known, self._kept = torch.zeros(3, len(seeds), 1, dtype=torch.int64, device=seeds.device)
        self._history = torch.full((len(seeds), history), torch.inf, device=seeds.device)
        self._queue = torch.zeros(len(seeds), 2 * n, dtype=torch.int64, device=seeds.device)  # the last is never used
        self._losses = torch.zeros(len(seeds), size if stale_every > 1 else 0, device=seeds.device)

    def prepare(self, step: int) -> Tensor | None:
        while (lacking := self._kept < self._n).any():
            candidates, _ = self._candidates()
            fresh = lacking & (self._batches * self._n // self._size % self.stale_every == 0)
            if fresh.any():
                return candidates.masked_fill(~fresh, -1)
            self._choose(self._losses.gather(1, candidates), lacking)
        return None

    def examined(self, indices: Tensor, logits: Tensor, losses: Tensor) -> None:
        asked = indices[:, :1] >= 0
        if self.stale_every > 1:
            rows = asked[:, 0]
            self._losses[rows] = self._losses[rows].scatter(1, indices[rows], losses[rows])
        self._choose(losses, asked)

    def draw(self, step: int | Tensor) -> Tensor:
        return self._queue[:, : self._n].clone()

    def observe(self, indices: Tensor, logits: Tensor, losses: Tensor) -> None:
        self._queue.copy_(self._queue.roll(-self._n, 1))
        self._kept -= self._n

    @property
    def tensors(self) -> dict[str, Tensor]:
        counters = {"batches": self._batches, "known": self._known, "kept": self._kept}
        return counters | {"history": self._history, "queue": self._queue, "losses": self._losses}

    def _candidates(self) -> tuple[Tensor, Tensor]:
        """Every seed's next candidates [S, n], and the random number that decides about each."""
        first = self._batches * self._n
        for seed, epoch in enumerate((first // self._size).flatten().tolist()):
            if epoch != self._epochs[seed]:
                self._epochs[seed] = epoch
                only = self._seeds[seed : seed + 1]
                parts = zip(self._orders[seed].split(self._size), self._numbers[seed].split(self._size), strict=True)
                for number, (order, numbers) in enumerate(parts, start=self._before + epoch):
                    order.copy_(randomness.permutations(only, Stream.ORDER, number, self._size)[0])
                    numbers.copy_(randomness.uniforms(only, Stream.SELECT, number, self._size)[0])
        places = first % self._size + self._lane
        return self._orders.gather(1, places), self._numbers.gather(1, places)

    def _choose(self, losses: Tensor, rows: Tensor) -> None:
        """Add the next candidates' losses [S, n] to the history and the kept ones to the queue, for some seeds."""
        candidates, numbers = self._candidates()
        losses = losses.nan_to_num(nan=torch.inf, posinf=torch.inf)
        length = self._history.shape[1]
        ring = ((self._known + self._lane) % length)[:, -length:]
        self._history.scatter_(1, ring, losses[:, -length:].where(rows, self._history.gather(1, ring)))
        self._known += self._n * rows
        filled = self._known.clamp(1, length)
        rank = torch.searchsorted(self._history.sort(dim=1)[0], losses, right=True).minimum(filled)
        keep = (numbers < (rank / filled).double().pow(self.beta)) & rows
        places = (self._kept + keep.cumsum(1) - 1).where(keep, 2 * self._n - 1)
        self._queue.scatter_(1, places, candidates.where(keep, 0))
        self._kept += keep.sum(1, keepdim=True)
        self._batches += rows.long()


class _Passes(FullMiniBatches, abc.ABC):
    """Shuffled passes over the examples that a rule keeps anew for each, every seed at its own pace.

    One pass follows another without a short mini-batch: the next is chosen before the mini-batch in which it begins,
    so the last examples of a pass, fewer than n, are judged by their losses in the pass before.

    Args:
        epochs: length of the run in mini-batch epochs, N/n updates each, a pre-training included.
    """

    def __init__(self, size: int, n: int, seeds: Tensor, first_step: int, epochs: float | None) -> None:
        super().__init__(size, n)
        steps = (epochs or 0) * size / n
        check_value(
            "epochs", epochs, first_step < steps < math.inf, f"the run's length, above {first_step * n / size:g}"
        )
        self._size, self._n, self._seeds, self._first_step, self._steps = size, n, seeds, first_step, steps
        self._lane = torch.arange(n, device=seeds.device)
        self._queue = torch.zeros(len(seeds), size + n - 1, dtype=torch.int64, device=seeds.device)
        self._place, self._end = torch.zeros(2, len(seeds), 1, dtype=torch.int64, device=seeds.device)
        self._number = torch.full((len(seeds),), -(-first_step * n // size), device=seeds.device)  # of the next pass
        self._losses = torch.full((len(seeds), size), torch.inf, device=seeds.device)  # as last seen

    def prepare(self, step: int) -> Tensor | None:
        while (ending := self._end - self._place < self._n).any():
            wanted = self._wanted(ending)
            if wanted is not None:
                return wanted
            for seed in ending[:, 0].nonzero().flatten().tolist():
                self._begin(seed, step)
        return None

    def draw(self, step: int | Tensor) -> Tensor:
        return self._queue.gather(1, self._place + self._lane)

    def observe(self, indices: Tensor, logits: Tensor, losses: Tensor) -> None:
        self._losses.scatter_(1, indices, losses.gather(1, self._last(indices)))
        self._place += self._n

    @property
    def tensors(self) -> dict[str, Tensor]:
        counters = {"place": self._place, "end": self._end, "number": self._number}
        return counters | {"queue": self._queue, "losses": self._losses}

    def _wanted(self, ending: Tensor) -> Tensor | None:
        """Examples to be examined before the next pass of some seeds, bool [S, 1], is chosen."""
        return None

    @abc.abstractmethod
    def _keep(self, seed: int, number: int, order: Tensor, progress: float) -> Tensor:
        """The pass of that number: what of ``order``, all N shuffled, is to be trained."""

    def _begin(self, seed: int, step: int) -> None:
        place, end, number = (int(counter[seed]) for counter in (self._place, self._end, self._number))
        order = randomness.permutations(self._seeds[seed : seed + 1], Stream.ORDER, number, self._size)[0]
        progress = (step - self._first_step) / (self._steps - self._first_step)
        queue = torch.cat([self._queue[seed, place:end], self._keep(seed, number, order, progress)])
        self._queue[seed, : len(queue)] = queue
        self._place[seed], self._end[seed], self._number[seed] = 0, len(queue), number + 1

    def _last(self, indices: Tensor) -> Tensor:
        """Where in its row each index [S, n] stands last: two passes that meet may both hold an example."""
        return ((indices.unsqueeze(1) == indices.unsqueeze(2)) * self._lane).amax(2)


class Kakurenbo(_Passes):
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

    def factor(self, step: int) -> float:
        """What the learning rate of a step is multiplied by."""
        done = step - self._first_step
        later = (done + 1) * self._n > self._size  # than the first pass
        return 1 / (1 - later * self._share(done / (self._steps - self._first_step)))

    def prepare(self, step: int) -> Tensor | None:
        self.learning_rate_factor = self.factor(step)
        return super().prepare(step)

    def examined(self, indices: Tensor, logits: Tensor, losses: Tensor) -> None:
        rows = indices[:, 0] >= 0
        learnt = self._learnt(logits, losses)
        for store, new in ((self._losses, losses), (self._easy, learnt), (self._hidden, torch.zeros_like(learnt))):
            store[rows] = store[rows].scatter(1, indices[rows], new[rows])

    def observe(self, indices: Tensor, logits: Tensor, losses: Tensor) -> None:
        self._easy.scatter_(1, indices, self._learnt(logits, losses).gather(1, self._last(indices)))
        super().observe(indices, logits, losses)

    @property
    def tensors(self) -> dict[str, Tensor]:
        return super().tensors | {"easy": self._easy, "hidden": self._hidden}

    def _wanted(self, ending: Tensor) -> Tensor | None:
        waiting = self._hidden & ending
        counts = waiting.sum(1, keepdim=True)
        if not counts.any():
            return None
        fewest = int(counts[counts > 0].min())  # the seeds' counts differ; the next call asks for the rest
        first = waiting.byte().argsort(dim=1, descending=True, stable=True)[:, :fewest]
        return first.masked_fill(counts == 0, -1)

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


class InfoBatch(_Passes):
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

    def draw(self, step: int | Tensor) -> Tensor:
        queued = super().draw(step)
        low = queued < 0
        self.weights = 1 + low * (self.ratio / (1 - self.ratio))
        return (~queued).where(low, queued)

    def _keep(self, seed: int, number: int, order: Tensor, progress: float) -> Tensor:
        if progress >= self.delta:
            return order
        losses = self._losses[seed].double()
        low = losses < losses[losses.isfinite()].mean()
        numbers = randomness.uniforms(self._seeds[seed : seed + 1], Stream.SELECT, number, self._size)[0]
        kept = order[~(low & (numbers < self.ratio))[order]]
        return (~kept).where(low[kept], kept)  # a low one is queued as its complement


class _Groups(FullMiniBatches):
    """Streams that look at the next ``group`` examples of shuffled epochs before every update."""

    def __init__(self, size: int, n: int, seeds: Tensor, first_step: int, group: int) -> None:
        super().__init__(size, n)
        self._groups = MiniBatches(size, group, seeds, first_step)

    def prepare(self, step: int) -> Tensor | None:
        if not self.first_ask(step):
            return None
        self._groups.prepare(step)
        return self._groups.draw(step)


class Mercury(_Groups):
    """Mercury: importance sampling from a group of examples scored just before (Zeng et al., SenSys 2021).

    Before every update the next G examples of shuffled epochs are passed through the network (group-wise importance
    computation; doi 10.1145/3485730.3485930, section 4). Of these n are drawn with replacement, p_i in proportion to
    loss_i + alpha m with m the running mean of the groups' mean losses (0.9 of the last one is kept), and their losses
    are multiplied by 1 / (G p_i): the expected gradient is that of the group, and so of all examples. The paper's two
    other parts, resharding data between devices and fitting G to the network's bandwidth, have no place on one machine.

    G, alpha and the 0.9 are those of the authors' code (AIoT-MLSys-Lab/Mercury). Its running mean begins anew in every
    epoch, which is ``mean_over="epoch"``. It scores the group in training mode, with dropout on and statistics of batch
    normalisation moving, before the update that sends gradients meanwhile: its scores are one update older. Here they
    are of evaluation mode, and of the weights that train next.

    Args:
        group: the group's size in mini-batches, G = group n; never more than all examples.
        alpha: of the smoothing.
        mean_over: "run", one running mean for the training, or "epoch", a new one in every mini-batch epoch of N/n
            updates.

    Raises:
        InputError: an option is out of its range.
    """

    def __init__(
        self,
        size: int,
        n: int,
        seeds: Tensor,
        first_step: int,
        *,
        group: int = 10,
        alpha: float = 0.5,
        mean_over: str = "run",
    ) -> None:
        check_choice("mean_over", mean_over, ("run", "epoch"))
        check_value("group", group, group >= 1, "at least 1 mini-batch")
        check_value("alpha", alpha, 0 <= alpha < math.inf, "0 for no smoothing, or a number above it")
        examples = min(group * n, size)
        super().__init__(size, n, seeds, first_step, examples)
        self.alpha, self.mean_over = alpha, mean_over
        self._size, self._n, self._seeds, self._first_step = size, n, seeds, first_step
        self._group = torch.zeros(len(seeds), examples, dtype=torch.int64, device=seeds.device)
        self._importance = torch.ones(self._group.shape, dtype=torch.float64, device=seeds.device)
        self._mean = torch.full((len(seeds), 1), torch.nan, dtype=torch.float64, device=seeds.device)

    def prepare(self, step: int) -> Tensor | None:
        wanted = super().prepare(step)
        begins = (step - self._first_step) * self._n % self._size < self._n
        if wanted is not None and begins and self.mean_over == "epoch":
            self._mean.fill_(torch.nan)
        return wanted

    def examined(self, indices: Tensor, logits: Tensor, losses: Tensor) -> None:
        losses = losses.double().nan_to_num(nan=0.0, posinf=LARGEST).clamp(1e-8, LARGEST)
        mean = losses.mean(1, keepdim=True)
        self._mean.copy_(mean.where(self._mean.isnan(), 0.9 * self._mean + 0.1 * mean))
        self._group.copy_(indices)
        self._importance.copy_(losses + self.alpha * self._mean)

    def draw(self, step: int | Tensor) -> Tensor:
        sums = self._importance.cumsum(1)
        numbers = randomness.uniforms(self._seeds, Stream.DRAW, step, self._n)
        drawn = torch.searchsorted(sums, numbers * sums[:, -1:], right=True).clamp(max=sums.shape[1] - 1)
        p = self._importance.gather(1, drawn) / sums[:, -1:]
        self.weights = (1 / (sums.shape[1] * p)).float()
        return self._group.gather(1, drawn)

    @property
    def tensors(self) -> dict[str, Tensor]:
        return {"mean": self._mean}


class OnlineHardExamples(_Groups):
    """OHEM: of every shuffled mini-batch the examples of highest loss are trained (Shrivastava et al. 2016).

    Made for the regions of an image (arXiv:1604.03540, section 4): all are passed through the network, and the hardest
    are passed backward. The same rule here takes examples for regions, and needs no suppression of overlapping ones.

    Args:
        keep: share of the n that is trained; an update is of round(keep n) examples. The paper keeps 128 regions of
            some 2,000 an image; half is our choice for examples.

    Raises:
        InputError: ``keep`` leaves no example, or is above 1.
    """

    def __init__(self, size: int, n: int, seeds: Tensor, first_step: int, *, keep: float = 0.5) -> None:
        super().__init__(size, n, seeds, first_step, n)
        count = round(keep * n) if 0 < keep <= 1 else 0
        check_value("keep", keep, count >= 1, f"a share that leaves an example of {n}, up to 1")
        self._hardest = torch.zeros(len(seeds), count, dtype=torch.int64, device=seeds.device)

    def examined(self, indices: Tensor, logits: Tensor, losses: Tensor) -> None:
        order = losses.argsort(dim=1, descending=True, stable=True)
        self._hardest.copy_(indices.gather(1, order[:, : self._hardest.shape[1]]))

    def draw(self, step: int | Tensor) -> Tensor:
        return self._hardest.clone()


class LossProportional(PersistentLoss):
    """LPS: draws with replacement in proportion to losses that are computed once an epoch. Home-made: no paper has it.

    p_i = loss_i / sum(loss), without a reweighting, by losses that a forward pass over all examples computes at the
    start of every mini-batch epoch, N/n updates, and that stay until the next. It is the plainest use of the loss as an
    importance, to hold the papers' methods against. Nearest to it are Katharopoulos and Fleuret (2017,
    arXiv:1706.00043), who also take the loss for the importance, and Schaul et al. (2016, arXiv:1511.05952, equation
    1), who draw in proportion to a power of their error; both keep it up to date as they go.

    Args:
        floor: the smallest loss that is stored, so that every example can be drawn.

    Raises:
        InputError: ``floor`` is out of its range.
    """

    def __init__(self, size: int, n: int, seeds: Tensor, first_step: int, *, floor: float = 1e-8) -> None:
        super().__init__(size, n, seeds, first_step, floor=floor)

    def due(self, step: int) -> bool:
        return (step - self._first_step) * self._n % self.base_values.size < self._n

    def observe(self, indices: Tensor, logits: Tensor, losses: Tensor) -> None:
        pass
