"""The cohort: several seeds of one network as one."""

import contextlib
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from hardsample import randomness
from hardsample.training import networks
from hardsample.training.losses import cross_entropy

IMAGES_AT_ONCE = 500  # in a forward pass without gradients


class Cohort:
    """S networks of one kind, one per seed: a plain module for S = 1, stacked parameters for more.

    Args:
        network: a name of ``NETWORKS``.
        classes: number of classes K.
        seeds: one per network.
        device: where they live.
        precision: a name of ``PRECISIONS``: "bf16" for autocast; the other two differ by the arithmetic of
            :func:`hardsample.training.precision.arithmetic`.
        image_size: what images are resized to; None as they are.
        initialization: of :func:`hardsample.training.networks.build`.
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
        self.spec = networks.find(network)
        modules = [networks.build(network, classes, seed, image_size, initialization=initialization) for seed in seeds]
        modules = [module.to(device, memory_format=torch.channels_last) for module in modules]
        self.module, self.device, self.precision = modules[0], device, precision
        self.seeds = torch.tensor(seeds, device=device)
        self.stacked = len(modules) > 1
        self.spec.specialize(self.module, self.stacked, device, precision)
        self.images_at_once = self.spec.images_on_gpu if device.type == "cuda" else IMAGES_AT_ONCE
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

        if self.precision == "bf16" and not self.spec.batch_normalized:  # under vmap autocast leaves convolutions
            tensors = {name: tensor.bfloat16() for name, tensor in tensors.items()}
        return torch.vmap(one, in_dims=(0, None if images.dim() == 4 else 0, 0))(tensors, images, masks)

    @torch.no_grad()
    def evaluate(
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
        return logits, cross_entropy(logits, labels.expand(logits.shape[:2]))

    @contextlib.contextmanager
    def _buffers_kept(self) -> Iterator[None]:
        """Undo what a forward pass in training mode does to the running statistics."""
        buffers = [self.tensors[name] for name, _ in self.module.named_buffers()]
        before = [buffer.clone() for buffer in buffers]
        yield
        for buffer, value in zip(buffers, before, strict=True):
            buffer.copy_(value)
