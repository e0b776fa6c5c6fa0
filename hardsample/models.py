"""The networks, and the cohort: several seeds of one network as one."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hardsample import randomness
from hardsample.errors import check_choice

IMAGES_AT_ONCE = 500  # in a forward pass without gradients


class LettersCNN(nn.Module):
    """Paper A's network (section 4.1): 1,201,946 parameters for 28x28 grey images and 26 classes.

    Convolutions 32 and 64 of 3x3, max-pooling 2, dropout 0.25, linear 128, dropout 0.5, linear to the classes, and ReLU
    between. ReLU comes after the pooling, which changes no value and works on a quarter of them. The features enter the
    first linear layer with the channels last, as the convolutions leave them in memory.
    """

    dropout = ((0.25, (12, 12, 64)), (0.5, (128,)))  # rate and shape of each mask

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.convolution_1 = nn.Conv2d(1, 32, 3)
        self.convolution_2 = nn.Conv2d(32, 64, 3)
        self.linear_1 = nn.Linear(9216, 128)
        self.linear_2 = nn.Linear(128, classes)

    def forward(self, images: Tensor, masks: Sequence[Tensor] = ()) -> Tensor:
        """uint8 [n, 1, 28, 28], and masks bool [n, 12, 12, 64] and [n, 128] in training -> logits [n, classes]."""
        x = images.to(self.linear_1.weight.dtype).div(255)
        x = F.relu(self.convolution_1(x), inplace=True)
        x = F.relu(F.max_pool2d(self.convolution_2(x), 2), inplace=True).permute(0, 2, 3, 1)
        if masks:
            x = x * masks[0].to(x.dtype).div_(1 - self.dropout[0][0])
        x = F.relu(self.linear_1(x.flatten(1)), inplace=True)
        if masks:
            x = x * masks[1].to(x.dtype).div_(1 - self.dropout[1][0])
        return self.linear_2(x)


NETWORKS: dict[str, Callable[[int], nn.Module]] = {"letters-cnn": LettersCNN}


def build(network: str, classes: int, seed: int) -> nn.Module:
    """The network, initialised on the CPU from the seed alone.

    Raises:
        InputError: unknown network.
    """
    check_choice("network", network, NETWORKS)
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(randomness.word(seed, randomness.Stream.INITIALISE))
        return NETWORKS[network](classes)


class Cohort:
    """S networks of one kind, one per seed: a plain module for S = 1, stacked parameters for more.

    Args:
        network: a name of ``NETWORKS``.
        classes: number of classes K.
        seeds: one per network.
        device: where they live.
        precision: "float32", or "bf16" for autocast.
    """

    def __init__(self, network: str, classes: int, seeds: Sequence[int], device: torch.device, precision: str) -> None:
        modules = [build(network, classes, seed).to(device, memory_format=torch.channels_last) for seed in seeds]
        self.module, self.device, self.precision = modules[0], device, precision
        self.seeds = torch.tensor(seeds, device=device)
        self.stacked = len(modules) > 1
        named = [dict(module.named_parameters()) | dict(module.named_buffers()) for module in modules]
        trained = {name for name, _ in self.module.named_parameters()}
        self.tensors: dict[str, Tensor] = named[0]  # parameters and buffers; with a leading [S] where stacked
        if self.stacked:
            self.tensors = {
                name: torch.stack([tensors[name].detach() for tensors in named]).requires_grad_(name in trained)
                for name in named[0]
            }
        self.parameters = [tensor for name, tensor in self.tensors.items() if name in trained]

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

            def one(tensors: dict[str, Tensor], images: Tensor, masks: tuple[Tensor, ...]) -> Tensor:
                return torch.func.functional_call(self.module, tensors, (images, masks))

            return torch.vmap(one, in_dims=(0, None if shared else 0, 0))(self.tensors, images, masks).float()

    @torch.no_grad()
    def scores(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Logits [S, m, K] and cross-entropy losses [S, m] of images in evaluation mode.

        Args:
            images: uint8 [S, m, C, H, W], or [m, C, H, W] shown to every network.
            labels: int64 [S, m] or [m].
        """
        dim = images.dim() - 4
        logits = torch.cat([self.logits(part, training=False) for part in images.split(IMAGES_AT_ONCE, dim)], 1)
        return logits, losses(logits, labels.expand(logits.shape[:2]))


def losses(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of every example: logits [S, n, K] and labels [S, n] -> [S, n]."""
    return F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none").view(labels.shape)
