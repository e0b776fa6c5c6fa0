"""Convolutions whose output is a few pixels, as matrix products without the taps that see only padding.

A ResNet-18 ends in maps of 1x1 where images are 32x32: a kernel of 3x3 sees one pixel and eight of padding there, and
a library's convolution multiplies by all nine. The products here sum in another order, and so round otherwise.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

FEW = 4  # output pixels up to which a product for each is faster than one convolution

Window = tuple[slice, slice]  # of the pixels that an output pixel sees, and of the taps that see them, along one side


class SmallMapConv2d(nn.Conv2d):
    """``torch.nn.Conv2d``; where its output has at most ``FEW`` pixels, a matrix product for each of them."""

    def forward(self, x: Tensor) -> Tensor:
        """float32 [n, C, H, W] -> [n, K, H', W'], as ``torch.nn.Conv2d`` gives it."""
        sides = [
            list(_windows(*side))
            for side in zip(x.shape[-2:], self.kernel_size, self.stride, self.padding, strict=True)
        ]
        if len(sides[0]) * len(sides[1]) > FEW:
            return super().forward(x)
        out = _PixelByPixel.apply(x, self.weight, *sides)
        return out if self.bias is None else out + self.bias[:, None, None]


def use_small_maps(module: nn.Module) -> bool:
    """Have a module's plain convolutions be :class:`SmallMapConv2d`, with the weights that they have.

    Left as they are: those of 1x1, grouped and dilated ones, and those with padding that is named, or not of zeros.

    Returns:
        Is there one?
    """
    plain = [
        layer
        for layer in module.modules()
        if type(layer) is nn.Conv2d
        and layer.kernel_size != (1, 1)
        and (layer.groups, layer.dilation, layer.padding_mode) == (1, (1, 1), "zeros")
        and not isinstance(layer.padding, str)
    ]
    for layer in plain:
        layer.__class__ = SmallMapConv2d
    return bool(plain)


def _windows(size: int, taps: int, stride: int, padding: int) -> Iterator[Window]:
    """What each output pixel along a side sees."""
    for start in range(-padding, size + padding - taps + 1, stride):
        first, last = max(0, start), max(0, min(size, start + taps))
        yield slice(first, last), slice(first - start, last - start)


class _PixelByPixel(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, rows, columns):
        images, kernels = x.permute(0, 2, 3, 1), weight.permute(0, 2, 3, 1)
        out = x.new_empty(len(x), len(rows), len(columns), len(weight))
        for i, (row, row_taps) in enumerate(rows):
            for j, (column, column_taps) in enumerate(columns):
                kernel = kernels[:, row_taps, column_taps].flatten(1)
                out[:, i, j] = images[:, row, column].flatten(1) @ kernel.T
        ctx.save_for_backward(images, kernels)
        ctx.windows = rows, columns
        return out.permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx, gradient):
        images, kernels = ctx.saved_tensors
        rows, columns = ctx.windows
        to_images, to_kernels = torch.zeros_like(images), torch.zeros_like(kernels)
        for i, (row, row_taps) in enumerate(rows):
            for j, (column, column_taps) in enumerate(columns):
                to_pixel = gradient[:, :, i, j].contiguous()
                pixels, kernel = images[:, row, column], kernels[:, row_taps, column_taps]
                to_images[:, row, column] += (to_pixel @ kernel.flatten(1)).view(pixels.shape)
                to_kernels[:, row_taps, column_taps] += (to_pixel.T @ pixels.flatten(1)).view(kernel.shape)
        return to_images.permute(0, 3, 1, 2), to_kernels.permute(0, 3, 1, 2), None, None
