"""Triton kernels of the letters network's forward pass for S seeds at once, to loss, entropy and logits' gradient."""

import triton
import triton.language as tl

from hardsample.training.fused.kernels_shared import FIRST, SECOND, keep


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
    own = small + seed * width + FIRST
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
        kept = keep(seeds, seed, STREAM, step, m, 64, THRESHOLD)
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
    own = small + seed * width + FIRST + SECOND
    w = tl.load(own + c[None, :] * 128 + o[:, None], real[None, :], 0.0)  # [128, COLUMNS]
    h = tl.zeros((ROWS, 128), tl.float32)
    for part in tl.static_range(PARTS):
        at = ((seed * PARTS + part) * n + i)[:, None] * 128 + o[None, :]
        h += tl.load(parts + at, there[:, None], 0.0)
    h += tl.load(own + CLASSES * 129 + o).to(tl.float32)[None, :]
    kept = keep(seeds, seed, STREAM, step, i, 128, THRESHOLD) & there[:, None]
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
    to = out + (seed * tl.num_programs(0) + share) * (width - FIRST - SECOND)
    tl.store(to + CLASSES * 128 + c, tl.sum(g, 0), real)
    g = g.to(DTYPE)
    tl.store(to + c[:, None] * 128 + o[None, :], tl.dot(tl.trans(g), h, input_precision=PRECISION), real[:, None])
    g = tl.where(kept, tl.dot(g, tl.trans(w), input_precision=PRECISION) * scale, 0.0)
    tl.store(to + CLASSES * 129 + o, tl.sum(g, 0))
    tl.store(gradient + (seed * n + i)[:, None] * 128 + o[None, :], g.to(DTYPE), there[:, None])
