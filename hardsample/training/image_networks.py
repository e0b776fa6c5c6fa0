"""Paper B's networks, for images of any size: torchvision's, made equal to timm's."""

import functools
import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hardsample.data.torchvision_compat import import_torchvision
from hardsample.training.network_spec import NetworkSpec
from hardsample.training.small_maps import use_small_maps


class Scaled(nn.Module):
    """What a network does with images before it looks at them: their size, and ImageNet's normalisation.

    Args:
        image_size: what images are resized to; None as they are.
    """

    def __init__(self, image_size: int | None = None) -> None:
        super().__init__()
        self.image_size = image_size
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1), persistent=False)

    def scaled(self, images: Tensor) -> Tensor:
        """uint8 [n, C, H, W], grey (C = 1) or colour (C = 3) -> [n, 3, S, S] of about unit deviation."""
        x = images.expand(-1, 3, -1, -1).to(self.mean.dtype).div(255)
        if self.image_size and x.shape[-2:] != (self.image_size, self.image_size):
            smaller = self.image_size < x.shape[-1]
            x = F.interpolate(x, (self.image_size, self.image_size), mode="bilinear", antialias=smaller)
        return x.sub(self.mean).div(self.std)


class ImageNetwork(Scaled):
    """One of paper B's networks (Table 2) behind what it expects of images: size and ImageNet's normalisation.

    The network is torchvision's, made equal to timm's, which the paper trains: no dropout, no stochastic depth, batch
    normalisation with eps 1e-5 and momentum 0.1, and in ResNets the last one of a block scales by zero at first. How
    the other networks are initialised is a choice of :func:`hardsample.training.networks.build`.

    Args:
        network: torchvision's name of it.
        classes: number of classes K.
        image_size: what images are resized to; None as they are.
        options: torchvision's, beside the classes.
    """

    def __init__(self, network: str, classes: int, image_size: int | None = None, **options: object) -> None:
        super().__init__(image_size)
        source = import_torchvision("torchvision.models")
        self.network = getattr(source, network)(num_classes=classes, **options)
        self.small_maps = False  # or True, where convolutions to a few pixels are matrix products
        for module in self.network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eps, module.momentum = 1e-5, 0.1

    def forward(self, images: Tensor, masks: Sequence[Tensor] = ()) -> Tensor:
        """uint8 [n, C, H, W], grey (C = 1) or colour (C = 3) -> logits [n, classes]; there are no masks."""
        return self.network(self.scaled(images))


@torch.no_grad()
def initialize_as_timm(module: ImageNetwork) -> None:
    """Draw all weights anew by the rule of timm's EfficientNets and MobileNets (``efficientnet_init_weights``).

    Convolutions, squeeze-and-excitation's too: normal with variance 2 / (height * width * outputs / groups); the
    classifier: uniform within 1 / sqrt(outputs) of 0; biases 0, batch normalisation 1 and 0. A linear layer before the
    classifier is a 1x1 convolution in timm, and is drawn as one. torchvision does not divide by the groups, which makes
    its depthwise convolutions smaller by the root of their channels, and draws MobileNet's linear layers with 0.01.
    """
    layers = [layer for layer in module.network.modules() if isinstance(layer, nn.Conv2d | nn.Linear | nn.BatchNorm2d)]
    for layer in layers:
        if isinstance(layer, nn.BatchNorm2d):
            layer.weight.fill_(1)
        elif layer is layers[-1]:
            limit = layer.out_features**-0.5
            layer.weight.uniform_(-limit, limit)
        else:
            outputs = len(layer.weight) // getattr(layer, "groups", 1)
            layer.weight.normal_(0, math.sqrt(2 / (layer.weight[0, 0].numel() * outputs)))
        if layer.bias is not None:
            layer.bias.zero_()


def specialize(module: ImageNetwork, stacked: bool, device: torch.device, precision: str) -> None:
    """Have the module compute the same in the operations that are fastest."""
    if not stacked and device.type == "cpu" and precision == "float32":
        module.small_maps = use_small_maps(module)


def _spec(name: str, title: str, *, by_library: bool = True, **options: object) -> NetworkSpec:
    """torchvision's network, with its options; ``by_library``: do torchvision and timm initialise it differently?"""
    return NetworkSpec(
        name,
        title,
        functools.partial(ImageNetwork, name, **options),
        batch_normalized=True,
        initialize_as_timm=initialize_as_timm if by_library else None,
        specialize=specialize,
        paper="hard-samples",
    )


SPECS = (
    _spec("resnet18", "ResNet-18", by_library=False, zero_init_residual=True),
    _spec("resnet50", "ResNet-50", by_library=False, zero_init_residual=True),
    _spec("efficientnet_b4", "EfficientNet-B4", dropout=0.0, stochastic_depth_prob=0.0),
    _spec("efficientnet_v2_s", "EfficientNetV2-S", dropout=0.0, stochastic_depth_prob=0.0),
    _spec("mobilenet_v3_small", "MobileNetV3-S", dropout=0.0),
)
"""In the order of paper B's Tables 3-6."""
