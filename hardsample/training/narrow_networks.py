"""Narrow networks for trainings of seconds, where the papers' own would take minutes on a CPU."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from hardsample.training import pooling
from hardsample.training.image_networks import Scaled
from hardsample.training.input_scaling import Pixels
from hardsample.training.network_spec import NetworkSpec


class NarrowLettersCNN(Pixels):
    """Paper A's network on halved images, with a quarter of its channels and half of its hidden layer.

    Mean-pooling 2, convolutions 8 and 16 of 3x3, max-pooling 2, dropout 0.25, linear 64, dropout 0.5, linear to the
    classes, and ReLU between: 28,602 parameters for 26 classes.
    """

    dropout = ((0.25, (5, 5, 16)), (0.5, (64,)))  # rate and shape of each mask

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.convolution_1 = nn.Conv2d(1, 8, 3)
        self.convolution_2 = nn.Conv2d(8, 16, 3)
        self.linear_1 = nn.Linear(400, 64)
        self.linear_2 = nn.Linear(64, classes)

    def forward(self, images: Tensor, masks: Sequence[Tensor] = ()) -> Tensor:
        """uint8 [n, 1, 28, 28], and masks bool [n, 5, 5, 16] and [n, 64] in training -> logits [n, classes]."""
        x = F.avg_pool2d(self.pixels(images, self.linear_1.weight), 2)
        x = F.relu(self.convolution_1(x), inplace=True)
        x = pooling.plain(self.convolution_2(x), masks[0] if masks else None, self.dropout[0][0])
        x = F.relu(self.linear_1(x.flatten(1)), inplace=True)
        if masks:
            x = pooling.dropped(x, masks[1], self.dropout[1][0])
        return self.linear_2(x)


class NarrowResNet(Scaled):
    """A ResNet of two of ResNet-18's blocks, with 16 and 32 channels in place of 64 to 512.

    As in a ResNet for CIFAR (He et al. 2016, section 4.2), the first convolution, of 8 channels, keeps the size, no
    pooling follows, and what goes past a block has no weights. The classifier looks at four means of each channel, one
    a quarter of the image, not at one: it learns places sooner. The last batch normalisation of a block scales by zero
    at first, as in :class:`hardsample.training.image_networks.ImageNetwork`.
    """

    channels = (8, 16, 32)

    def __init__(self, classes: int, image_size: int | None = None) -> None:
        super().__init__(image_size)
        self.stem = _convolution(3, self.channels[0])
        self.blocks = nn.ModuleList(map(_Block, self.channels, self.channels[1:]))
        self.classifier = nn.Linear(4 * self.channels[-1], classes)

    def forward(self, images: Tensor, masks: Sequence[Tensor] = ()) -> Tensor:
        """uint8 [n, C, H, W], grey (C = 1) or colour (C = 3) -> logits [n, classes]; there are no masks."""
        x = F.relu(self.stem(self.scaled(images)))
        for block in self.blocks:
            x = block(x)
        return self.classifier(F.adaptive_avg_pool2d(x, 2).flatten(1))


class _Block(nn.Module):
    """Two convolutions of 3x3 that halve the size; past them every second pixel, the new channels zero."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = _convolution(inputs, outputs, stride=2)
        self.second = _convolution(outputs, outputs)
        self.added = outputs - inputs
        nn.init.zeros_(self.second[1].weight)

    def forward(self, x: Tensor) -> Tensor:
        past = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 0, self.added))
        return F.relu(self.second(F.relu(self.first(x))) + past)


def _convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """A convolution of 3x3 without bias, drawn as ResNets do (He et al. 2015), and its batch normalisation."""
    convolution = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs))


SPECS = (
    NetworkSpec(
        "narrow-letters-cnn",
        "narrow letters CNN",
        lambda classes, image_size: NarrowLettersCNN(classes),
        image_shape=(1, 28, 28),
        max_cohort_size=12,
        standardizes=True,
        paper="base-values",
    ),
    NetworkSpec("narrow-resnet", "narrow ResNet", NarrowResNet, batch_normalized=True, paper="hard-samples"),
)
