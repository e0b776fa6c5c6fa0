"""Max-pooling of 2x2, ReLU and dropout in one pass over the activations on a CPU, forward and backward.

Both passes work on the bits of the floating-point numbers: read as signed integers, numbers above zero keep their order
and numbers below zero stay below zero, which is all that the ReLU of a maximum needs. One loop so serves float32 and
bfloat16, with the same result bit for bit as the plain operations.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hardsample.errors import InputError
from hardsample.jit import compiled

_INTEGERS = {torch.float32: torch.int32, torch.bfloat16: torch.int16}
_SPECIAL = {  # the bits of negative infinity, below which are the negative numbers and above which NaN, and of a NaN
    torch.float32: (np.int32(-(1 << 23)), np.int32((1 << 31) - 1)),
    torch.bfloat16: (np.int16(-(1 << 7)), np.int16((1 << 15) - 1)),
}
_NOWHERE = np.uint8(4)  # the place of a maximum that no gradient goes to


def plain(x: Tensor, keep: Tensor | None, rate: float) -> Tensor:
    """What :func:`pool_relu_dropout` computes, in torch's own operations, on any device and under vmap."""
    x = F.relu(F.max_pool2d(x, 2), inplace=True).permute(0, 2, 3, 1)
    return x if keep is None else dropped(x, keep, rate)


def dropped(x: Tensor, keep: Tensor, rate: float) -> Tensor:
    """Dropout by a mask of the same shape: what is kept is divided by 1 - ``rate``."""
    return torch.where(keep, x, 0).mul(1 / (1 - rate))


def pool_relu_dropout(x: Tensor, keep: Tensor | None, rate: float) -> Tensor:
    """Max-pooling of 2x2, ReLU, and dropout if there is a mask.

    Args:
        x: float32 or bfloat16 [n, C, H, W] on the CPU, H and W even, channels last in memory.
        keep: bool [n, H/2, W/2, C], False for what is dropped; None for no dropout.
        rate: share that is dropped; what is kept is divided by 1 - ``rate``.

    Returns:
        [n, H/2, W/2, C], contiguous.

    Raises:
        InputError: ``x`` or ``keep`` is of another shape or type.
    """
    return _PoolReluDropout.apply(x, keep, rate)


def pooled(x: Tensor, keep: Tensor | None, rate: float) -> tuple[Tensor, np.ndarray, float]:
    """What :func:`pool_relu_dropout` gives, and of each of its numbers where in its 2x2 it came from, and its factor.

    Places, uint8 [n, H/2, W/2, C], are 2 * row + column, and 4 where no gradient goes.

    Raises:
        InputError: ``x`` or ``keep`` is of another shape or type.
    """
    if x.dim() != 4 or x.dtype not in _INTEGERS:
        raise InputError(f"x is {x.dtype} {list(x.shape)}: give float32 or bfloat16 [n, C, H, W].")
    x = x.detach().permute(0, 2, 3, 1).contiguous()
    n, height, width, channels = x.shape
    out = x.new_empty(n, height // 2, width // 2, channels)
    if keep is not None and (keep.shape != out.shape or keep.dtype != torch.bool):
        raise InputError(f"keep is {keep.dtype} {list(keep.shape)}: give bool {list(out.shape)}.")
    place = np.empty(out.shape, np.uint8)
    mask = place[:0] if keep is None else keep.view(torch.uint8).numpy()
    _pool(_bits(x), mask, *_SPECIAL[x.dtype], _bits(out), place)
    scale = 1.0 if keep is None else 1 / (1 - rate)
    return (out if keep is None else out.mul_(scale)), place, scale


class _PoolReluDropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, keep: Tensor | None, rate: float) -> Tensor:
        out, ctx.place, ctx.scale = pooled(x, keep, rate)
        return out

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None, None]:
        gradient = gradient.contiguous().mul(ctx.scale)
        n, height, width, channels = gradient.shape
        back = gradient.new_empty(n, 2 * height, 2 * width, channels)
        _unpool(_bits(gradient), ctx.place, _bits(back))
        return back.permute(0, 3, 1, 2), None, None


def _bits(x: Tensor) -> np.ndarray:
    return x.detach().view(_INTEGERS[x.dtype]).numpy()


@compiled
def _pool(x, keep, negative_infinity, nan, out, place):
    """The maximum of every 2x2 and zero, and which of the four it is; a NaN wins over any number."""
    zero = nan ^ nan
    for image in range(out.shape[0]):
        for i in range(out.shape[1]):
            for j in range(out.shape[2]):
                best, where = out[image, i, j], place[image, i, j]
                best[:] = zero
                where[:] = _NOWHERE
                for corner in range(4):
                    values = x[image, 2 * i + corner // 2, 2 * j + corner % 2]
                    for channel in range(best.size):
                        value = values[channel]
                        value = nan if (value < zero) & (value > negative_infinity) else value
                        wins = value > best[channel]
                        best[channel] = value if wins else best[channel]
                        where[channel] = np.uint8(corner) if wins else where[channel]
                if keep.size:
                    kept = keep[image, i, j]
                    for channel in range(best.size):
                        best[channel] = best[channel] if kept[channel] else zero
                        where[channel] = where[channel] if kept[channel] else _NOWHERE


@compiled
def _unpool(gradient, place, back):
    for image in range(gradient.shape[0]):
        for i in range(gradient.shape[1]):
            for j in range(gradient.shape[2]):
                values, where = gradient[image, i, j], place[image, i, j]
                zero = values[0] ^ values[0]
                for corner in range(4):
                    to = back[image, 2 * i + corner // 2, 2 * j + corner % 2]
                    for channel in range(values.size):
                        to[channel] = values[channel] if where[channel] == np.uint8(corner) else zero
