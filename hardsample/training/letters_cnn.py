"""Paper A's network, for images of letters."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hardsample.jit import uses_numba
from hardsample.training import pooling, sparse_backward
from hardsample.training.input_scaling import Pixels
from hardsample.training.network_spec import NetworkSpec


class LettersCNN(Pixels):
    """Paper A's network (section 4.1): 1,201,946 parameters for 28x28 grey images and 26 classes.

    Convolutions 32 and 64 of 3x3, max-pooling 2, dropout 0.25, linear 128, dropout 0.5, linear to the classes, and ReLU
    between. ReLU comes after the pooling, which changes no value and works on a quarter of them. The features enter the
    first linear layer with the channels last, as the convolutions leave them in memory.
    """

    dropout = ((0.25, (12, 12, 64)), (0.5, (128,)))  # rate and shape of each mask

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.pool_relu_dropout = pooling.plain  # or pooling.pool_relu_dropout
        self.linear = F.linear  # or weight_first
        self.sparse_backward = False  # or True, where gradients come from loops that skip zeros
        self.convolution_1 = nn.Conv2d(1, 32, 3)
        self.convolution_2 = nn.Conv2d(32, 64, 3)
        self.linear_1 = nn.Linear(9216, 128)
        self.linear_2 = nn.Linear(128, classes)

    def forward(self, images: Tensor, masks: Sequence[Tensor] = ()) -> Tensor:
        """uint8 [n, 1, 28, 28], and masks bool [n, 12, 12, 64] and [n, 128] in training -> logits [n, classes]."""
        x = self.pixels(images, self.linear_1.weight)
        keep, rate = masks[0] if masks else None, self.dropout[0][0]
        if self.sparse_backward and torch.is_grad_enabled():
            x = sparse_backward.features(x, self.convolution_1, self.convolution_2, keep, rate)
        else:
            x = F.relu(self.convolution_1(x), inplace=True)
            x = self.pool_relu_dropout(self.convolution_2(x), keep, rate)
        x = F.relu(self.linear(x.flatten(1), self.linear_1.weight, self.linear_1.bias), inplace=True)
        if masks:
            x = pooling.dropped(x, masks[1], self.dropout[1][0])
        return self.linear(x, self.linear_2.weight, self.linear_2.bias)


def weight_first(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """``F.linear`` of x [n, in] and weight [out, in] as weight times x transposed.

    Under vmap the gradient of the weight then lies in memory as the weight does. That of ``F.linear`` comes transposed,
    for which multi-tensor updates leave their fast path.
    """
    return (weight @ x.mT).mT + bias


def specialize(module: LettersCNN, stacked: bool, device: torch.device, precision: str) -> None:
    """Have the module compute the same in the operations that are fastest."""
    if stacked:
        module.linear = weight_first
    elif uses_numba(device):
        module.pool_relu_dropout = pooling.pool_relu_dropout
        module.sparse_backward = precision == "float32"


SPEC = NetworkSpec(
    "letters-cnn",
    "letters CNN",
    lambda classes, image_size: LettersCNN(classes),
    image_shape=(1, 28, 28),
    max_cohort_size=12,
    images_on_gpu=2_400,  # of twelve networks, which 500 would not fill the GPU with
    standardizes=True,
    specialize=specialize,
    paper="base-values",
)
