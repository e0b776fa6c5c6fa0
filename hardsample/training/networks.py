"""The networks, and the cohort: several seeds of one network as one."""

import contextlib
import math
from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hardsample import randomness
from hardsample.config import INITIALIZATIONS
from hardsample.data.dataset import import_torchvision
from hardsample.errors import InputError, check_choice
from hardsample.jit import uses_numba
from hardsample.training import pooling

IMAGES_AT_ONCE = 500  # in a forward pass without gradients
LETTERS_AT_ONCE = 2_400  # of twelve letters CNNs on a GPU, which 500 would not fill


class LettersCNN(nn.Module):
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
        self.convolution_1 = nn.Conv2d(1, 32, 3)
        self.convolution_2 = nn.Conv2d(32, 64, 3)
        self.linear_1 = nn.Linear(9216, 128)
        self.linear_2 = nn.Linear(128, classes)

    def forward(self, images: Tensor, masks: Sequence[Tensor] = ()) -> Tensor:
        """uint8 [n, 1, 28, 28], and masks bool [n, 12, 12, 64] and [n, 128] in training -> logits [n, classes]."""
        x = images.to(self.linear_1.weight.dtype).div(255)
        x = F.relu(self.convolution_1(x), inplace=True)
        x = self.pool_relu_dropout(self.convolution_2(x), masks[0] if masks else None, self.dropout[0][0])
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


class ImageNetwork(nn.Module):
    """One of paper B's networks (Table 2) behind what it expects of images: size and ImageNet's normalisation.

    The network is torchvision's, made equal to timm's, which the paper trains: no dropout, no stochastic depth, batch
    normalisation with eps 1e-5 and momentum 0.1, and in ResNets the last one of a block scales by zero at first. How
    the other networks are initialised is a choice of :func:`build`.
    """

    def __init__(self, network: str, classes: int, image_size: int | None) -> None:
        super().__init__()
        source = import_torchvision("torchvision.models")
        self.network = getattr(source, network)(num_classes=classes, **_LIKE_TIMM[network])
        for module in self.network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eps, module.momentum = 1e-5, 0.1
        self.image_size = image_size
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1), persistent=False)

    def forward(self, images: Tensor, masks: Sequence[Tensor] = ()) -> Tensor:
        """uint8 [n, C, H, W], grey (C = 1) or colour (C = 3) -> logits [n, classes]; there are no masks."""
        x = images.expand(-1, 3, -1, -1).to(self.mean.dtype).div(255)
        if self.image_size and x.shape[-2:] != (self.image_size, self.image_size):
            smaller = self.image_size < x.shape[-1]
            x = F.interpolate(x, (self.image_size, self.image_size), mode="bilinear", antialias=smaller)
        return self.network(x.sub(self.mean).div(self.std))


_LIKE_TIMM: dict[str, dict[str, object]] = {
    "resnet18": {"zero_init_residual": True},
    "resnet50": {"zero_init_residual": True},
    "efficientnet_b4": {"dropout": 0.0, "stochastic_depth_prob": 0.0},
    "efficientnet_v2_s": {"dropout": 0.0, "stochastic_depth_prob": 0.0},
    "mobilenet_v3_small": {"dropout": 0.0},
}
TITLES = {
    "resnet18": "ResNet-18",
    "resnet50": "ResNet-50",
    "efficientnet_b4": "EfficientNet-B4",
    "efficientnet_v2_s": "EfficientNetV2-S",
    "mobilenet_v3_small": "MobileNetV3-S",
}
"""Paper B's networks in the order of its Tables 3-6, by their names in print."""

NETWORKS = ("letters-cnn", *TITLES)
INITIALIZED_BY_LIBRARY = ("efficientnet_b4", "efficientnet_v2_s", "mobilenet_v3_small")
"""The networks that torchvision and timm initialise differently; the ResNets both do alike."""


def build(
    network: str, classes: int, seed: int, image_size: int | None = None, *, initialization: str = "timm"
) -> nn.Module:
    """The network, initialised on the CPU from the seed alone.

    ``initialization``, "timm" or "torchvision", says by whose rule the networks of ``INITIALIZED_BY_LIBRARY`` are
    initialised. The others have one initialisation, whatever it says: letters-cnn torch's own, the ResNets that of
    both libraries.

    Raises:
        InputError: unknown network or initialisation, or an image size for a network that has its own.
    """
    check_choice("network", network, NETWORKS)
    check_choice("initialization", initialization, INITIALIZATIONS)
    if network == "letters-cnn" and image_size:
        raise InputError(f"image_size is {image_size}, but letters-cnn takes images of 28x28 alone: leave it out.")
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(randomness.word(seed, randomness.Stream.INITIALISE))
        module = _module(network, classes, image_size)
        if initialization == "timm" and network in INITIALIZED_BY_LIBRARY:
            _initialize_as_timm(module.network)
        return module


@torch.no_grad()
def _initialize_as_timm(network: nn.Module) -> None:
    """Draw all weights anew by the rule of timm's EfficientNets and MobileNets (``efficientnet_init_weights``).

    Convolutions, squeeze-and-excitation's too: normal with variance 2 / (height * width * outputs / groups); the
    classifier: uniform within 1 / sqrt(outputs) of 0; biases 0, batch normalisation 1 and 0. A linear layer before the
    classifier is a 1x1 convolution in timm, and is drawn as one. torchvision does not divide by the groups, which makes
    its depthwise convolutions smaller by the root of their channels, and draws MobileNet's linear layers with 0.01.
    """
    layers = [module for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear | nn.BatchNorm2d)]
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


def check_initialization(network: str, initialization: str) -> None:
    """Refuse to name an initialisation for a network that has one alone: equal runs would have two keys.

    Raises:
        InputError: says so.
    """
    if initialization != INITIALIZATIONS[0] and network not in INITIALIZED_BY_LIBRARY:
        raise InputError(
            f"initialization is {initialization!r}, but {network} has one initialisation alone: leave it out; it is a"
            f" choice for {', '.join(INITIALIZED_BY_LIBRARY)}."
        )


def _module(network: str, classes: int, image_size: int | None = None) -> nn.Module:
    return LettersCNN(classes) if network == "letters-cnn" else ImageNetwork(network, classes, image_size)


def check_images(network: str, shape: Sequence[int]) -> None:
    """Refuse images [C, H, W] that the network cannot take.

    Raises:
        InputError: says which it takes.
    """
    check_choice("network", network, NETWORKS)
    if network == "letters-cnn" and tuple(shape) != (1, 28, 28):
        given = "x".join(map(str, shape))
        raise InputError(f"letters-cnn takes images of 1x28x28, and these are {given}: choose other data or network.")


def max_cohort_size(network: str) -> int:
    """How many seeds of a network one GPU trains together: as many as it takes to fill it."""
    return 12 if network == "letters-cnn" else 1


def parameters(network: str, classes: int) -> int:
    """How many numbers the network learns (paper B, Table 2)."""
    with torch.device("meta"):
        module = _module(network, classes)
    return sum(parameter.numel() for parameter in module.parameters())


def flops(network: str, classes: int, image_size: int) -> int:
    """Floating-point operations of a colour image forward, a multiplication and an addition being two (Table 2)."""
    from torch.utils.flop_counter import FlopCounterMode

    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        _module(network, classes).eval()(torch.empty(1, 3, image_size, image_size, dtype=torch.uint8))
    return counter.get_total_flops()


class Cohort:
    """S networks of one kind, one per seed: a plain module for S = 1, stacked parameters for more.

    Args:
        network: a name of ``NETWORKS``.
        classes: number of classes K.
        seeds: one per network.
        device: where they live.
        precision: a name of ``PRECISIONS``: "bf16" for autocast; the other two differ by :func:`arithmetic`.
        image_size: what images are resized to; None as they are.
        initialization: of :func:`build`.
    """

    def __init__(
        self,
        network: str,
        classes: int,
        seeds: Sequence[int],
        device: torch.device,
        precision: str,
        image_size: int | None = None,
        initialization: str = "timm",
    ) -> None:
        modules = [build(network, classes, seed, image_size, initialization=initialization) for seed in seeds]
        modules = [module.to(device, memory_format=torch.channels_last) for module in modules]
        self.module, self.device, self.precision = modules[0], device, precision
        self.seeds = torch.tensor(seeds, device=device)
        self.stacked = len(modules) > 1
        if network == "letters-cnn":
            if self.stacked:
                self.module.linear = weight_first
            elif uses_numba(device):
                self.module.pool_relu_dropout = pooling.pool_relu_dropout
        self.images_at_once = LETTERS_AT_ONCE if network == "letters-cnn" and device.type == "cuda" else IMAGES_AT_ONCE
        named = [dict(module.named_parameters()) | dict(module.named_buffers()) for module in modules]
        trained = {name for name, _ in self.module.named_parameters()}
        self.tensors: dict[str, Tensor] = named[0]  # parameters and buffers; with a leading [S] where stacked
        if self.stacked:
            self.tensors = {
                name: torch.stack([tensors[name].detach() for tensors in named]).requires_grad_(name in trained)
                for name in named[0]
            }
        self.parameters = [tensor for name, tensor in self.tensors.items() if name in trained]

    def refresh(self) -> None:
        """Take up what was written into ``tensors`` from outside; here nothing is derived from them."""

    def masks(self, step: int | Tensor, n: int) -> tuple[Tensor, ...]:
        """The dropout masks of a step: bool [S, n, ...] each."""
        return tuple(
            randomness.keep_masks(self.seeds, randomness.Stream.DROPOUT + layer, step, (n, *shape), rate)
            for layer, (rate, shape) in enumerate(getattr(self.module, "dropout", ()))
        )

    def logits(self, images: Tensor, masks: tuple[Tensor, ...] = (), *, training: bool) -> Tensor:
        """uint8 images [S, n, C, H, W], or [n, C, H, W] shown to every network -> float32 logits [S, n, K]."""
        self.module.train(training)
        shared = images.dim() == 4
        with torch.autocast(self.device.type, torch.bfloat16, self.precision == "bf16", cache_enabled=False):
            if not self.stacked:
                only = images if shared else images[0]
                return self.module(only, tuple(mask[0] for mask in masks)).float().unsqueeze(0)
            return self._together(self.tensors, images, masks).float()

    def _together(self, tensors: dict[str, Tensor], images: Tensor, masks: tuple[Tensor, ...]) -> Tensor:
        """Stacked tensors, images [S, n, C, H, W] or [n, C, H, W] and masks [S, n, ...] -> logits [S, n, K]."""

        def one(tensors: dict[str, Tensor], images: Tensor, masks: tuple[Tensor, ...]) -> Tensor:
            return torch.func.functional_call(self.module, tensors, (images, masks))

        if self.precision == "bf16" and isinstance(self.module, LettersCNN):  # under vmap autocast leaves convolutions
            tensors = {name: tensor.bfloat16() for name, tensor in tensors.items()}
        return torch.vmap(one, in_dims=(0, None if images.dim() == 4 else 0, 0))(tensors, images, masks)

    @torch.no_grad()
    def scores(
        self, images: Tensor, labels: Tensor, *, statistics: str = "running", at_once: int | None = None
    ) -> tuple[Tensor, Tensor]:
        """Logits [S, m, K] and cross-entropy losses [S, m] of images, without dropout; changes nothing.

        Args:
            images: uint8 [S, m, C, H, W], or [m, C, H, W] shown to every network.
            labels: int64 [S, m] or [m].
            statistics: batch normalisation's, "running" (evaluation mode) or "batch": of the images passed together.
            at_once: so many images pass together; None for as many as suit the device.
        """
        parts = images.split(at_once or self.images_at_once, images.dim() - 4)
        with self._buffers_kept() if statistics == "batch" else contextlib.nullcontext():
            logits = torch.cat([self.logits(part, training=statistics == "batch") for part in parts], 1)
        return logits, losses(logits, labels.expand(logits.shape[:2]))

    @contextlib.contextmanager
    def _buffers_kept(self) -> Iterator[None]:
        """Undo what a forward pass in training mode does to the running statistics."""
        buffers = [self.tensors[name] for name, _ in self.module.named_buffers()]
        before = [buffer.clone() for buffer in buffers]
        yield
        for buffer, value in zip(buffers, before, strict=True):
            buffer.copy_(value)


ARITHMETIC = {"float32": "IEEE float32", "tf32": "TF32", "bf16": "bf16"}
"""What each precision multiplies in; sums, weights and updates are float32 in all of them."""


def check_precision(precision: str, device: str) -> None:
    """Refuse a precision that the device has no arithmetic for.

    Raises:
        InputError: "tf32" on a CPU.
    """
    if precision == "tf32" and not device.startswith("cuda"):
        raise InputError("precision 'tf32' is the arithmetic of a GPU, and this is a CPU: choose float32 or bf16.")


@contextlib.contextmanager
def arithmetic(precision: str, device: torch.device) -> Iterator[None]:
    """On a GPU: products of float32 numbers in IEEE's arithmetic, or for "tf32" in that of its tensor cores.

    Torch's own default there is TF32 for convolutions and IEEE for the rest.
    """
    if device.type != "cuda":
        yield
        return
    settings = torch.backends.cuda.matmul, torch.backends.cudnn.conv
    before = [setting.fp32_precision for setting in settings]
    for setting in settings:
        setting.fp32_precision = "tf32" if precision == "tf32" else "ieee"
    try:
        yield
    finally:
        for setting, value in zip(settings, before, strict=True):
            setting.fp32_precision = value


def losses(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of every example: logits [S, n, K] and labels [S, n] -> [S, n]."""
    return F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none").view(labels.shape)


def focal(losses: Tensor, gamma: float) -> Tensor:
    """Focal losses (1 - p)^gamma (-log p) from cross-entropies -log p of any shape (Lin et al. 2017, equation 4)."""
    return (-torch.expm1(-losses)).clamp(min=0).pow(gamma) * losses
