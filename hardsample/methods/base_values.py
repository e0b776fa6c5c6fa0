"""The store of one value per example: draw in proportion to the values and update them, both in O(log N)."""

import torch
from torch import Tensor

from hardsample import arguments, jit, randomness
from hardsample.errors import InputError, check_value
from hardsample.methods.base import check_seeds
from hardsample.methods.trees import BELOW_ONE, LARGEST, DeviceTrees, HostTrees, Trees

MOST_DRAWN = 2**31 - 1  # examples at once
BLOCK = 8192  # random numbers of a seed made at once


class BaseValues:
    """Base values b of N examples for S seeds, and draws with p_i = b_i / sum(b) (paper A, equation 2).

    Args:
        size: number of examples N, without a limit but memory.
        seeds: int64 [S]; the store lives on their device.
        floor: the smallest value stored, above 0: an example at 0 could never be drawn again.
        stream: the random stream of the draws.

    Raises:
        InputError: ``size`` is below 1, ``seeds`` are none, or ``floor`` is not between 0 and ``LARGEST``.
    """

    def __init__(self, size: int, seeds: Tensor, *, floor: float = 1e-8, stream: int = randomness.Stream.DRAW) -> None:
        size, floor = arguments.whole("size", size, 1, "at least 1 example"), arguments.real("floor", floor)
        check_value("floor", floor, 0 < floor < LARGEST, f"a value above 0 and below {LARGEST:g}")
        check_seeds(seeds)
        self.size, self.seeds, self.floor, self.stream = size, seeds, floor, stream
        self._trees: Trees
        if jit.uses_numba(seeds.device):
            self._trees = HostTrees(size, seeds.numel(), floor)
        else:
            self._trees = DeviceTrees(size, seeds.numel(), floor, seeds.device)
        self._place: tuple[int, int] | None = None  # of the random numbers at hand
        self.fill(torch.ones(seeds.numel(), 1, dtype=torch.float32, device=seeds.device))

    @property
    def values(self) -> Tensor:
        """The base values: float32 [S, N], a view of the store."""
        return self._trees.values

    @property
    def totals(self) -> Tensor:
        """The sum of every seed's values: float64 [S]."""
        return self._trees.totals

    @property
    def tensors(self) -> dict[str, Tensor]:
        """The whole state, sums included, by name: live tensors, to be copied out of or into."""
        return self._trees.tensors

    @property
    def bounds(self) -> dict[str, tuple[float, float]]:
        """The least and the greatest number that they may hold, by name: 0 is of places that no example has."""
        return dict.fromkeys(self.tensors, (0, 2 * LARGEST * self.size))

    def fill(self, values: Tensor) -> None:
        """Set every value: float [S, N], or [S, 1] for all alike. NaN is stored as the floor, as in an update.

        Raises:
            InputError: there are not as many; nothing is changed.
        """
        seeds = len(self.seeds)
        if not isinstance(values, Tensor) or tuple(values.shape) not in ((seeds, 1), (seeds, self.size)):
            raise InputError(
                f"values are {_told(values)}: give a value for every example of every seed, float"
                f" [{seeds}, {self.size}], or one for all of a seed's, [{seeds}, 1]."
            )
        self._trees.fill(_real("values", values).float().to(self.seeds.device))

    def prepare(self, step: int, n: int) -> None:
        """Have the random numbers of ``draw(step, n)`` at hand, in place; only a captured graph needs the call.

        Raises:
            InputError: ``step`` or ``n`` is no number of steps or examples.
        """
        if type(n) is not int or not 1 <= n <= MOST_DRAWN:
            n = arguments.whole("n", n, 1, "at least 1 example to draw", MOST_DRAWN)
        if type(step) is not int or not 0 <= step <= arguments.MOST:
            step = arguments.whole("step", step, 0, "the number of the draw, from 0 on")
        steps = max(1, BLOCK // n)
        if self._place != (step // steps, n):
            self._place = step // steps, n
            numbers = randomness.uniforms(self.seeds, self.stream, step // steps, steps * n)
            self._trees.adopt(_below_one(numbers).view(-1, steps, n))

    def draw(self, step: int | Tensor, n: int) -> Tensor:
        """Draw ``n`` examples for every seed, independently and with replacement (paper A, equation 3).

        Args:
            step: the counter of the random numbers: an int, or in a captured graph an int64 tensor [] after
                :meth:`prepare`.

        Returns:
            int64 [S, n].

        Raises:
            InputError: as :meth:`prepare`, or it was not called for as many.
        """
        if not isinstance(step, Tensor):
            self.prepare(step, n)
        elif self._place is None or self._place[1] != n:
            raise InputError(f"no random numbers are at hand for draws of {arguments.told(n)}: call prepare first.")
        return self._trees.draw(step % max(1, BLOCK // n))

    def draw_by(self, numbers: Tensor) -> Tensor:
        """As :meth:`draw`, by numbers of one's own in [0, 1], float [S, n]; not in a captured graph.

        Raises:
            InputError: they are another thing, or on another device.
        """
        if not self._has_rows(numbers) or not numbers.shape[1]:
            raise InputError(f"numbers are {_told(numbers)}: give float [{len(self.seeds)}, n], from 0 to 1.")
        self._place = None
        self._trees.adopt(_below_one(numbers).unsqueeze(1))
        return self._trees.draw(0)

    def update(self, indices: Tensor, values: Tensor) -> None:
        """Store new values; of duplicates in a seed's indices the last one wins, on every device.

        Args:
            indices: int64 [S, n].
            values: float [S, n]. NaN is stored as the floor, infinity as ``LARGEST``.

        Raises:
            InputError: they differ in shape, or in the number of seeds or the device from the store, or an index is of
                no example; nothing is changed. On a GPU, which would have to be waited for, indices are not looked at.
        """
        fits = self._has_rows(indices) and isinstance(values, Tensor) and values.device == indices.device
        if not fits or values.shape != indices.shape:
            raise InputError(
                f"indices are {_told(indices)} and values {_told(values)}, which differ in shape or do not fit the"
                f" store: give int64 and float, [{len(self.seeds)}, n] both, on {self.seeds.device}."
            )
        if indices.dtype != torch.int64:
            raise InputError(f"indices are {indices.dtype}: give those of examples, int64 [{len(self.seeds)}, n].")
        try:
            self._trees.update(indices, _real("values", values))
        except IndexError:
            raise InputError(f"an index is of no example: give 0 to {self.size - 1}, as draw does.") from None

    def _has_rows(self, given: Tensor) -> bool:
        """Is it a tensor [S, n] where the store is?"""
        return (
            isinstance(given, Tensor)
            and given.dim() == 2
            and len(given) == len(self.seeds)
            and given.device == self.seeds.device
        )


def _real(name: str, values: Tensor) -> Tensor:
    """Of a type that compiled loops know, and without a gradient."""
    if values.requires_grad:
        values = values.detach()
    if values.dtype in (torch.float32, torch.float64):
        return values
    if not values.is_floating_point():
        raise InputError(f"{name} are {values.dtype}: give floating-point ones.")
    return values.float()


def _told(given: object) -> str:
    return f"{given.dtype} {list(given.shape)}" if isinstance(given, Tensor) else f"a {type(given).__name__}"


def _below_one(numbers: Tensor) -> Tensor:
    """float64, and no number that was rounded to 1, which is of no example."""
    return numbers.double().clamp(max=BELOW_ONE)


def draw_distinct(weights: Tensor, seeds: Tensor, step: int | Tensor, n: int) -> Tensor:
    """Draw ``n`` different examples for every seed, one after another, each in proportion to the weights of those left.

    They are the n smallest of e_i / w_i with e_i exponential (Efraimidis and Spirakis 2006): a fixed number of
    operations, O(N), which a CUDA graph can hold.

    Args:
        weights: float64 [S, N], above 0.
        seeds: int64 [S].
        step: the counter of the random numbers, an int or an int64 tensor [].

    Returns:
        int64 [S, n], in the order drawn.
    """
    numbers = randomness.uniforms(seeds, randomness.Stream.DRAW, step, weights.shape[1])
    keys = numbers.neg_().log1p_().neg_().div_(weights)
    return keys.topk(n, dim=1, largest=False).indices


def check_distinct(n: int, size: int) -> None:
    """Refuse a mini-batch of more different examples than there are.

    Raises:
        InputError: says so.
    """
    if size < n:
        raise InputError(
            f"a mini-batch of {n} cannot be drawn from {size} examples without replacement: give a smaller batch_size"
            " or more examples."
        )
