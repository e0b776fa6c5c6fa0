"""Triton kernels of the letters network's backward pass for S seeds at once, and Adadelta's update."""

import triton
import triton.language as tl

from hardsample.training.fused import layout
from hardsample.training.fused.kernels_shared import FIRST, SECOND

_PARTS_1 = tl.constexpr(layout.PARTS_1)


@triton.jit
def _adadelta(gradient, p, s, d, rate, RHO: tl.constexpr, EPS: tl.constexpr):
    """optimizers.Adadelta's rule: the new parameter and both averages."""
    s = s * RHO + (1 - RHO) * gradient * gradient
    change = tl.sqrt_rn((d + EPS) / (s + EPS)) * gradient
    return p - tl.load(rate) * change, s, d * RHO + (1 - RHO) * change * change


@triton.jit
def linear_1_backward(
    x, gradient, parameter, square, delta, shadow, back, rate, n, RHO: tl.constexpr, EPS: tl.constexpr,
    BACK: tl.constexpr, OUTPUTS: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr, DTYPE: tl.constexpr,
    PRECISION: tl.constexpr,
):  # fmt: skip
    """Linear 1 backward from its output's gradient [S, n, 128]: Adadelta's update of w [S, 128, 9216].

    With BACK, where OUTPUTS is 128, also the gradient of x [S, n, 9216]: so every parameter is read once.
    """
    seed = tl.program_id(2).to(tl.int64)
    k, o = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK), tl.program_id(1) * OUTPUTS + tl.arange(0, OUTPUTS)
    at = (seed * 128 + o)[:, None] * 9216 + k[None, :]
    p, s, d = (
        tl.load(parameter + at),
        tl.load(square + at),
        tl.load(delta + at),
    )  # they come while the products are made
    w = p.to(DTYPE)
    total = tl.zeros((OUTPUTS, BLOCK), tl.float32)
    for start in range(0, n, ROWS):
        i = start + tl.arange(0, ROWS)
        there = (i < n)[:, None]
        a = tl.load(gradient + (seed * n + i)[:, None] * 128 + o[None, :], there, 0.0)
        place = (seed * n + i)[:, None] * 9216 + k[None, :]
        total = tl.dot(tl.trans(a), tl.load(x + place, there, 0.0), total, input_precision=PRECISION)
        if BACK:
            tl.store(back + place, tl.dot(a, w, input_precision=PRECISION).to(DTYPE), there)
    p, s, d = _adadelta(total, p, s, d, rate, RHO, EPS)
    tl.store(parameter + at, p)
    tl.store(square + at, s)
    tl.store(delta + at, d)
    if DTYPE != tl.float32:
        tl.store(shadow + at, p.to(DTYPE))


@triton.jit
def _tap(total, x, there, g0, g1, g2, g3, TAP: tl.constexpr, PRECISION: tl.constexpr):
    """A tap's gradient [64, 32] with what the four corners of pooled places add to it."""
    at = x + (TAP // 3 * 26 + TAP % 3) * 32
    total = tl.dot(g0, tl.load(at, there, 0.0), total, input_precision=PRECISION)
    total = tl.dot(g1, tl.load(at + 32, there, 0.0), total, input_precision=PRECISION)
    total = tl.dot(g2, tl.load(at + 832, there, 0.0), total, input_precision=PRECISION)
    return tl.dot(g3, tl.load(at + 864, there, 0.0), total, input_precision=PRECISION)


@triton.jit
def convolution_2_weight(
    x, gradient, where, out, n, scale, BLOCK: tl.constexpr, DTYPE: tl.constexpr, PRECISION: tl.constexpr
):  # fmt: skip
    """Gradients of convolution 2's weight and bias in parts: float32 [S, programs, 18496]."""
    share, shares, seed = tl.program_id(0), tl.num_programs(0), tl.program_id(1).to(tl.int64)
    c, o = tl.arange(0, 32), tl.arange(0, 64)
    t0 = tl.zeros((64, 32), tl.float32)
    t1 = tl.zeros((64, 32), tl.float32)
    t2 = tl.zeros((64, 32), tl.float32)
    t3 = tl.zeros((64, 32), tl.float32)
    t4 = tl.zeros((64, 32), tl.float32)
    t5 = tl.zeros((64, 32), tl.float32)
    t6 = tl.zeros((64, 32), tl.float32)
    t7 = tl.zeros((64, 32), tl.float32)
    t8 = tl.zeros((64, 32), tl.float32)
    bias = tl.zeros((64,), tl.float32)
    for start in range(share * BLOCK, n * 144, shares * BLOCK):
        m = start + tl.arange(0, BLOCK)
        there = (m < n * 144)[:, None]
        image, place = m // 144, m % 144
        at = (seed * n * 144 + m)[:, None] * 64 + o[None, :]
        g = (tl.load(gradient + at, there, 0.0).to(tl.float32) * scale).to(DTYPE)
        corner = tl.load(where + at, there, 4)
        bias += tl.sum(tl.where(corner < 4, g, 0.0).to(tl.float32), 0)
        g0 = tl.trans(tl.where(corner == 0, g, 0.0).to(DTYPE))
        g1 = tl.trans(tl.where(corner == 1, g, 0.0).to(DTYPE))
        g2 = tl.trans(tl.where(corner == 2, g, 0.0).to(DTYPE))
        g3 = tl.trans(tl.where(corner == 3, g, 0.0).to(DTYPE))
        own = x + (seed * n * 676 + image * 676 + place // 12 * 52 + place % 12 * 2)[:, None] * 32 + c[None, :]
        t0 = _tap(t0, own, there, g0, g1, g2, g3, 0, PRECISION)
        t1 = _tap(t1, own, there, g0, g1, g2, g3, 1, PRECISION)
        t2 = _tap(t2, own, there, g0, g1, g2, g3, 2, PRECISION)
        t3 = _tap(t3, own, there, g0, g1, g2, g3, 3, PRECISION)
        t4 = _tap(t4, own, there, g0, g1, g2, g3, 4, PRECISION)
        t5 = _tap(t5, own, there, g0, g1, g2, g3, 5, PRECISION)
        t6 = _tap(t6, own, there, g0, g1, g2, g3, 6, PRECISION)
        t7 = _tap(t7, own, there, g0, g1, g2, g3, 7, PRECISION)
        t8 = _tap(t8, own, there, g0, g1, g2, g3, 8, PRECISION)
    part = out + (seed * shares + share) * SECOND
    to = part + c[None, :] * 64 + o[:, None]
    tl.store(to, t0)
    tl.store(to + 2048, t1)
    tl.store(to + 4096, t2)
    tl.store(to + 6144, t3)
    tl.store(to + 8192, t4)
    tl.store(to + 10240, t5)
    tl.store(to + 12288, t6)
    tl.store(to + 14336, t7)
    tl.store(to + 16384, t8)
    tl.store(part + 18432 + o, bias)


@triton.jit
def _reached(total, own, w, CELL: tl.constexpr, CORNER: tl.constexpr, OUTPUT: tl.constexpr, PRECISION: tl.constexpr):
    """An output of a 2x2 with what a corner of a pooled place around it adds, where one of the nine taps joins them."""
    row: tl.constexpr = 2 - CELL // 2 * 2 + OUTPUT // 2 - CORNER // 2
    column: tl.constexpr = 2 - CELL % 2 * 2 + OUTPUT % 2 - CORNER % 2
    if row >= 0 and row < 3 and column >= 0 and column < 3:
        total = tl.dot(own, tl.load(w + (row * 3 + column) * 2048), total, input_precision=PRECISION)
    return total


@triton.jit
def convolution_1_weight(
    gradient, where, small, width, x, images, index, out, n, scale,
    BLOCK: tl.constexpr, DEPTH: tl.constexpr, DTYPE: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Gradients of convolution 1's weight and bias in parts, float32 [S, programs, 2080]; its output's is never stored.

    A program's places are 2x2 outputs, which four pooled places with four corners each reach, and which see 4x4 pixels.
    A part is of every output of the 2x2 its products with the 16 pixels, [4, 16, 32], and the bias [32].
    """
    share, shares, seed = tl.program_id(0), tl.num_programs(0), tl.program_id(1).to(tl.int64)
    c, t = tl.arange(0, 32), tl.arange(0, 16)
    t0 = tl.zeros((16, 32), tl.float32)
    t1 = tl.zeros((16, 32), tl.float32)
    t2 = tl.zeros((16, 32), tl.float32)
    t3 = tl.zeros((16, 32), tl.float32)
    bias = tl.zeros((32,), tl.float32)
    for start in range(share * BLOCK, n * 169, shares * BLOCK):
        m = start + tl.arange(0, BLOCK)
        there = m < n * 169
        image, place = m // 169, m % 169
        a, b = place // 13, place % 13
        p0 = tl.zeros((BLOCK, 32), tl.float32)
        p1 = tl.zeros((BLOCK, 32), tl.float32)
        p2 = tl.zeros((BLOCK, 32), tl.float32)
        p3 = tl.zeros((BLOCK, 32), tl.float32)
        for first in range(0, 64, DEPTH):
            o = first + tl.arange(0, DEPTH)
            w = small + seed * width + FIRST + c[None, :] * 64 + o[:, None]
            for cell in tl.static_range(4):  # pooled row a - 1 or a, pooled column b - 1 or b
                tl.debug_barrier()  # or the compiler keeps all nine taps in registers, cell after cell
                row, column = a - 1 + cell // 2, b - 1 + cell % 2
                inside = (there & (row >= 0) & (row < 12) & (column >= 0) & (column < 12))[:, None]
                at = (seed * n * 144 + image * 144 + row * 12 + column)[:, None] * 64 + o[None, :]
                corner = tl.load(where + at, inside, 4)
                g = (tl.load(gradient + at, inside, 0.0).to(tl.float32) * scale).to(DTYPE)
                for k in tl.static_range(4):
                    own = tl.where(corner == k, g, 0.0).to(DTYPE)
                    p0 = _reached(p0, own, w, cell, k, 0, PRECISION)
                    p1 = _reached(p1, own, w, cell, k, 1, PRECISION)
                    p2 = _reached(p2, own, w, cell, k, 2, PRECISION)
                    p3 = _reached(p3, own, w, cell, k, 3, PRECISION)
        at = x + (seed * n * 676 + image * 676 + a * 52 + b * 2)[:, None] * 32 + c[None, :]
        seen = there[:, None]
        p0 = tl.where(tl.load(at, seen, 0.0) <= 0, 0.0, p0)
        p1 = tl.where(tl.load(at + 32, seen, 0.0) <= 0, 0.0, p1)
        p2 = tl.where(tl.load(at + 832, seen, 0.0) <= 0, 0.0, p2)
        p3 = tl.where(tl.load(at + 864, seen, 0.0) <= 0, 0.0, p3)
        example = tl.load(index + seed * n + image, there, 0)
        pixels = images + (example * 784 + a * 56 + b * 2)[None, :] + (t // 4 * 28 + t % 4)[:, None]
        pixels = (tl.load(pixels, there[None, :], 0).to(tl.float32) / 255).to(DTYPE)
        t0 = tl.dot(pixels, p0.to(DTYPE), t0, input_precision=PRECISION)
        t1 = tl.dot(pixels, p1.to(DTYPE), t1, input_precision=PRECISION)
        t2 = tl.dot(pixels, p2.to(DTYPE), t2, input_precision=PRECISION)
        t3 = tl.dot(pixels, p3.to(DTYPE), t3, input_precision=PRECISION)
        bias += tl.sum((p0 + p1) + (p2 + p3), 0)
    part = out + (seed * shares + share) * _PARTS_1
    to = part + t[:, None] * 32 + c[None, :]
    tl.store(to, t0)
    tl.store(to + 512, t1)
    tl.store(to + 1024, t2)
    tl.store(to + 1536, t3)
    tl.store(part + 2048 + c, bias)


@triton.jit
def _summed(parts, stride, at, there, PARTS: tl.constexpr, POWER: tl.constexpr):
    """The sum of PARTS parts at ``at``; POWER is the next power of 2."""
    j = tl.arange(0, POWER)
    return tl.sum(tl.load(parts + j[:, None] * stride + at[None, :], (j < PARTS)[:, None] & there[None, :], 0.0), 0)


@triton.jit
def update_small(
    parts_1, parts_2, parts_3, small, square, delta, shadow, width, rate, RHO: tl.constexpr, EPS: tl.constexpr,
    PARTS_1: tl.constexpr, POWER_1: tl.constexpr, PARTS_2: tl.constexpr, POWER_2: tl.constexpr,
    PARTS_3: tl.constexpr, POWER_3: tl.constexpr, BLOCK: tl.constexpr, DTYPE: tl.constexpr,
):  # fmt: skip
    """The small parameters' gradients summed from their parts, of ``convolution_1_weight``, ``convolution_2_weight``
    and ``head``, and Adadelta's update with them; every program is of one of the three."""
    seed, program = tl.program_id(1).to(tl.int64), tl.program_id(0)
    first: tl.constexpr = (FIRST + BLOCK - 1) // BLOCK
    second: tl.constexpr = first + (SECOND + BLOCK - 1) // BLOCK
    if program < first:
        start = 0
        i = program * BLOCK + tl.arange(0, BLOCK)
        there = i < FIRST
        tap, c = i // 32, i % 32
        own = parts_1 + seed * PARTS_1 * _PARTS_1
        gradient = _summed(own, _PARTS_1, 2048 + c, tap == 9, PARTS_1, POWER_1)
        for d in tl.static_range(4):
            at = d * 512 + ((d // 2 + tap // 3) * 4 + d % 2 + tap % 3) * 32 + c
            gradient += _summed(own, _PARTS_1, at, tap < 9, PARTS_1, POWER_1)
    elif program < second:
        start = 0 + FIRST
        i = (program - first) * BLOCK + tl.arange(0, BLOCK)
        there = i < SECOND
        gradient = _summed(parts_2 + seed * PARTS_2 * SECOND, SECOND, i, there, PARTS_2, POWER_2)
    else:
        start = FIRST + SECOND
        i = (program - second) * BLOCK + tl.arange(0, BLOCK)
        own_width = width - FIRST - SECOND
        there = i < own_width
        gradient = _summed(parts_3 + seed * PARTS_3 * own_width, own_width, i, there, PARTS_3, POWER_3)
    at = seed * width + start + i
    p, s, d = tl.load(small + at, there), tl.load(square + at, there), tl.load(delta + at, there)
    p, s, d = _adadelta(gradient, p, s, d, rate, RHO, EPS)
    tl.store(small + at, p, there)
    tl.store(square + at, s, there)
    tl.store(delta + at, d, there)
    if DTYPE != tl.float32:
        tl.store(shadow + at, p.to(DTYPE), there)
