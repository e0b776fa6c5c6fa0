"""Paper B's methods: fixed mini-batches trained in rounds, the hardest first, and the controls of that choice.

Algorithm 2 trains all N mini-batches once and keeps the loss of each; every later round trains the δN of highest kept
loss and keeps their new losses. A training of E epochs makes E N updates whatever δ is (equation 4): where δN is no
whole number the fraction is carried to the next round, and the last round ends where the budget does. The paper's
pseudo-code can train whole rounds of whole mini-batches alone: int(ζ) of int(δN) after the first pass, ζ = (E - 1) / δ
(equation 2), which is E N - N - int(ζ) int(δN) updates fewer. With E = 100 and N = 97 (CIFAR at n = 512, the last
examples left out) these are 132, 99 and 198 of 9,700 for δ = 0.8, 0.5 and 0.2; with N = 9 (STL-10) they are 30, 99 and
396 of 900.
"""

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor

from hardsample import randomness
from hardsample.errors import InputError, check_choice, check_value
from hardsample.methods.base import Draw, Evaluate, Method, of_all
from hardsample.methods.specs import Entry, Look, MethodSpec
from hardsample.randomness import Stream

WALKS = ("loss", "data")
ROUND_LENGTHS = ("carried", "truncated")
DELTA = 0.5  # unless another is asked for


class HardMiniBatches(Method):
    """HMB: rounds over the δN mini-batches of highest loss when last trained (paper B, Algorithm 2).

    δ = 1 is Algorithm 1, ordinary training: all mini-batches in their own order. Equal losses go by that order too; a
    loss that is not a number counts as the highest.

    Args:
        delta: the share δ of the N mini-batches that a round trains, in (0, 1].
        shuffle: does one shuffle, fixed by the seed, decide which examples form a mini-batch, or the data's own order?
        drop_last: leave out the examples that do not fill a mini-batch, or train them as a short one?
        walk: the order within a round, "loss" (highest first) or "data" (the mini-batches' own order).
        round_length: "carried", rounds of δN on average; or "truncated", every round of int(δN).
        rounds: after so many rounds the training ends, if its budget has not ended it before; 0 for no such end. With
            :func:`whole_rounds` of them and ``round_length="truncated"`` it ends as the paper's pseudo-code does.
        refresh_every: rounds after which all losses are computed anew, by a forward pass; 0 for never, as in the paper.

    Raises:
        InputError: an option is out of its range, or δN is less than one mini-batch.
    """

    walks: tuple[str, ...] = WALKS
    in_turn = False
    updates_per_epoch: int

    def __init__(
        self,
        size: int,
        n: int,
        seeds: Tensor,
        first_step: int,
        *,
        delta: float = DELTA,
        shuffle: bool = True,
        drop_last: bool = False,
        walk: str = "loss",
        round_length: str = "carried",
        rounds: int = 0,
        refresh_every: int = 0,
    ) -> None:
        check_choice("walk", walk, self.walks)
        check_choice("round_length", round_length, ROUND_LENGTHS)
        check_value("refresh_every", refresh_every, refresh_every >= 0, "a number of rounds, or 0 for never")
        check_value("rounds", rounds, rounds >= 0, "a number of rounds, or 0 for as many as the budget has")
        self.updates_per_epoch = count = size // n if drop_last else -(-size // n)
        if not count:
            raise InputError(f"{size} examples fill no mini-batch of {n}: choose a smaller one, or drop_last=False.")
        self._tail = 0 if drop_last else size % n
        if self._tail and len(seeds) > 1:
            raise InputError(
                f"mini-batches of {n} leave a short one of {size} examples, which seeds trained together cannot share:"
                " choose a size that divides the data, drop_last=True, or train one seed at a time."
            )
        self.delta, self.walk, self.seeds, self._first_step = delta, walk, seeds, first_step
        self.round_length = _round_length(delta, count, round_length)
        self.end = first_step + count + _first_of(rounds + 1, self.round_length) if rounds else None
        self._n, self._lane = n, torch.arange(n, device=seeds.device)
        self._examples = torch.arange(size, device=seeds.device).repeat(len(seeds), 1)
        if shuffle:
            self._examples = randomness.permutations(seeds, Stream.ORDER, 0, size)
        self._examples = self._examples[:, : count * n].contiguous()
        places = torch.arange(self._examples.shape[1], device=seeds.device).expand(len(seeds), -1)
        unused = torch.full((len(seeds), size), count, device=seeds.device)  # what drop_last leaves out
        self._mini_batch_of = unused.scatter_(1, self._examples, places // n)
        self._refresh_every = refresh_every
        self.losses = torch.full((len(seeds), count), torch.inf, dtype=torch.float32, device=seeds.device)  # till known
        self._round = torch.arange(count, device=seeds.device).repeat(len(seeds), 1)
        self._now = torch.zeros(len(seeds), 1, dtype=torch.int64, device=seeds.device)
        self._known: tuple[int, list[int]] = -1, []  # of a round with a short mini-batch: its number, its order here

    def refresh(self, step: int, evaluate: Evaluate) -> None:
        number, place = self._place(step)
        if number and place == 0 and self._refresh_every and number % self._refresh_every == 0:
            self.fill(of_all(evaluate, self._mini_batch_of.shape[1], self.seeds, lambda logits, losses: losses))

    def fill(self, losses: Tensor) -> None:
        """Set what is known of all, by the losses of all examples: float32 [S, size]."""
        parts = losses.gather(1, self._examples).split(self._n, dim=1)
        self.losses.copy_(torch.stack([part.mean(1) for part in parts], dim=1))

    def prepare(self, step: int) -> None:
        number, place = self._place(step)
        if number and place == 0:
            self._begin(number)
        self._now.copy_(self._round[:, place : place + 1])
        if self._tail and number != self._known[0]:
            self._known = number, self._round[0].tolist()

    def short(self, step: int) -> bool:
        return self._tail > 0 and self._known[1][self._place(step)[1]] == self.updates_per_epoch - 1

    def draw(self, step: int | Tensor) -> Draw:
        if isinstance(step, int) and self.short(step):
            return Draw(self._examples[:, -self._tail :].clone())
        places = self._now * self._n + self._lane
        if self._tail:  # a graph may be captured, and be thrown back, at a step whose mini-batch is short
            places.clamp_(max=self._examples.shape[1] - 1)
        return Draw(self._examples.gather(1, places))

    def observe(self, indices: Tensor, logits: Tensor, losses: Tensor) -> None:
        self.losses.scatter_(1, self._mini_batch_of.gather(1, indices[:, :1]), losses.mean(1, keepdim=True))

    @property
    def tensors(self) -> dict[str, Tensor]:
        return {"losses": self.losses, "round": self._round}

    @property
    def bounds(self) -> dict[str, tuple[float, float]]:
        return {"round": (0, self.updates_per_epoch - 1)}

    @property
    def evaluates(self) -> bool:
        return self._refresh_every > 0

    @property
    def hardness(self) -> Tensor | None:
        """The loss of each example's mini-batch."""
        left_out = torch.full_like(self.losses[:, :1], torch.nan)
        return torch.cat([self.losses, left_out], 1).gather(1, self._mini_batch_of)

    def ranked(self, number: int) -> Tensor:
        """All mini-batches in the order in which the round of that number prefers them: int64 [S, N]."""
        return self.losses.argsort(dim=1, descending=True, stable=True)

    def _begin(self, number: int) -> None:
        if self.delta == 1 and self.walk != "drawn":
            return
        first, end = (_first_of(number + later, self.round_length) for later in (0, 1))
        chosen = self.ranked(number)[:, : end - first]
        self._round[:, : end - first] = chosen.sort(dim=1)[0] if self.walk == "data" else chosen

    def _place(self, step: int) -> tuple[int, int]:
        """The round that a step belongs to, and its place there."""
        step -= self._first_step
        if step < self.updates_per_epoch:
            return 0, step
        after = step - self.updates_per_epoch
        number = math.ceil((after + 1) / self.round_length)
        return number, after - _first_of(number, self.round_length)


class RandomMiniBatches(HardMiniBatches):
    """RMB: as HMB, but a round's δN mini-batches are drawn at random: the same budget, and no loss is looked at.

    ``walk`` may also be "drawn". It is the order in which they are drawn, as "loss" is, but at δ = 1 too: there it
    trains the same mini-batches in a new order each round, where HMB keeps their order and FMB forms new ones.
    """

    walks = (*WALKS, "drawn")

    def ranked(self, number: int) -> Tensor:
        return randomness.permutations(self.seeds, Stream.DRAW, number, self.updates_per_epoch)


class FreshMiniBatches(HardMiniBatches):
    """FMB: ordinary training whose mini-batches are formed anew in every epoch; what HMB at δ = 1 keeps fixed."""

    def __init__(self, size: int, n: int, seeds: Tensor, first_step: int, *, drop_last: bool = False) -> None:
        super().__init__(size, n, seeds, first_step, delta=1.0, drop_last=drop_last)
        self._size = size

    def observe(self, indices: Tensor, logits: Tensor, losses: Tensor) -> None:
        pass

    def _begin(self, number: int) -> None:
        order = randomness.permutations(self.seeds, Stream.ORDER, number, self._size)
        self._examples.copy_(order[:, : self._examples.shape[1]])

    @property
    def tensors(self) -> dict[str, Tensor]:
        return {"examples": self._examples}

    @property
    def bounds(self) -> dict[str, tuple[float, float]]:
        return {"examples": (0, self._size - 1)}

    @property
    def hardness(self) -> None:
        return None


class HardExamples(HardMiniBatches):
    """HE: HMB's rule for single examples: a round trains the δNn of highest loss when last trained, highest first."""

    def __init__(
        self,
        size: int,
        n: int,
        seeds: Tensor,
        first_step: int,
        *,
        delta: float = DELTA,
        shuffle: bool = True,
        drop_last: bool = False,
        round_length: str = "carried",
        rounds: int = 0,
        refresh_every: int = 0,
    ) -> None:
        super().__init__(
            size,
            n,
            seeds,
            first_step,
            delta=delta,
            shuffle=shuffle,
            drop_last=drop_last,
            round_length=round_length,
            rounds=rounds,
            refresh_every=refresh_every,
        )
        lowest = -torch.inf  # for what drop_last leaves out
        self.losses = torch.full((len(seeds), size), lowest, dtype=torch.float32, device=seeds.device)

    def fill(self, losses: Tensor) -> None:
        self.losses.copy_(losses)

    def observe(self, indices: Tensor, logits: Tensor, losses: Tensor) -> None:
        self.losses.scatter_(1, indices, losses)

    def _begin(self, number: int) -> None:
        if self.delta < 1:
            self._examples.copy_(self.ranked(number)[:, : self._examples.shape[1]])

    @property
    def tensors(self) -> dict[str, Tensor]:
        return {"losses": self.losses, "examples": self._examples}

    @property
    def bounds(self) -> dict[str, tuple[float, float]]:
        return {"examples": (0, self.losses.shape[1] - 1)}

    @property
    def hardness(self) -> Tensor:
        return self.losses


def whole_rounds(epochs: float, delta: float) -> int:
    """int(ζ) of equation 2, ζ = (E - 1) / δ: the rounds after the first pass in the paper's pseudo-code."""
    return int((Fraction(epochs) - 1) / _exact(delta))


def _exact(delta: float) -> Fraction:
    return Fraction(delta).limit_denominator(10**6)


def _round_length(delta: float, count: int, kind: str) -> Fraction:
    """δN as an exact number, or its whole part."""
    length = _exact(delta) * count if 0 < delta <= 1 else Fraction(0)
    if length < 1:
        smallest = math.ceil(10**6 / count) / 10**6
        raise InputError(
            f"delta is {delta:g}, and of {count} mini-batches that is not a whole one: give {smallest:g} to 1."
        )
    return length if kind == "carried" else Fraction(int(length))


def _first_of(number: int, length: Fraction) -> int:
    """Updates made after the first pass, before the round of that number (from 1) begins."""
    return math.floor((number - 1) * length)


def _curve(rule: str) -> Callable[[Mapping[str, Any]], str]:
    """What a curve of a method is called that goes by a rule and its δ."""
    return lambda options: f"{rule}δ = {options.get('delta', DELTA):g}"


def _random_curve(options: Mapping[str, Any]) -> str:
    in_new_order = options.get("walk") == "drawn" and options.get("delta") == 1
    return "new order" if in_new_order else _curve("random ")(options)


# The smaller δ, the lighter, in grey too; a control has the colour of its δ, and dashes and a marker of its own.
_COLORS = {"δ = 1": "#3b3b3b", "δ = 0.8": "#6a3fb5", "δ = 0.5": "#cc4778", "δ = 0.2": "#e07b18"}
_LINES: dict[str, str | tuple[float, tuple[float, ...]]] = {
    "δ = 1": "-",
    "δ = 0.8": (0, (3, 1)),
    "δ = 0.5": (0, (3, 1, 1, 1)),
    "δ = 0.2": "-",
}
_MARKERS = {"δ = 1": "o", "δ = 0.8": "s", "δ = 0.5": "^", "δ = 0.2": "v"}
SPECS = (
    MethodSpec(
        "HMB",
        HardMiniBatches,
        title=_curve(""),
        looks={delta: Look(_COLORS[delta], _LINES[delta], _MARKERS[delta]) for delta in _COLORS},
        entries=(Entry({"delta": 0.5}),),
    ),
    MethodSpec(
        "RMB",
        RandomMiniBatches,
        title=_random_curve,
        looks={f"random {delta}": Look(color, (0, (1, 1.2)), "P") for delta, color in _COLORS.items()}
        | {"new order": Look(_COLORS["δ = 1"], (0, (1, 1.2)), "*")},
    ),
    MethodSpec(
        "FMB",
        FreshMiniBatches,
        title=lambda options: "reshuffled",
        looks={"reshuffled": Look(_COLORS["δ = 1"], (0, (2, 1.5)), "D")},
    ),
    MethodSpec(
        "HE",
        HardExamples,
        title=_curve("examples "),
        looks={f"examples {delta}": Look(color, (0, (1, 2.5)), "X") for delta, color in _COLORS.items()},
    ),
)
