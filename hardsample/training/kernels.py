"""Triton kernels of the letters network's step, for S seeds at once: draw, forward, backward, Adadelta, base values.

Products are of numbers in ``DTYPE`` and summed in float32; ``PRECISION`` says how float32 numbers are multiplied,
"ieee" or "tf32". Sums over programs are of parts that lie in memory, added in a fixed order, so that a step repeats bit
for bit. NaN goes where torch's operations send it: through ReLU and the pooled maximum, and past both backward.

Activations have the channels last. The small parameters of a seed lie in one row: convolution 1 as [9, 32] and its 32
biases, convolution 2 as [9, 32, 64] and its 64, linear 2 as [classes, 128] and its biases, linear 1's 128 biases, and
zeros up to ``width``, a multiple of 64, so that every row begins where wide loads may.
"""

import torch
import triton
import triton.language as tl

TYPES = {torch.bfloat16: tl.bfloat16, torch.float32: tl.float32}
CONVOLUTION_1, CONVOLUTION_2 = 320, 18496  # parameters, biases included
_FIRST, _SECOND = tl.constexpr(CONVOLUTION_1), tl.constexpr(CONVOLUTION_2)
PARTS_1 = 2080  # of a part of convolution 1's gradient: [4, 16, 32] and [32]
_PARTS_1 = tl.constexpr(PARTS_1)


@triton.jit
def _mix(z):
    """randomness._mix of unsigned words."""
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB
    return z ^ (z >> 31)


@triton.jit
def _words(seeds, seed, STREAM: tl.constexpr, step, i):
    """randomness.bits: the words of number ``i``, unsigned."""
    golden = tl.full((), 0x9E3779B97F4A7C15, tl.uint64)
    key = _mix(tl.load(seeds + seed).to(tl.uint64) * golden + STREAM)
    key = _mix(key + tl.load(step).to(tl.uint64) * golden)
    return _mix(key + (i + 1).to(tl.uint64) * golden)


@triton.jit
def _kept(seeds, seed, STREAM: tl.constexpr, step, row, WIDTH: tl.constexpr, THRESHOLD: tl.constexpr):
    """randomness.keep_masks of [n, WIDTH]: the mask's rows [rows, WIDTH]."""
    place = row[:, None] * (WIDTH // 8) + tl.arange(0, WIDTH // 8)[None, :]
    words = _words(seeds, seed, STREAM, step, place)
    octets = (words[:, :, None] >> (8 * tl.arange(0, 8)).to(tl.uint64)[None, None, :]) & 255
    return tl.reshape((octets >= THRESHOLD).to(tl.int8), (row.shape[0], WIDTH)) != 0


@triton.jit
def _adadelta(gradient, p, s, d, rate, RHO: tl.constexpr, EPS: tl.constexpr):
    """optimizers.Adadelta's rule: the new parameter and both averages."""
    s = s * RHO + (1 - RHO) * gradient * gradient
    change = tl.sqrt_rn((d + EPS) / (s + EPS)) * gradient
    return p - tl.load(rate) * change, s, d * RHO + (1 - RHO) * change * change


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
    number = (_words(seeds, seed, STREAM, step, i) >> 11).to(tl.float64) * (1.0 / 9007199254740992.0)
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


@triton.jit
def convolution_1(images, index, index_stride, small, width, out, n, BLOCK: tl.constexpr, DTYPE: tl.constexpr):
    """Convolution 1 and ReLU of images[index]: uint8 [*, 28, 28] -> [S, n, 26, 26, 32]."""
    seed = tl.program_id(1).to(tl.int64)
    m = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    there = m < n * 676
    image, place = m // 676, m % 676
    example = tl.load(index + seed * index_stride + image, there, 0)
    base = images + example * 784 + place // 26 * 28 + place % 26
    c = tl.arange(0, 32)
    own = small + seed * width + c
    total = tl.zeros((BLOCK, 32), tl.float32)
    for tap in tl.static_range(9):
        pixel = (tl.load(base + (tap // 3) * 28 + tap % 3, there, 0).to(tl.float32) / 255).to(DTYPE).to(tl.float32)
        total += pixel[:, None] * tl.load(own + tap * 32).to(tl.float32)[None, :]
    total += tl.load(own + 288).to(tl.float32)[None, :]
    total = tl.where(total < 0, 0.0, total)
    tl.store(out + (seed * n * 676 + m)[:, None] * 32 + c[None, :], total.to(DTYPE), there[:, None])


@triton.jit
def _higher(best, corner, value, NUMBER: tl.constexpr):
    """The maximum and where it is, of one more corner; a NaN is higher than any number."""
    wins = (value > best) | (value != value)
    return tl.where(wins, value, best), tl.where(wins, NUMBER, corner)


@triton.jit
def convolution_2_pool(
    x, small, width, seeds, step, out, where, n, scale,
    TRAIN: tl.constexpr, STREAM: tl.constexpr, THRESHOLD: tl.constexpr, BLOCK: tl.constexpr, DEPTH: tl.constexpr,
    DTYPE: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Convolution 2, max-pooling, ReLU and in training dropout: [S, n, 26, 26, 32] -> [S, n, 12, 12, 64].

    ``where``, uint8 of the same shape, is the corner of the maximum, 4 where no gradient passes. A program reads the
    4x4 inputs of a pooled place once, DEPTH channels at a time: a product of IEEE float32 numbers is unrolled whole.
    """
    seed = tl.program_id(1).to(tl.int64)
    m = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    there = m < n * 144
    image, place = m // 144, m % 144
    o = tl.arange(0, 64)
    base = x + (seed * n * 676 + image * 676 + place // 12 * 52 + place % 12 * 2)[:, None] * 32
    own = small + seed * width + _FIRST
    y0 = tl.zeros((BLOCK, 64), tl.float32)
    y1 = tl.zeros((BLOCK, 64), tl.float32)
    y2 = tl.zeros((BLOCK, 64), tl.float32)
    y3 = tl.zeros((BLOCK, 64), tl.float32)
    for first in range(0, 32, DEPTH):
        c = first + tl.arange(0, DEPTH)
        w = own + c[:, None] * 64 + o[None, :]
        for i in tl.static_range(4):
            for j in tl.static_range(4):
                pixels = tl.load(base + (i * 26 + j) * 32 + c[None, :], there[:, None], 0.0)
                if i < 3 and j < 3:
                    y0 = tl.dot(pixels, tl.load(w + (i * 3 + j) * 2048), y0, input_precision=PRECISION)
                if i < 3 and j > 0:
                    y1 = tl.dot(pixels, tl.load(w + (i * 3 + j - 1) * 2048), y1, input_precision=PRECISION)
                if i > 0 and j < 3:
                    y2 = tl.dot(pixels, tl.load(w + (i * 3 + j - 3) * 2048), y2, input_precision=PRECISION)
                if i > 0 and j > 0:
                    y3 = tl.dot(pixels, tl.load(w + (i * 3 + j - 4) * 2048), y3, input_precision=PRECISION)
    best, corner = y0, tl.zeros((BLOCK, 64), tl.int32)
    best, corner = _higher(best, corner, y1, 1)
    best, corner = _higher(best, corner, y2, 2)
    best, corner = _higher(best, corner, y3, 3)
    best += tl.load(own + 18432 + o).to(tl.float32)[None, :]
    corner = tl.where(best <= 0, 4, corner)
    best = tl.where(best <= 0, 0.0, best)
    to = (seed * n * 144 + m)[:, None] * 64 + o[None, :]
    if TRAIN:
        kept = _kept(seeds, seed, STREAM, step, m, 64, THRESHOLD)
        best = tl.where(kept, best * scale, 0.0)
        corner = tl.where(kept, corner, 4)
        tl.store(where + to, corner.to(tl.uint8), there[:, None])
    tl.store(out + to, best.to(DTYPE), there[:, None])


@triton.jit
def linear_1(
    x, w, out, n, PER: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr, PRECISION: tl.constexpr
):  # fmt: skip
    """Linear 1 in parts: x [S, n, 9216], w [S, 128, 9216] -> [S, 9216 / PER, n, 128], without the bias."""
    part, seed = tl.program_id(0), tl.program_id(2).to(tl.int64)
    i, o = tl.program_id(1) * ROWS + tl.arange(0, ROWS), tl.arange(0, 128)
    total = tl.zeros((ROWS, 128), tl.float32)
    for start in range(0, PER, BLOCK):
        k = part * PER + start + tl.arange(0, BLOCK)
        a = tl.load(x + (seed * n + i)[:, None] * 9216 + k[None, :], (i < n)[:, None], 0.0)
        b = tl.load(w + (seed * 128 + o)[None, :] * 9216 + k[:, None])
        total = tl.dot(a, b, total, input_precision=PRECISION)
    to = ((seed * (9216 // PER) + part) * n + i)[:, None] * 128 + o[None, :]
    tl.store(out + to, total, (i < n)[:, None])


@triton.jit
def head(
    parts, small, width, labels, labels_stride, index, counts, size, seeds, step, loss, entropy, gradient, out, n,
    scale, PARTS: tl.constexpr, ROWS: tl.constexpr, CLASSES: tl.constexpr, COLUMNS: tl.constexpr, STREAM: tl.constexpr,
    THRESHOLD: tl.constexpr, DTYPE: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """What follows linear 1's product, forward and backward: bias, ReLU, dropout, linear 2, softmax, cross-entropy.

    From ``linear_1``'s parts to loss and entropy float32 [S, n], the gradient of linear 1's output [S, n, 128], and
    the gradients of its own small parameters in parts, float32 [S, programs, their share of a row]. Counts examples.
    """
    share, seed = tl.program_id(0), tl.program_id(1).to(tl.int64)
    i, o, c = share * ROWS + tl.arange(0, ROWS), tl.arange(0, 128), tl.arange(0, COLUMNS)
    there, real = i < n, c < CLASSES
    own = small + seed * width + _FIRST + _SECOND
    w = tl.load(own + c[None, :] * 128 + o[:, None], real[None, :], 0.0)  # [128, COLUMNS]
    h = tl.zeros((ROWS, 128), tl.float32)
    for part in tl.static_range(PARTS):
        at = ((seed * PARTS + part) * n + i)[:, None] * 128 + o[None, :]
        h += tl.load(parts + at, there[:, None], 0.0)
    h += tl.load(own + CLASSES * 129 + o).to(tl.float32)[None, :]
    kept = _kept(seeds, seed, STREAM, step, i, 128, THRESHOLD) & there[:, None]
    kept = kept & ~(h <= 0)
    h = tl.where(kept, h * scale, 0.0).to(DTYPE)
    z = tl.dot(h, w, input_precision=PRECISION) + tl.load(own + CLASSES * 128 + c, real, 0.0).to(tl.float32)[None, :]
    z = tl.where(real[None, :], z, -float("inf"))
    z -= tl.max(z, 1)[:, None]
    e = tl.exp(z)
    total = tl.sum(e, 1)[:, None]
    p, log_p = e / total, z - tl.log(total)
    example = tl.load(index + seed * n + i, there, 0)
    hit = c[None, :] == tl.load(labels + seed * labels_stride + example, there, 0)[:, None]
    tl.store(loss + seed * n + i, -tl.sum(tl.where(hit, log_p, 0.0), 1), there)
    tl.store(entropy + seed * n + i, -tl.sum(tl.where(real[None, :], p * log_p, 0.0), 1), there)
    tl.atomic_add(counts + seed * size + example, 1, there)
    g = tl.where(there[:, None] & real[None, :], (p - tl.where(hit, 1.0, 0.0)) / n, 0.0)
    to = out + (seed * tl.num_programs(0) + share) * (width - _FIRST - _SECOND)
    tl.store(to + CLASSES * 128 + c, tl.sum(g, 0), real)
    g = g.to(DTYPE)
    tl.store(to + c[:, None] * 128 + o[None, :], tl.dot(tl.trans(g), h, input_precision=PRECISION), real[:, None])
    g = tl.where(kept, tl.dot(g, tl.trans(w), input_precision=PRECISION) * scale, 0.0)
    tl.store(to + CLASSES * 129 + o, tl.sum(g, 0))
    tl.store(gradient + (seed * n + i)[:, None] * 128 + o[None, :], g.to(DTYPE), there[:, None])


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
    part = out + (seed * shares + share) * _SECOND
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
            w = small + seed * width + _FIRST + c[None, :] * 64 + o[:, None]
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
    first: tl.constexpr = (_FIRST + BLOCK - 1) // BLOCK
    second: tl.constexpr = first + (_SECOND + BLOCK - 1) // BLOCK
    if program < first:
        start = 0
        i = program * BLOCK + tl.arange(0, BLOCK)
        there = i < _FIRST
        tap, c = i // 32, i % 32
        own = parts_1 + seed * PARTS_1 * _PARTS_1
        gradient = _summed(own, _PARTS_1, 2048 + c, tap == 9, PARTS_1, POWER_1)
        for d in tl.static_range(4):
            at = d * 512 + ((d // 2 + tap // 3) * 4 + d % 2 + tap % 3) * 32 + c
            gradient += _summed(own, _PARTS_1, at, tap < 9, PARTS_1, POWER_1)
    elif program < second:
        start = 0 + _FIRST
        i = (program - first) * BLOCK + tl.arange(0, BLOCK)
        there = i < _SECOND
        gradient = _summed(parts_2 + seed * PARTS_2 * _SECOND, _SECOND, i, there, PARTS_2, POWER_2)
    else:
        start = _FIRST + _SECOND
        i = (program - second) * BLOCK + tl.arange(0, BLOCK)
        own_width = width - _FIRST - _SECOND
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
