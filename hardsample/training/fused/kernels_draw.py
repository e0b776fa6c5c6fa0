"""Triton kernels that draw a mini-batch for S seeds at once, and store the base values of what was drawn."""

import triton
import triton.language as tl

from hardsample.training.fused.kernels_shared import random_words


@triton.jit
def shuffled(orders, step, out, n, size, width, BLOCK: tl.constexpr):
    """uniform.MiniBatches.draw: orders int64 [S, width] -> int64 [S, n]."""
    seed = tl.program_id(1).to(tl.int64)
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    first = tl.load(step) * n % size
    tl.store(out + seed * n + i, tl.load(orders + seed * width + first + i, i < n, 0), i < n)


@triton.jit
def uniform(seeds, step, out, n, size, STREAM: tl.constexpr, BLOCK: tl.constexpr):
    """uniform.UniformStream.draw: int64 [S, n]."""
    seed = tl.program_id(1).to(tl.int64)
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    number = (random_words(seeds, seed, STREAM, step, i) >> 11).to(tl.float64) * (1.0 / 9007199254740992.0)
    tl.store(out + seed * n + i, (number * size).to(tl.int64), i < n)


@triton.jit
def draw(
    leaves, sums, numbers, step, out, n, rows, blocks, size,
    ROOT: tl.constexpr, FANOUT: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """DeviceTrees.draw of two levels: float32 [S, blocks, FANOUT] and float64 [S, blocks] -> int64 [S, n].

    Two running sums of one row may differ in their last bit from a sum in order; so node and child are held in range.
    """
    seed = tl.program_id(1).to(tl.int64)
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    there = i < n
    b, f = tl.arange(0, ROOT), tl.arange(0, FANOUT)
    running = tl.cumsum(tl.load(sums + seed * blocks + b, b < blocks, 0.0), 0)
    number = tl.load(numbers + (seed * rows + tl.load(step) % rows) * n + i, there, 0.0)
    target = tl.max(running, 0) * number
    below = (running[None, :] <= target[:, None]) & (b < blocks - 1)[None, :]
    node = tl.sum(below.to(tl.int32), 1)
    rest = target - tl.max(tl.where(below, running[None, :], 0.0), 1)
    values = tl.load(leaves + (seed * blocks + node)[:, None] * FANOUT + f[None, :], there[:, None], 0.0)
    inner = tl.cumsum(values.to(tl.float64), 1)
    rest = tl.minimum(rest, tl.max(inner, 1) * (1 - 2**-53))
    child = tl.sum((inner <= rest[:, None]).to(tl.int32), 1)
    example = tl.minimum(node * FANOUT + tl.minimum(child, FANOUT - 1), size - 1)
    tl.store(out + seed * n + i, example.to(tl.int64), there)


@triton.jit
def update_values(
    leaves, sums, index, values, n, blocks, floor, largest, FANOUT: tl.constexpr, BLOCK: tl.constexpr
):  # fmt: skip
    """DeviceTrees.update of two levels, n <= BLOCK: index int64 [S, n], values float32 [S, n]; a program a seed."""
    seed = tl.program_id(0).to(tl.int64)
    i, f = tl.arange(0, BLOCK), tl.arange(0, FANOUT)
    there = i < n
    example = tl.load(index + seed * n + i, there, 0)
    other = tl.load(index + seed * n + i, there, -1)
    again = (example[:, None] == other[None, :]) & (i[None, :] > i[:, None])
    last = tl.max(again.to(tl.int32), 1) == 0
    v = tl.load(values + seed * n + i, there, 0.0)
    v = tl.where(v > floor, v, floor)
    v = tl.where(v < largest, v, largest)
    tl.store(leaves + seed * blocks * FANOUT + example, v, there & last)
    tl.debug_barrier()  # the blocks are summed by other threads than those that wrote
    node = example // FANOUT
    block = tl.load(leaves + (seed * blocks + node)[:, None] * FANOUT + f[None, :], there[:, None], 0.0)
    tl.store(sums + seed * blocks + node, tl.sum(block.to(tl.float64), 1), there)
