"""LB, the loss-based stream that paper A compares with and does not define: its readings, each by named options.

A vector of weights, one per example, begins uniform. Every step draws n examples without replacement in proportion to
it, and writes their utilities into it. A CUSUM watches a loss, and its alarm makes the vector uniform again. The parts
are those of the same group's published code; what they leave open are the options of :class:`LossBased`.
"""

import itertools
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from hardsample import randomness
from hardsample.errors import InputError, check_choice, check_value
from hardsample.methods.base import Draw, Evaluate, FullMiniBatches
from hardsample.methods.base_values import BaseValues, check_distinct, draw_distinct
from hardsample.methods.specs import Entry, Look, MethodSpec
from hardsample.methods.trees import LARGEST
from hardsample.randomness import Stream

WRITES = ("normalized", "kept", "raw")
UTILITIES = ("tanh/count", "tanh", "exp/count", "exp", "loss/count", "loss")
MONITORS = ("held-out", "mini-batch")
ALARMS = ("fall", "rise")
DRAWS = ("rounds", "keys")
_MONITOR_EVERY = 50
_EVERY_STEP = {"draws": "keys", "monitor": "mini-batch"}
_NO_RESET = _EVERY_STEP | {"reset": False}
READINGS: dict[str, dict[str, Any]] = {
    "normalized tanh/count, held-out loss every 50 steps": {},
    "normalized tanh/count, mini-batch loss every step": _EVERY_STEP,
    "raw exp, no reset": _NO_RESET | {"write": "raw", "utility": "exp"},
    "raw exp/count, no reset": _NO_RESET | {"write": "raw", "utility": "exp/count"},
    "raw exp/count, mini-batch loss every step": _EVERY_STEP | {"write": "raw", "utility": "exp/count"},
    "kept tanh/count, no reset": _NO_RESET | {"write": "kept"},
    "normalized tanh/count, alarm at a rise": _EVERY_STEP | {"alarm": "rise"},
}
"""The readings that are compared with what paper A says of LB: their names and options."""
NEAREST = "normalized tanh/count, mini-batch loss every step"
"""The reading that meets most of what paper A says, by the study: what figures and the contest call LB."""

_LARGEST_EXPONENT = 50.0  # of exp(loss): far beyond any loss that still learns
_RESCALE_EVERY = 32  # steps; normalized, the sum of the weights at most doubles in each


def reading(options: Mapping[str, Any]) -> str:
    """The name among ``READINGS`` of LB with these options; "" if it is none of them."""
    return next((name for name, known in READINGS.items() if known == options), "")


class LossBased(FullMiniBatches):
    """LB: weights rewritten by each mini-batch, and made uniform again when a monitored loss raises the alarm.

    With every option at its default, n draws without replacement have utility u_i = tanh(loss_i) / times drawn;
    u_i / sum(u) is written beside a vector that sums to 1, which is then renormalised; and the CUSUM of the fall of a
    held-out loss, S += max(0, l_before - l_now - alpha), raises its alarm at S > threshold. This reading draws few
    examples again and again, since a mini-batch takes half of the vector and resets come too seldom.
    :mod:`hardsample.report.lb_readings` holds ``READINGS`` to what paper A says of LB.

    Args:
        alpha, threshold: of the CUSUM.
        reset: False loses the reset, as the method's first published code does.
        held_out: share of the training set that is monitored and never drawn, where ``monitor`` is "held-out".
        monitor_every: steps between two looks at the held-out loss; a mini-batch's is looked at in every step.
        floor: the smallest weight.
        write: how utilities enter the vector: "normalized", the mini-batch's sum to as much as the whole vector did;
            "kept", to as much as the mini-batch's own weights did; or "raw", as they are, into a vector of ones.
        utility: "tanh", "exp" or "loss" of the example's loss, "/count": divided by how often it was drawn.
        monitor: the loss that is watched, that of the "held-out" examples or of the "mini-batch" just trained, which
            costs nothing.
        alarm: what adds up, the loss's "fall" or its "rise".
        draws: without replacement by "rounds" of draws with it, repeats passed over; or by exponential "keys", the n
            smallest of e_i / w_i with e_i exponential (Efraimidis and Spirakis 2006), the same distribution in a fixed
            number of operations, which a CUDA graph can hold. Other random numbers, so other draws.

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
        alpha: float = 0.01,
        threshold: float = 0.1,
        reset: bool = True,
        held_out: float = 0.02,
        monitor_every: int = _MONITOR_EVERY,
        floor: float = 1e-30,
        write: str = "normalized",
        utility: str = "tanh/count",
        monitor: str = "held-out",
        alarm: str = "fall",
        draws: str = "rounds",
    ) -> None:
        super().__init__(size, n)
        for name, value, valid in (
            ("write", write, WRITES),
            ("utility", utility, UTILITIES),
            ("monitor", monitor, MONITORS),
            ("alarm", alarm, ALARMS),
            ("draws", draws, DRAWS),
        ):
            check_choice(name, value, valid)
        if draws == "rounds" and write != "normalized":
            raise InputError(f'write is {write!r}: with draws="rounds" it is "normalized" alone; give draws="keys".')
        check_value("monitor_every", monitor_every, monitor_every >= 1, "at least 1 step")
        if monitor == "mini-batch" and monitor_every != _MONITOR_EVERY:
            raise InputError(
                f"monitor_every is {monitor_every}: a mini-batch's loss is watched at every step; leave it out."
            )
        for name, number in (("alpha", alpha), ("threshold", threshold)):
            check_value(name, number, 0 <= number < math.inf, "0 or a number above it")
        share = 0 < held_out < 1
        monitored = max(1, round(held_out * size)) if monitor == "held-out" and share else 0
        fits = monitor != "held-out" or (share and size - monitored >= n)
        check_value("held_out", held_out, fits, f"a share above 0 that leaves {n} of {size} examples to draw")
        check_distinct(n, size)
        self.alpha, self.threshold, self.reset, self.monitor_every = alpha, threshold, reset, monitor_every
        self.write, self.monitor, self.alarm = write, monitor, alarm
        self._function, _, self._count = utility.partition("/")
        self.capturable = draws == "keys"  # a round takes as many draws as it needs
        self._first_step = first_step
        order = torch.arange(size, device=seeds.device).repeat(seeds.numel(), 1)
        if monitored:
            order = randomness.permutations(seeds, Stream.HELD_OUT, 0, size)
        self._monitored, self._pool = order[:, :monitored].contiguous(), order[:, monitored:].contiguous()
        self._weights: _ByRounds | _ByKeys
        if draws == "rounds":
            self._weights = _ByRounds(size - monitored, n, seeds, floor)
        else:
            self._weights = _ByKeys(size - monitored, n, seeds, floor, grows=write == "normalized")
        self._times_drawn = torch.zeros(self._pool.shape, dtype=torch.int32, device=seeds.device)
        self._cusum = torch.zeros(seeds.numel(), dtype=torch.float32, device=seeds.device)
        self._loss_before = torch.full_like(self._cusum, -torch.inf if alarm == "fall" else torch.inf)

    def refresh(self, step: int, evaluate: Evaluate) -> None:
        if self._monitored.numel() and (step - self._first_step) % self.monitor_every == 0:
            _, losses = evaluate(self._monitored)
            self._watch(losses.mean(1))

    def prepare(self, step: int) -> None:
        self._weights.prepare(step)

    def draw(self, step: int | Tensor) -> Draw:
        self._drawn = self._weights.draw(step)
        return Draw(self._pool.gather(1, self._drawn))

    def observe(self, indices: Tensor, logits: Tensor, losses: Tensor) -> None:
        times = self._times_drawn.gather(1, self._drawn).add_(1)
        self._times_drawn.scatter_(1, self._drawn, times)
        utility = self._utility(losses)
        if self._count:
            utility = utility.div_(times)
        if self.write != "raw":
            share = utility / utility.sum(1, keepdim=True)
            utility = share * self._weights.mass(self.write == "kept")[:, None]
        self._weights.write(self._drawn, utility)
        if self.monitor == "mini-batch" and self.reset:
            self._watch(losses.mean(1))

    def skip(self) -> None:
        self._weights.put_back()

    def _utility(self, losses: Tensor) -> Tensor:
        if self._function == "tanh":
            return losses.tanh()
        if self._function == "exp":
            return losses.clamp(max=_LARGEST_EXPONENT).exp_()
        return losses.clone()

    def _watch(self, loss: Tensor) -> None:
        """Add to the CUSUM of the monitored loss [S], and make the weights of those seeds uniform that it alarms."""
        fall = self._loss_before - loss
        self._cusum += ((fall if self.alarm == "fall" else -fall) - self.alpha).clamp_(min=0)
        self._loss_before.copy_(loss)
        alarm = self._cusum > self.threshold
        self._cusum.masked_fill_(alarm, 0)
        if self.reset:
            self._weights.make_uniform(alarm)

    @property
    def tensors(self) -> dict[str, Tensor]:
        own = {"times_drawn": self._times_drawn, "cusum": self._cusum, "loss_before": self._loss_before}
        return own | self._weights.tensors

    @property
    def bounds(self) -> dict[str, tuple[float, float]]:
        return {"times_drawn": (0, math.inf), "cusum": (0, math.inf)} | self._weights.bounds

    @property
    def evaluates(self) -> bool:
        return self._monitored.numel() > 0


class _ByRounds:
    """Weights that n examples are drawn by in rounds with replacement; only a vector whose sum is all that counts."""

    _ROUNDS = 32  # of a step that share a stream of random numbers with all other steps'; later ones have their own

    def __init__(self, size: int, n: int, seeds: Tensor, floor: float) -> None:
        self.base_values = BaseValues(size, seeds, floor=floor)
        self._n, self._nothing = n, torch.zeros(seeds.numel(), n, dtype=torch.float32, device=seeds.device)
        self._aside: list[tuple[Tensor, Tensor]] = []  # what the last draw has set aside, and its weights

    def prepare(self, step: int) -> None:
        if step % _RESCALE_EVERY == 0:
            scale = torch.exp2(-self.base_values.totals.log2().floor()).float()
            self.base_values.fill(self.base_values.values * scale[:, None])

    def draw(self, step: int | Tensor) -> Tensor:
        step = int(step)  # no captured graph draws in rounds
        self._mass = self.base_values.totals
        self._aside.clear()
        chosen: list[dict[int, None]] = [{} for _ in self._nothing]  # without repeats, in the order drawn
        for number in itertools.count():  # draws with replacement, repeats passed over, are draws without
            drawn = self._round(step, number)
            for taken, row in zip(chosen, drawn.tolist(), strict=True):
                taken.update(dict.fromkeys(row))
            whole = {place: list(taken)[: self._n] for place, taken in enumerate(chosen) if len(taken) >= self._n}
            if len(whole) == len(chosen):
                break
            for place, row in whole.items():
                drawn[place] = torch.tensor(row)
            self._aside.append((drawn, self.base_values.values.gather(1, drawn)))
            self.base_values.update(drawn, self._nothing)  # the taken are set aside; write gives them their new weights
        return torch.tensor(list(whole.values()), device=self._nothing.device)

    def _round(self, step: int, number: int) -> Tensor:
        """The draws of one round with replacement: int64 [S, n]."""
        if number < self._ROUNDS:
            return self.base_values.draw(step * self._ROUNDS + number, self._n)
        end = (number - self._ROUNDS + 1) * self._n
        numbers = randomness.uniforms(self.base_values.seeds, Stream.LATE_ROUNDS, step, end)
        return self.base_values.draw_by(numbers[:, -self._n :].contiguous())

    def mass(self, of_drawn: bool) -> Tensor:
        """The sum of all weights before the draw: float64 [S]."""
        return self._mass

    def write(self, drawn: Tensor, weights: Tensor) -> None:
        self.base_values.update(drawn, weights.float())

    def put_back(self) -> None:
        """The examples last drawn get the weights again that they had before."""
        while self._aside:
            self.base_values.update(*self._aside.pop())

    def make_uniform(self, seeds: Tensor) -> None:
        if seeds.any():
            self.base_values.fill(self.base_values.values.masked_fill(seeds[:, None], 1 / self.base_values.size))

    @property
    def tensors(self) -> dict[str, Tensor]:
        return self.base_values.tensors

    @property
    def bounds(self) -> dict[str, tuple[float, float]]:
        return self.base_values.bounds


class _ByKeys:
    """Weights that n examples are drawn by as the smallest of exponential keys, in a fixed number of operations."""

    def __init__(self, size: int, n: int, seeds: Tensor, floor: float, *, grows: bool) -> None:
        check_value("floor", floor, 0 < floor < LARGEST, f"a value above 0 and below {LARGEST:g}")
        self.values = torch.ones(seeds.numel(), size, dtype=torch.float64, device=seeds.device)
        self._n, self._seeds, self._floor, self._grows = n, seeds, floor, grows

    def prepare(self, step: int) -> None:
        if self._grows and step % _RESCALE_EVERY == 0:
            self.values.mul_(torch.exp2(-self.values.mean(1, keepdim=True).log2().floor()))

    def draw(self, step: int | Tensor) -> Tensor:
        self._drawn = draw_distinct(self.values, self._seeds, step, self._n)
        return self._drawn

    def mass(self, of_drawn: bool) -> Tensor:
        """The sum of all weights, or of those just drawn: float64 [S]."""
        return (self.values.gather(1, self._drawn) if of_drawn else self.values).sum(1)

    def write(self, drawn: Tensor, weights: Tensor) -> None:
        self.values.scatter_(1, drawn, weights.double().nan_to_num(nan=self._floor).clamp(min=self._floor))

    def put_back(self) -> None:
        """Nothing was set aside."""

    def make_uniform(self, seeds: Tensor) -> None:
        self.values.masked_fill_(seeds[:, None], 1.0)

    @property
    def tensors(self) -> dict[str, Tensor]:
        return {"weights": self.values}

    @property
    def bounds(self) -> dict[str, tuple[float, float]]:
        return {"weights": (0, math.inf)}


SPECS = (
    MethodSpec(
        "LB",
        LossBased,
        looks={
            "LB": Look("#d55e00", (0, (4, 1.5)), "s"),
            "LB, collapsed": Look("#e69f00", (0, (3, 1, 1, 1, 1, 1)), "X"),
        },
        entries=(Entry(READINGS[NEAREST]),),
    ),
)
