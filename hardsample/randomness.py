"""Counter-based random bits: pure functions of (seed, stream, step), with no generator to carry along or to save.

The bits are SplitMix64's: its finaliser (Steele, Lea and Flood, OOPSLA 2014) over a counter that starts at a key hashed
from seed, stream and step. Plain 64-bit integer operations, so a seed gets the same bits alone or in a cohort, on a CPU
(in one compiled loop) or a GPU (in torch operations).
"""

import enum
import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from hardsample.jit import compiled, uses_numba

_STEP, _FIRST, _SECOND = map(np.uint64, (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
_GOLDEN, *_MULTIPLIERS = (int(word) - (1 << 64) for word in (_STEP, _FIRST, _SECOND))  # as torch has them: signed


class Stream(enum.IntEnum):
    """What a random number is for; every use has a stream of its own."""

    INITIALISE = 0
    ORDER = 1
    DRAW = 2
    DROPOUT = 3  # one stream per dropout layer, from here up
    HELD_OUT = 65
    SELECT = 66
    MIXTURE = 67
    LABELS = 68
    LATE_ROUNDS = 69
    CLASSES = 70


def bits(seeds: Tensor, stream: int, step: int | Tensor, n: int) -> Tensor:
    """``n`` words of 64 random bits for every seed.

    Args:
        seeds: int64 [S], on the device where the bits are wanted.
        stream: one of :class:`Stream`.
        step: the counter, an int or an int64 tensor of no dimension on the same device.
        n: words per seed.

    Returns:
        int64 [S, n].
    """
    if uses_numba(seeds.device) and isinstance(step, int):
        words = np.empty((seeds.numel(), n), np.uint64)
        _fill(seeds.numpy().view(np.uint64), np.uint64(int(stream)), np.uint64(step), words)
        return torch.from_numpy(words.view(np.int64))
    return _plain_bits(seeds, stream, step, n)


def _plain_bits(seeds: Tensor, stream: int, step: int | Tensor, n: int) -> Tensor:
    if isinstance(step, int):
        step = torch.tensor(step, device=seeds.device)
    key = _mix(_mix(seeds * _GOLDEN + int(stream)) + step * _GOLDEN)
    counter = torch.arange(1, n + 1, device=seeds.device).mul_(_GOLDEN)
    return _mix(key.unsqueeze(1) + counter)


def uniforms(seeds: Tensor, stream: int, step: int | Tensor, n: int) -> Tensor:
    """``n`` numbers in [0, 1] for every seed: float32 [S, n], multiples of 2^-53 rounded, whatever torch's default.

    One in 2^25 is rounded to 1: whoever makes an index of such a number holds it in range.
    """
    return (bits(seeds, stream, step, n) >> 11).bitwise_and_((1 << 53) - 1).float().mul_(2.0**-53)


def permutations(seeds: Tensor, stream: int, step: int | Tensor, n: int) -> Tensor:
    """A random order of ``range(n)`` for every seed: int64 [S, n]."""
    return bits(seeds, stream, step, n).argsort(dim=1, stable=True)


def keep_masks(seeds: Tensor, stream: int, step: int | Tensor, shape: Sequence[int], drop: float) -> Tensor:
    """Dropout masks, True where a value is kept: bool [S, *shape].

    One byte decides a value, so that one word serves eight.

    Raises:
        ValueError: ``drop`` is no multiple of 1/256 in [0, 1).
    """
    threshold = drop * 256
    if threshold != int(threshold) or not 0 <= drop < 1:
        raise ValueError(f"a dropout rate of {drop} is not a multiple of 1/256 in [0, 1).")
    size = math.prod(shape)
    octets = bits(seeds, stream, step, -(-size // 8)).view(torch.uint8)
    if uses_numba(octets.device):
        _at_least(octets.numpy(), np.uint8(threshold))
        keep = octets.view(torch.bool)
    else:
        keep = octets >= int(threshold)
    return keep[:, :size].view(-1, *shape)


def word(seed: int, stream: int) -> int:
    """One non-negative word of 63 bits, for seeding what wants a seed of its own."""
    return bits(torch.tensor([seed]), stream, 0, 1).item() & (2**63 - 1)


def _mix(z: Tensor) -> Tensor:
    """SplitMix64's finaliser, in place."""
    for shift, multiplier in zip((30, 27), _MULTIPLIERS, strict=True):
        z.bitwise_xor_(_logical_shift(z, shift)).mul_(multiplier)
    return z.bitwise_xor_(_logical_shift(z, 31))


def _logical_shift(z: Tensor, by: int) -> Tensor:
    return (z >> by).bitwise_and_((1 << (64 - by)) - 1)


@compiled
def _mixed(z):
    """:func:`_mix` of one word."""
    z = (z ^ (z >> np.uint64(30))) * _FIRST
    z = (z ^ (z >> np.uint64(27))) * _SECOND
    return z ^ (z >> np.uint64(31))


@compiled
def _fill(seeds, stream, step, words):
    """:func:`bits` in one pass, uint64 throughout."""
    for place in range(seeds.size):
        key = _mixed(_mixed(seeds[place] * _STEP + stream) + step * _STEP)
        row = words[place]
        for i in range(row.size):
            row[i] = _mixed(key + (np.uint64(i) + np.uint64(1)) * _STEP)


@compiled
def _at_least(octets, threshold):
    """1 where a byte is at least the threshold and else 0, in place."""
    for row in octets:
        for i in range(row.size):
            row[i] = np.uint8(row[i] >= threshold)
