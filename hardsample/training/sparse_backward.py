"""The letters CNN's convolutions up to the dropout: forward as ever, backward without the products with zero.

Max-pooling passes on one gradient in four, and ReLU and dropout fewer still: a convolution's backward pass multiplies
ten zeros for each number. These loops visit the numbers alone. They sum in another order than torch's, whose own order
differs from processor to processor.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hardsample.errors import InputError
from hardsample.jit import compiled
from hardsample.training import pooling

_CHANNELS = 32  # between the convolutions
_WIDTH = 3 * _CHANNELS  # numbers in a row of a kernel, and in what it looks at: known when the loops are compiled


def features(images: Tensor, first: nn.Conv2d, second: nn.Conv2d, keep: Tensor | None, rate: float) -> Tensor:
    """Convolution, ReLU, convolution and :func:`pooling.pool_relu_dropout`; what is trained alone has a gradient.

    Args:
        images: float32 [n, 1, H, W] on the CPU, H and W even.
        first: of 1 channel to 32, 3x3, without padding.
        second: of 32 channels to C, likewise.
        keep: bool [n, H/2 - 2, W/2 - 2, C], False for what is dropped; None for no dropout.
        rate: share that is dropped; what is kept is divided by 1 - ``rate``.

    Returns:
        float32 [n, H/2 - 2, W/2 - 2, C], contiguous.

    Raises:
        InputError: a convolution, or the mask, is of another shape.
    """
    shapes = tuple(first.weight.shape), tuple(second.weight.shape[1:])
    if shapes != ((_CHANNELS, 1, 3, 3), (_CHANNELS, 3, 3)):
        raise InputError(f"the convolutions have {shapes[0]} and (C, {shapes[1]}): give those of the letters CNN.")
    return _Features.apply(images, first.weight, second.weight, first.bias, second.bias, keep, rate)


class _Features(torch.autograd.Function):
    @staticmethod
    def forward(ctx, images, weight_1, weight_2, bias_1, bias_2, keep, rate):
        x = F.relu(F.conv2d(images, weight_1, bias_1), inplace=True)
        out, ctx.place, ctx.scale = pooling.pooled(F.conv2d(x, weight_2, bias_2), keep, rate)
        ctx.save_for_backward(images, x, weight_1, weight_2)
        return out

    @staticmethod
    def backward(ctx, gradient):
        images, x, *weights = (tensor.detach().permute(0, 2, 3, 1).contiguous() for tensor in ctx.saved_tensors)
        gradient = gradient.contiguous().mul(ctx.scale)
        to_x, rows = torch.empty_like(x), (-1, 3, _WIDTH)
        to_weight_1, to_weight_2 = x.new_zeros(3, 3, _CHANNELS), torch.zeros_like(weights[1])
        to_biases = [x.new_zeros(len(weight)) for weight in weights]
        _second(
            *(gradient.numpy(), ctx.place, x.flatten(1).numpy(), x.shape[2], weights[1].view(rows).numpy()),
            *(to_x.flatten(1).numpy(), to_weight_2.view(rows).numpy(), to_biases[1].numpy()),
        )
        _first(to_x.numpy(), x.numpy(), images[..., 0].numpy(), to_weight_1.numpy(), to_biases[0].numpy())
        to_weights = to_weight_1.permute(2, 0, 1).unsqueeze(1), to_weight_2.permute(0, 3, 1, 2)
        in_memory = [  # as the weights are, for the updates' sake
            torch.empty_like(weight).copy_(to) for weight, to in zip(ctx.saved_tensors[2:], to_weights, strict=True)
        ]
        return None, *in_memory, *to_biases, None, None


@compiled(multiply_add=True)
def _second(gradient, place, x, width, weight, to_x, to_weight, to_bias):
    """The second convolution; a row of the pooled images at a time, whose surroundings the nearest cache holds."""
    images, rows, columns, channels = gradient.shape
    starts = np.empty((channels, columns + 1), np.uint64)  # of what the numbers of a channel in the row were made from
    values = np.empty((channels, columns + 1), np.float32)
    counts = np.empty(channels, np.int64)
    long = np.uint64(_WIDTH)
    for image in range(images):
        to_x[image] = 0
        for i in range(rows):
            for channel in range(channels):
                found = 0
                for j in range(columns):
                    corner = place[image, i, j, channel]
                    starts[channel, found] = ((2 * i + corner // 2) * width + 2 * j + corner % 2) * _CHANNELS
                    values[channel, found] = gradient[image, i, j, channel]
                    found += corner < 4  # else the number goes nowhere, and the next takes its place
                counts[channel] = found
                for number in range(found):
                    to_bias[channel] += values[channel, number]
            for channel in range(channels):
                for row in range(3):
                    source = weight[channel, row]
                    for number in range(counts[channel]):
                        start = starts[channel, number] + np.uint64(row * width * _CHANNELS)
                        value, to = values[channel, number], to_x[image, start : start + long]
                        for k in range(_WIDTH):
                            to[k] += value * source[k]
            for channel in range(channels):
                for row in range(3):
                    to = to_weight[channel, row]
                    for number in range(counts[channel]):
                        start = starts[channel, number] + np.uint64(row * width * _CHANNELS)
                        value, source = values[channel, number], x[image, start : start + long]
                        for k in range(_WIDTH):
                            to[k] += value * source[k]


@compiled(multiply_add=True)
def _first(to_x, x, images, to_weight, to_bias):
    """ReLU, in place, and the first convolution, whose images need no gradient."""
    for image in range(x.shape[0]):
        for i in range(x.shape[1]):
            for j in range(x.shape[2]):
                values, active = to_x[image, i, j], x[image, i, j]
                for channel in range(values.size):
                    values[channel] = np.float32(0) if active[channel] <= 0 else values[channel]
                for channel in range(values.size):
                    to_bias[channel] += values[channel]
                for row in range(3):
                    for column in range(3):
                        pixel, to = images[image, i + row, j + column], to_weight[row, column]
                        for channel in range(values.size):
                            to[channel] += pixel * values[channel]
