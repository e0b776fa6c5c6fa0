"""The store of one value per example: draw in proportion to the values and update them, both in O(log N)."""

import math

import numpy as np
import torch
from torch import Tensor

from hardsample import randomness
from hardsample.errors import InputError

LARGEST = 1e30  # what an infinite score is stored as, so that sums stay finite
FANOUT = {"cpu": 24, "cuda": 256}  # children of a node: few make short sums, many make few levels
TOP = 1024  # most children of the root, which a draw sums but once
BLOCK = 8192  # draws whose random numbers are made at once


class BaseValues:
    """Base values b of N examples for S seeds, and draws with p_i = b_i / sum(b) (paper A, equation 2).

    The values are the leaves of a tree with a wide fan-out whose inner nodes hold block sums. A draw walks down, one
    random number a level; an update rewrites leaves and sums the touched blocks anew, so that no error builds up.
    Values are float32, sums float64, and N has no limit but memory.

    Args:
        size: number of examples N.
        seeds: int64 [S]; the store lives on their device.
        floor: the smallest value stored, above 0: an example at 0 could never be drawn again.
        stream: the random stream of the draws.
        fanout: children of a node; None for the device's best.

    Raises:
        InputError: ``size`` is below 1 or ``floor`` is not between 0 and ``LARGEST``.
    """

    def __init__(
        self,
        size: int,
        seeds: Tensor,
        *,
        floor: float = 1e-8,
        stream: int = randomness.Stream.DRAW,
        fanout: int | None = None,
    ) -> None:
        if size < 1:
            raise InputError(f"base values for {size} examples: give at least 1 example.")
        if not 0 < floor < LARGEST:
            raise InputError(f"floor is {floor}: give a value above 0 and below {LARGEST:g}.")
        self.size, self.seeds, self.floor, self.stream = size, seeds, floor, stream
        shapes = _shapes(size, fanout or FANOUT[seeds.device.type])
        dtypes = [torch.float32] + [torch.float64] * (len(shapes) - 1)
        levels = [
            torch.zeros(seeds.numel(), *shape, dtype=dtype, device=seeds.device)
            for shape, dtype in zip(shapes, dtypes, strict=True)
        ]
        self._levels = levels
        self._trees = (_HostTrees if seeds.device.type == "cpu" else _DeviceTrees)(levels, floor)
        self._numbers: np.ndarray | Tensor | None = None  # [steps, S, levels, n], a pure function of the block's place
        self._place: tuple[int, int] | None = None
        self.fill(torch.ones(seeds.numel(), 1, device=seeds.device))

    @property
    def values(self) -> Tensor:
        """The base values: float32 [S, N], a view of the store."""
        return self._levels[0].view(self.seeds.numel(), -1)[:, : self.size]

    @property
    def totals(self) -> Tensor:
        """The sum of every seed's values: float64 [S]."""
        return self._levels[-1].sum(dim=(1, 2), dtype=torch.float64)

    @property
    def tensors(self) -> dict[str, Tensor]:
        """The whole state, sums included, by name: live tensors, to be copied out of or into."""
        return {f"values.{depth}": level for depth, level in enumerate(self._levels)}

    def fill(self, values: Tensor) -> None:
        """Set every value: float [S, N], or [S, 1] for all alike."""
        self.values.copy_(torch.nan_to_num(values.float(), nan=self.floor, posinf=LARGEST).clamp_(self.floor, LARGEST))
        for children, parents in zip(self._levels, self._levels[1:], strict=False):
            sums = children.sum(dim=2, dtype=torch.float64)
            parents.view(self.seeds.numel(), -1)[:, : sums.shape[1]] = sums

    def prepare(self, step: int, n: int) -> None:
        """Have the random numbers of ``draw(step, n)`` at hand, in place; only a captured graph needs the call."""
        steps = max(1, BLOCK // n)
        if self._place != (step // steps, n):
            self._place = (step // steps, n)
            shape = (self.seeds.numel(), steps, len(self._levels), n)
            numbers = randomness.uniforms(self.seeds, self.stream, step // steps, steps * len(self._levels) * n)
            self._numbers = self._trees.adopt(numbers.view(shape).transpose(0, 1), self._numbers)

    def draw(self, step: int | Tensor, n: int) -> Tensor:
        """Draw ``n`` examples for every seed, independently and with replacement (paper A, equation 3).

        Args:
            step: the counter of the random numbers: an int, or in a captured graph an int64 tensor [] after
                :meth:`prepare`.

        Returns:
            int64 [S, n].
        """
        if isinstance(step, int):
            self.prepare(step, n)
            return self._trees.draw(self._numbers[step % len(self._numbers)])
        return self._trees.draw(self._numbers.index_select(0, (step % len(self._numbers)).view(1)).squeeze(0))

    def update(self, indices: Tensor, values: Tensor) -> None:
        """Store new values; of duplicates in a seed's indices the last one wins, on every device.

        Args:
            indices: int64 [S, n].
            values: float [S, n] without a gradient. NaN is stored as the floor, infinity as ``LARGEST``.
        """
        self._trees.update(indices, values)


def _shapes(size: int, fanout: int) -> list[tuple[int, int]]:
    """Blocks and children of every level, leaves first, up to the one block of the root."""
    shapes = []
    while size > max(TOP, fanout):
        size = -(-size // fanout)
        shapes.append((size, fanout))
        still = math.ceil(math.log(max(size / TOP, 1), fanout))  # levels before the root, which may as well be narrower
        fanout = math.ceil((size / TOP) ** (1 / still)) if still else fanout
    return [*shapes, (1, size)]


class _HostTrees:
    """The trees on the CPU, seed by seed, in NumPy: its calls on arrays this small cost half of torch's."""

    def __init__(self, levels: list[Tensor], floor: float) -> None:
        # leaves first; each level as blocks [blocks, fanout] and as one row, sharing memory with the store
        self.trees = [
            [(level[i].numpy(), level[i].view(-1).numpy()) for level in levels] for i in range(len(levels[0]))
        ]
        self.low, self.high = np.array([floor, LARGEST], np.float32)

    def adopt(self, numbers: Tensor, _: np.ndarray | None) -> np.ndarray:
        return numbers.contiguous().numpy()

    def draw(self, numbers: np.ndarray) -> Tensor:
        """[S, levels, n] numbers in [0, 1) -> int64 [S, n]. A sum times such a number rounds below the sum."""
        drawn = []
        for tree, u in zip(self.trees, numbers, strict=True):
            sums = tree[-1][1].cumsum(dtype=np.float64)
            node = sums.searchsorted(u[0] * sums[-1], "right")
            for depth in range(len(tree) - 2, -1, -1):
                level = tree[depth][0]
                sums = np.add.accumulate(level.take(node, 0), 1, np.float64)
                node *= level.shape[1]
                node += (sums > (sums[:, -1] * u[-1 - depth])[:, None]).argmax(1)
            drawn.append(node)
        return torch.from_numpy(np.stack(drawn) if len(drawn) > 1 else drawn[0][None])

    def update(self, indices: Tensor, values: Tensor) -> None:
        new = np.fmin(np.fmax(values.numpy(), self.low), self.high)  # NaN loses against a number
        for tree, node, value in zip(self.trees, indices.numpy(), new, strict=True):
            tree[0][1][node] = value  # NumPy assigns in order: the last duplicate stays
            for (level, _), (_, parents) in zip(tree, tree[1:], strict=False):
                node = node // level.shape[1]
                parents[node] = np.add.reduce(level.take(node, 0), 1, np.float64)


class _DeviceTrees:
    """The trees on an accelerator, in torch operations without a synchronisation, fit for a captured graph."""

    def __init__(self, levels: list[Tensor], floor: float) -> None:
        self.levels = levels  # leaves first, [S, blocks, fanout] each
        self.seed = torch.arange(levels[0].shape[0], device=levels[0].device).unsqueeze(1)
        self.limits = torch.tensor([floor, LARGEST], device=levels[0].device)

    def adopt(self, numbers: Tensor, old: Tensor | None) -> Tensor:
        """``numbers``, in the memory of the old ones where a captured graph may be reading it."""
        return numbers.contiguous() if old is None or old.shape != numbers.shape else old.copy_(numbers)

    def draw(self, numbers: Tensor) -> Tensor:
        """[S, levels, n] numbers in [0, 1) -> int64 [S, n]."""
        node = torch.zeros_like(numbers[:, 0], dtype=torch.int64)
        for depth, level in enumerate(reversed(self.levels)):
            sums = level[self.seed, node].cumsum(2, dtype=torch.float64)
            target = sums[..., -1] * numbers[:, depth]
            child = torch.searchsorted(sums, target.unsqueeze(2), right=True).squeeze(2)
            node = torch.add(child, node, alpha=level.shape[2])
        return node

    def update(self, indices: Tensor, values: Tensor) -> None:
        order = indices.argsort(dim=1, stable=True)
        node = indices.gather(1, order)
        last = torch.searchsorted(node, node, right=True).sub_(1)
        new = torch.fmin(torch.fmax(values.float(), self.limits[0]), self.limits[1])
        new = new.gather(1, order.gather(1, last))  # duplicates now carry one value: any order of writing will do
        self.levels[0].view(len(self.seed), -1).scatter_(1, node, new)
        for level, parents in zip(self.levels, self.levels[1:], strict=False):
            node = node // level.shape[2]
            parents.view(len(self.seed), -1).scatter_(1, node, level[self.seed, node].sum(dim=2, dtype=torch.float64))
