"""What the kernels share: types, constants of the layout, and the random words of :mod:`hardsample.randomness`.

Products are of numbers in ``DTYPE`` and summed in float32; ``PRECISION`` says how float32 numbers are multiplied,
"ieee" or "tf32". Sums over programs are of parts that lie in memory, added in a fixed order, so that a step repeats bit
for bit. NaN goes where torch's operations send it: through ReLU and the pooled maximum, and past both backward.
"""

import torch
import triton
import triton.language as tl

from hardsample.training.fused import layout

TYPES = {torch.bfloat16: tl.bfloat16, torch.float32: tl.float32}
FIRST, SECOND = tl.constexpr(layout.CONVOLUTION_1), tl.constexpr(layout.CONVOLUTION_2)


@triton.jit
def _mix(z):
    """randomness._mix of unsigned words."""
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB
    return z ^ (z >> 31)


@triton.jit
def random_words(seeds, seed, STREAM: tl.constexpr, step, i):
    """randomness.bits: the words of number ``i``, unsigned."""
    golden = tl.full((), 0x9E3779B97F4A7C15, tl.uint64)
    key = _mix(tl.load(seeds + seed).to(tl.uint64) * golden + STREAM)
    key = _mix(key + tl.load(step).to(tl.uint64) * golden)
    return _mix(key + (i + 1).to(tl.uint64) * golden)


@triton.jit
def keep(seeds, seed, STREAM: tl.constexpr, step, row, WIDTH: tl.constexpr, THRESHOLD: tl.constexpr):
    """randomness.keep_masks of [n, WIDTH]: the mask's rows [rows, WIDTH]."""
    place = row[:, None] * (WIDTH // 8) + tl.arange(0, WIDTH // 8)[None, :]
    words = random_words(seeds, seed, STREAM, step, place)
    octets = (words[:, :, None] >> (8 * tl.arange(0, 8)).to(tl.uint64)[None, None, :]) & 255
    return tl.reshape((octets >= THRESHOLD).to(tl.int8), (row.shape[0], WIDTH)) != 0
