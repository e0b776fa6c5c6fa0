"""The letters network's cohort and Adadelta's state as the kernels have them.

Parameters lie in two tensors, linear 1's weight and all the small ones; in bf16 each has a copy in that precision, the
shadow, which the update writes too. The arithmetic is one of three, the run's precision: products of bf16 numbers; of
float32 ones as IEEE has them; or of those rounded to TF32. Sums and everything else are float32, activations are
rounded to bf16 once, where the plain step rounds them after each operation.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from hardsample.training import optimizers
from hardsample.training.cohort import Cohort
from hardsample.training.fused import layout
from hardsample.training.fused.layout import CONVOLUTION_1, CONVOLUTION_2, DROP, FEATURES, HIDDEN, PIXELS, POOLED
from hardsample.training.fused.support import PRECISIONS
from hardsample.training.losses import cross_entropy

IMAGES_AT_ONCE = 28800  # of all seeds, in a forward pass without gradients


class FusedCohort(Cohort):
    """The cohort whose networks the kernels compute; the rest is as in :class:`hardsample.training.cohort.Cohort`."""

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
        from hardsample.training.fused import kernels  # needs Triton, which only CUDA builds of torch bring along

        super().__init__(network, classes, seeds, device, precision, image_size, initialization)
        self.kernels, self.classes, self.dtype = kernels, classes, PRECISIONS[precision]
        self.images_at_once = IMAGES_AT_ONCE // len(seeds)
        self.like = {"dtype": self.dtype, "device": device}
        self.arithmetic = {"DTYPE": kernels.TYPES[self.dtype], "PRECISION": "tf32" if precision == "tf32" else "ieee"}
        self.small, self.large = self.zeros()
        with torch.no_grad():
            for name, view in self.views(self.small, self.large).items():
                view.copy_(self.tensors[name])
                self.tensors[name].data = view
        self.small_shadow, self.large_shadow = self.small.to(self.dtype), self.large.to(self.dtype)

    def zeros(self) -> tuple[Tensor, Tensor]:
        """Room for a number for every parameter: small [S, width] and large [S, 128, 9216], float32."""
        own = self.classes * (HIDDEN + 1) + HIDDEN
        width = CONVOLUTION_1 + CONVOLUTION_2 + -(-own // 64) * 64
        seeds = self.seeds.numel()
        shapes = (seeds, width), (seeds, HIDDEN, FEATURES)
        return tuple(torch.zeros(shape, device=self.device) for shape in shapes)

    def views(self, small: Tensor, large: Tensor) -> dict[str, Tensor]:
        """Such room by the parameters' names, in their shapes and order."""
        seeds, classes = len(small), self.classes
        first, second, rest = small.tensor_split((CONVOLUTION_1, CONVOLUTION_1 + CONVOLUTION_2), 1)
        weight, bias = classes * HIDDEN, classes * (HIDDEN + 1)
        views = {
            "convolution_1.weight": first[:, :-32].view(seeds, 3, 3, 32, 1).permute(0, 3, 4, 1, 2),
            "convolution_1.bias": first[:, -32:],
            "convolution_2.weight": second[:, :-64].view(seeds, 3, 3, 32, 64).permute(0, 4, 3, 1, 2),
            "convolution_2.bias": second[:, -64:],
            "linear_1.weight": large,
            "linear_1.bias": rest[:, bias : bias + HIDDEN],
            "linear_2.weight": rest[:, :weight].view(seeds, classes, HIDDEN),
            "linear_2.bias": rest[:, weight:bias],
        }
        return views if self.stacked else {name: view[0] for name, view in views.items()}

    def tiles(self, n: int) -> dict[str, dict[str, int | bool]]:
        """Block sizes of every kernel, for mini-batches of n."""
        return layout.tiles(self.precision, n)

    def adadelta(self, rho: float) -> "FusedAdadelta":
        """The optimiser's state, for :class:`FusedStep`."""
        return FusedAdadelta(self, rho)

    @torch.no_grad()
    def refresh(self) -> None:
        """Make the shadows equal to the parameters, after anything but a step has written these."""
        self.small_shadow.copy_(self.small)
        self.large_shadow.copy_(self.large)

    @torch.no_grad()
    def evaluate(
        self, images: Tensor, labels: Tensor, *, statistics: str = "running", at_once: int | None = None
    ) -> tuple[Tensor, Tensor]:
        seeds, m = self.seeds.numel(), images.shape[images.dim() - 4]
        index = torch.arange(m, device=self.device)
        if images.dim() > 4:
            index = index + m * torch.arange(seeds, device=self.device)[:, None]
        named = self.views(self.small_shadow, self.large_shadow)
        bias_1, weight_2, bias_2 = (
            named[name].view(seeds, -1, size)
            for name, size in (
                ("linear_1.bias", HIDDEN),
                ("linear_2.weight", HIDDEN),
                ("linear_2.bias", self.classes),
            )
        )
        images, logits = images.contiguous(), []
        for part in index.split(self.images_at_once, -1):
            part = part.contiguous()
            x = self.convolved(images, part, torch.empty(seeds, part.shape[-1], PIXELS, 32, **self.like))
            pooled = self.pooled(x, torch.empty(seeds, part.shape[-1], FEATURES, **self.like))
            hidden = torch.bmm(pooled, self.large_shadow.mT).float().add_(bias_1).relu_().to(self.dtype)
            logits.append(torch.bmm(hidden, weight_2.mT).float().add_(bias_2))
        logits = torch.cat(logits, 1)
        return logits, cross_entropy(logits, labels.expand(logits.shape[:2]))

    def convolved(self, images: Tensor, index: Tensor, out: Tensor) -> Tensor:
        """Convolution 1 and ReLU of images[index], uint8 [*, 1, 28, 28], int64 [S, n] or [n], into [S, n, 676, 32]."""
        tiles, stride = self.tiles(out.shape[1])["convolution_1"], index.stride(0) if index.dim() > 1 else 0
        grid = -(-out.shape[1] * PIXELS // tiles["BLOCK"]), len(out)
        self.kernels.convolution_1[grid](
            *(images, index, stride, self.small_shadow, self.small.shape[1], out, out.shape[1]),
            DTYPE=self.kernels.TYPES[self.dtype],
            **tiles,
        )
        return out

    def pooled(self, x: Tensor, out: Tensor, where: Tensor | None = None, step: Tensor | None = None) -> Tensor:
        """Convolution 2, pooling and ReLU of ``x`` into [S, n, 9216]; with ``where`` also dropout, as in that step."""
        tiles = self.tiles(out.shape[1])["convolution_2_pool"]
        grid = -(-out.shape[1] * POOLED // tiles["BLOCK"]), len(out)
        train = where is not None
        self.kernels.convolution_2_pool[grid](
            *(x, self.small_shadow, self.small.shape[1], self.seeds, step if train else self.seeds, out),
            *(where if train else out, out.shape[1], 1 / (1 - DROP[0])),
            **(layout.mask(0) | {"TRAIN": train}),
            **self.arithmetic,
            **tiles,
        )
        return out


class FusedAdadelta(optimizers.Adadelta):
    """Adadelta whose running averages lie as the kernels have them: ``square_room`` and ``delta_room``."""

    def __init__(self, cohort: FusedCohort, rho: float, eps: float = 1e-6) -> None:
        self.parameters, self.rho, self.eps = cohort.parameters, rho, eps
        self.square_room, self.delta_room = cohort.zeros(), cohort.zeros()
        self.squares, self.deltas = (list(cohort.views(*room).values()) for room in (self.square_room, self.delta_room))
