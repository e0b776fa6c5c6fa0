"""Every kernel of the fused step by its name; needs Triton, which only CUDA builds of torch bring along."""

from hardsample.training.fused.kernels_backward import (
    convolution_1_weight,
    convolution_2_weight,
    linear_1_backward,
    update_small,
)
from hardsample.training.fused.kernels_draw import draw, shuffled, uniform, update_values
from hardsample.training.fused.kernels_forward import convolution_1, convolution_2_pool, head, linear_1
from hardsample.training.fused.kernels_shared import TYPES

__all__ = [
    "TYPES",
    "convolution_1",
    "convolution_1_weight",
    "convolution_2_pool",
    "convolution_2_weight",
    "draw",
    "head",
    "linear_1",
    "linear_1_backward",
    "shuffled",
    "uniform",
    "update_small",
    "update_values",
]
