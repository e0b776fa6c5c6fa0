"""Trees of block sums over one value per example: a draw walks down, an update sums the touched blocks anew.

A draw takes one number u in [0, 1) and gives the first example at which the running sum of the values exceeds u times
their total. So what is drawn depends, but for rounding, neither on the shape of a tree nor on the device. Values are
float32, sums float64. A walk that rounding would carry past the last child that has a value ends there.
"""

import math
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from hardsample.jit import compiled

LARGEST = 1e30  # what an infinite value is stored as, so that sums stay finite
LEAVES = 32  # values of a block on the host: two cache lines, which a processor fetches together
CHILDREN = 16  # sums of a node on the host: likewise
MOST = 128  # children of the root on the host; a power of 2
CACHE_LINE = 64  # bytes
FANOUT = 256  # children of a node on an accelerator: many make few levels
TOP = 1024  # most children of the root there, which a draw sums but once
BELOW_ONE = 1 - 2**-53
AT_ONCE = 1 << 22  # leaves summed at once, since torch makes float64 of them first

NO_EXAMPLE = "an index is of no example."

_LARGEST = np.float32(LARGEST)


class Trees(Protocol):
    """The trees of S seeds over N examples each; no value is stored below the floor or above ``LARGEST``."""

    values: Tensor  # float32 [S, N], a view of the store
    tensors: dict[str, Tensor]  # the whole state by name: live tensors, to be copied out of or into

    @property
    def totals(self) -> Tensor:
        """The sum of every seed's values: float64 [S]."""

    def fill(self, values: Tensor) -> None:
        """Set every value: float32 [S, N], or [S, 1] for all alike."""

    def adopt(self, numbers: Tensor) -> None:
        """Take numbers in [0, 1) to draw with: float64 [S, rows, n]; in place, where a captured graph may read them."""

    def draw(self, row: int | Tensor) -> Tensor:
        """Draw with a row of the numbers, an int or an int64 tensor [] inside a captured graph: int64 [S, n]."""

    def update(self, indices: Tensor, values: Tensor) -> None:
        """Store ``values``, float [S, n], at ``indices``, int64 [S, n]; the last of duplicates stays.

        Raises:
            IndexError: on a CPU, where an index is of no example; nothing is changed.
        """


class HostTrees:
    """The trees on the CPU, in compiled loops: blocks of 32 values, and nodes of 16 sums above them.

    The loops take a level at a time for all of a seed's examples, so that they wait for memory together.
    """

    def __init__(self, size: int, seeds: int, floor: float) -> None:
        self._floor, self._shape = floor, _shape(size)
        self._leaves = _zeros((seeds, -(-size // LEAVES), LEAVES), np.float32)
        root, children = self._shape[-1].tolist()
        self._sums = _zeros((seeds, root + -(-children // CHILDREN), CHILDREN), np.float64)
        self._numbers = np.empty((seeds, 0, 0))
        self._drawn: tuple[Tensor | None, np.ndarray | None] = None, None  # what most updates are of
        self.tensors = {"leaves": torch.from_numpy(self._leaves), "sums": torch.from_numpy(self._sums)}
        self.values = self.tensors["leaves"].view(seeds, -1)[:, :size]

    @property
    def totals(self) -> Tensor:
        return self.tensors["sums"][:, self._shape[-1, 0] :].sum(dim=(1, 2))

    def fill(self, values: Tensor) -> None:
        _fill(self._leaves, self._sums, self._shape, self._floor, values.contiguous().numpy())

    def adopt(self, numbers: Tensor) -> None:
        self._numbers = numbers.numpy()

    def draw(self, row: int | Tensor) -> Tensor:
        array = _draw(self._leaves, self._sums, self._shape, self._numbers, int(row))
        indices = torch.from_numpy(array)
        self._drawn = indices, array
        return indices

    def update(self, indices: Tensor, values: Tensor) -> None:
        drawn, array = self._drawn
        if array is None or indices is not drawn:
            array = indices.contiguous().numpy()
        _update(self._leaves, self._sums, self._shape, self._floor, array, values.contiguous().numpy())


class DeviceTrees:
    """The trees in torch operations without a synchronisation, fit for a captured graph."""

    def __init__(self, size: int, seeds: int, floor: float, device: torch.device, fanout: int = FANOUT) -> None:
        shapes = _wide_shapes(size, fanout)
        dtypes = [torch.float32] + [torch.float64] * (len(shapes) - 1)
        self._levels = [  # leaves first, [S, blocks, fanout] each
            torch.zeros(seeds, *shape, dtype=dtype, device=device) for shape, dtype in zip(shapes, dtypes, strict=True)
        ]
        self._seed = torch.arange(seeds, device=device).unsqueeze(1)
        self._floor, self._limits = floor, torch.tensor([floor, LARGEST], dtype=torch.float32, device=device)
        self._numbers = torch.empty(seeds, 0, 0, dtype=torch.float64, device=device)
        self.tensors = {f"values.{depth}": level for depth, level in enumerate(self._levels)}
        self.values = self._levels[0].view(seeds, -1)[:, :size]

    @property
    def totals(self) -> Tensor:
        return self._levels[-1].sum(dim=(1, 2), dtype=torch.float64)

    def fill(self, values: Tensor) -> None:
        self.values.copy_(values).nan_to_num_(nan=self._floor, posinf=LARGEST).clamp_(self._floor, LARGEST)
        for children, parents in zip(self._levels, self._levels[1:], strict=False):
            sums = parents.view(len(self._seed), -1)[:, : children.shape[1]]
            blocks = max(1, AT_ONCE // (children.shape[0] * children.shape[2]))
            for some, target in zip(children.split(blocks, dim=1), sums.split(blocks, dim=1), strict=True):
                target.copy_(some.sum(dim=2, dtype=torch.float64))

    def adopt(self, numbers: Tensor) -> None:
        if self._numbers.shape != numbers.shape:
            self._numbers = numbers
        else:
            self._numbers.copy_(numbers)

    def draw(self, row: int | Tensor) -> Tensor:
        numbers = self._numbers.select(1, row) if isinstance(row, int) else self._numbers.index_select(1, row.view(1))
        numbers = numbers.view(len(self._seed), -1)
        *lower, children = self._levels
        sums = children.cumsum(2, dtype=torch.float64)
        rest = sums[:, 0, -1:] * numbers  # rounded, it is still below the total
        child = torch.searchsorted(sums, rest.unsqueeze(1), right=True)
        node = child.squeeze(1)
        for level in reversed(lower):
            rest = rest - (sums - children).gather(2, child).view_as(rest)
            children = level[self._seed, node]
            sums = children.cumsum(2, dtype=torch.float64)
            rest = torch.minimum(rest, sums[..., -1] * BELOW_ONE)
            child = torch.searchsorted(sums, rest.unsqueeze(2), right=True)
            node = torch.add(child.squeeze(2), node, alpha=level.shape[2])
        return node

    def update(self, indices: Tensor, values: Tensor) -> None:
        if indices.device.type == "cpu" and bool(((indices < 0) | (indices >= self.values.shape[1])).any()):
            raise IndexError(NO_EXAMPLE)
        order = indices.argsort(dim=1, stable=True)
        node = indices.gather(1, order)
        last = torch.searchsorted(node, node, right=True).sub_(1)
        new = torch.fmin(torch.fmax(values.float(), self._limits[0]), self._limits[1])
        new = new.gather(1, order.gather(1, last))  # duplicates now carry one value: any order of writing will do
        self._levels[0].view(len(self._seed), -1).scatter_(1, node, new)
        for level, parents in zip(self._levels, self._levels[1:], strict=False):
            node = node // level.shape[2]
            sums = level[self._seed, node].sum(dim=2, dtype=torch.float64)
            parents.view(len(self._seed), -1).scatter_(1, node, sums)


def _shape(size: int) -> np.ndarray:
    """Of every level of the host's tree, leaves first: its first node and its number of children, int64 [levels, 2]."""
    levels, first, count = [(0, size)], 0, -(-size // LEAVES)
    while count > MOST:
        levels.append((first, count))
        count = -(-count // CHILDREN)
        first += count
    return np.array([*levels, (first, count)])


def _wide_shapes(size: int, fanout: int) -> list[tuple[int, int]]:
    """Blocks and children of every level on a device, leaves first, up to the one block of the root."""
    shapes = []
    while size > max(TOP, fanout):
        size = -(-size // fanout)
        shapes.append((size, fanout))
        still = math.ceil(math.log(max(size / TOP, 1), fanout))  # levels before the root, which may as well be narrower
        fanout = math.ceil((size / TOP) ** (1 / still)) if still else fanout
    return [*shapes, (1, size)]


def _zeros(shape: tuple[int, ...], dtype: type) -> np.ndarray:
    """From a cache line on; NumPy asks the system for huge pages, without which a walk waits for page tables too."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    memory = np.zeros(size + CACHE_LINE, np.uint8)
    start = -memory.ctypes.data % CACHE_LINE
    return memory[start : start + size].view(dtype).reshape(shape)


@compiled
def _bounded(value: np.float32, floor: float) -> np.float32:
    """``value`` between the floor and ``LARGEST``; NaN is the floor."""
    low = np.float32(floor)
    return min(value, _LARGEST) if value > low else low


@compiled
def _sum_of_4(x: np.ndarray, p: int, i: int) -> np.float64:
    """Of ``x[p, i]`` and what follows it; these sums are trees, since a chain of additions would wait for each."""
    return (np.float64(x[p, i]) + np.float64(x[p, i + 2])) + (np.float64(x[p, i + 1]) + np.float64(x[p, i + 3]))


@compiled
def _sum_of_8(x: np.ndarray, p: int, i: int) -> np.float64:
    return _sum_of_4(x, p, i) + _sum_of_4(x, p, i + 4)


@compiled
def _sum_of_16(x: np.ndarray, p: int, i: int) -> np.float64:
    return _sum_of_8(x, p, i) + _sum_of_8(x, p, i + 8)


@compiled
def _walk(
    x: np.ndarray, p: int, i: np.signedinteger, half: np.float64, rest: np.float64
) -> tuple[np.signedinteger, np.float64]:
    """Of the 16 children ``x[p, i:]``, whose first 8 sum to ``half``: where ``rest`` falls, and what is left of it."""
    right = half <= rest
    rest -= half if right else 0.0
    i += 8 * right
    left = _sum_of_4(x, p, i)
    right = left <= rest
    rest -= left if right else 0.0
    i += 4 * right
    left = np.float64(x[p, i]) + np.float64(x[p, i + 1])
    right = left <= rest
    rest -= left if right else 0.0
    i += 2 * right
    left = np.float64(x[p, i])
    right = left <= rest
    return i + right, rest - (left if right else 0.0)


@compiled
def _draw(leaves: np.ndarray, sums: np.ndarray, shape: np.ndarray, numbers: np.ndarray, row: int) -> np.ndarray:
    """int64 [S, n] from numbers [S, rows, n], leaves [S, blocks, 32] and sums [S, nodes, 16]."""
    n = numbers.shape[2]
    drawn = np.empty((len(numbers), n), np.int64)
    scratch = np.empty((3, n))
    rest, half, ahead = scratch[0], scratch[1], scratch[2]
    running = np.full(MOST, np.inf)
    for seed in range(len(numbers)):
        tree, leaf, node = sums[seed], leaves[seed], drawn[seed]
        first, count = shape[-1, 0], shape[-1, 1]
        total = 0.0
        for child in range(count):
            total += tree[first + child // CHILDREN, child % CHILDREN]
            running[child] = total
        for i in range(n):
            target = total * numbers[seed, row, i]  # rounded, it is still below the total
            child, step = 0, MOST // 2
            while step:
                child += step * (running[child + step - 1] <= target)
                step //= 2
            node[i] = min(child, count - 1)  # also where a sum is no number
            rest[i] = target - (running[child - 1] if child else 0.0)
        for level in range(len(shape) - 2, 0, -1):
            first, last = shape[level, 0], shape[level, 1] - 1
            for i in range(n):  # nothing but reading, which then waits for the memory of all nodes at once
                ahead[i] = tree[first + node[i], 0] + tree[first + node[i], 8]
            for i in range(n):
                half[i] = _sum_of_8(tree, first + node[i], 0)
            for i in range(n):
                child, rest[i] = _walk(tree, first + node[i], 0, half[i], rest[i])
                node[i] = min(node[i] * CHILDREN + child, last)
        last = shape[0, 1] - 1
        for i in range(n):
            ahead[i] = leaf[node[i], 0] + leaf[node[i], 16]
        for i in range(n):
            half[i] = _sum_of_16(leaf, node[i], 0)
        for i in range(n):
            right = half[i] <= rest[i]
            rest[i] -= half[i] if right else 0.0
            start = 16 * right
            child, _ = _walk(leaf, node[i], start, _sum_of_8(leaf, node[i], start), rest[i])
            node[i] = min(node[i] * LEAVES + child, last)
    return drawn


@compiled
def _update(
    leaves: np.ndarray, sums: np.ndarray, shape: np.ndarray, floor: float, indices: np.ndarray, values: np.ndarray
) -> None:
    """Leaves first, in order, then every level's touched sums from their children; nothing, if an index is bad."""
    n, size = indices.shape[1], shape[0, 1]
    for seed in range(len(indices)):
        for i in range(n):
            if not 0 <= indices[seed, i] < size:
                raise IndexError(NO_EXAMPLE)
    node = np.empty(n, np.int64)
    for seed in range(len(indices)):
        tree, leaf = sums[seed], leaves[seed]
        for i in range(n):
            example = indices[seed, i]
            node[i] = example // LEAVES
            leaf[node[i], example % LEAVES] = _bounded(values[seed, i], floor)
        for i in range(n):
            p = node[i]
            tree[p // CHILDREN, p % CHILDREN] = _sum_of_16(leaf, p, 0) + _sum_of_16(leaf, p, 16)
        for level in range(1, len(shape) - 1):
            first, parents = shape[level, 0], shape[level + 1, 0]
            for i in range(n):
                p = node[i] // CHILDREN
                node[i] = p
                tree[parents + p // CHILDREN, p % CHILDREN] = _sum_of_16(tree, first + p, 0)


@compiled
def _fill(leaves: np.ndarray, sums: np.ndarray, shape: np.ndarray, floor: float, values: np.ndarray) -> None:
    """``values`` [S, N] or [S, 1], and all sums."""
    size, alike = shape[0, 1], values.shape[1] == 1
    for seed in range(len(leaves)):
        tree, leaf = sums[seed], leaves[seed]
        one = _bounded(values[seed, 0], floor)
        for p in range(len(leaf)):
            start = p * LEAVES
            for i in range(min(LEAVES, size - start)):
                leaf[p, i] = one if alike else _bounded(values[seed, start + i], floor)
            tree[p // CHILDREN, p % CHILDREN] = _sum_of_16(leaf, p, 0) + _sum_of_16(leaf, p, 16)
        for level in range(1, len(shape) - 1):
            first, parents = shape[level, 0], shape[level + 1, 0]
            for p in range(shape[level + 1, 1]):
                tree[parents + p // CHILDREN, p % CHILDREN] = _sum_of_16(tree, first + p, 0)
