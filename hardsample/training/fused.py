"""The letters network's cohort and step in a few kernels: what a plain step computes, in a fraction of its launches.

Parameters lie in two tensors, linear 1's weight and all the small ones; in bf16 each has a copy in that precision, the
shadow, which the update writes too. The arithmetic is one of three, the run's precision: products of bf16 numbers; of
float32 ones as IEEE has them; or of those rounded to TF32. Sums and everything else are float32, activations are
rounded to bf16 once, where the plain step rounds them after each operation.
"""

import importlib.util
from collections.abc import Sequence

import torch
from torch import Tensor

from hardsample.config import Run
from hardsample.data.dataset import Dataset
from hardsample.methods import loss_based, persistent, uniform
from hardsample.methods.base import Method
from hardsample.methods.trees import LARGEST, DeviceTrees
from hardsample.randomness import Stream
from hardsample.training import letters_cnn, optimizers
from hardsample.training.cohort import Cohort
from hardsample.training.losses import cross_entropy

METHODS = (
    *(uniform.MiniBatches, uniform.UniformStream, persistent.PersistentLoss, persistent.PersistentEntropy),
    loss_based.LossBased,
)
PRECISIONS = {"bf16": torch.bfloat16, "float32": torch.float32, "tf32": torch.float32}
MOST_CLASSES = 128  # a program holds all the logits of its examples
IMAGES_AT_ONCE = 28800  # of all seeds, in a forward pass without gradients
_PAIRWISE = 64  # examples of a mini-batch that one program compares with one another
_PIXELS, _POOLED, _FEATURES, _HIDDEN = 26 * 26, 12 * 12, 9216, 128
_CONVOLUTION_1, _CONVOLUTION_2, _PARTS_1 = 320, 18496, 2080  # as the kernels lay them out
_NETWORK = letters_cnn.SPEC.name
_DROP = tuple(rate for rate, _ in letters_cnn.LettersCNN.dropout)


def reason_against(run: Run, method: Method, classes: int, device: torch.device) -> str:
    """Why the fused step does not serve a run, as the end of a sentence; "" where it does.

    Args:
        method: what was built for the run.
        classes: number of classes K.
        device: where the run would be computed.
    """
    reasons = {
        f"it runs on CUDA alone, and this is {device.type}": device.type != "cuda",
        "Triton cannot be imported": importlib.util.find_spec("triton") is None,
    }
    return _first(reasons) or _unserved(run, method, classes)


def _unserved(run: Run, method: Method, classes: int) -> str:
    """What of a run the step does not know."""
    return _first(
        {
            f"it knows {_NETWORK} alone, and this is {run.network}": run.network != _NETWORK,
            f"it knows Adadelta alone, and this is {run.optimizer}": run.optimizer != "adadelta",
            f"it knows the cross-entropy alone, and the loss is {run.loss}": run.loss != "cross-entropy",
            f"it has no arithmetic for {run.precision}": run.precision not in PRECISIONS,
            f"it knows no step of {run.method}": type(method) not in METHODS,
            f"{run.method} does not draw in a fixed number of operations": not method.capturable,
            "examples are not scored by the step's own logits": method.scored != ("before", True),
            "losses are weighted (beta)": bool(run.options.get("beta")),
            f"it takes at most {MOST_CLASSES} classes, and there are {classes}": classes > MOST_CLASSES,
        }
    )


def _first(reasons: dict[str, bool]) -> str:
    return next((reason for reason, holds in reasons.items() if holds), "")


class FusedCohort(Cohort):
    """The cohort whose networks the kernels compute; arguments, names and shapes are :class:`models.Cohort`'s."""

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
        from hardsample.training import kernels  # needs Triton, which only CUDA builds of torch bring along

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
        own = self.classes * (_HIDDEN + 1) + _HIDDEN
        width = _CONVOLUTION_1 + _CONVOLUTION_2 + -(-own // 64) * 64
        seeds = self.seeds.numel()
        shapes = (seeds, width), (seeds, _HIDDEN, _FEATURES)
        return tuple(torch.zeros(shape, device=self.device) for shape in shapes)

    def views(self, small: Tensor, large: Tensor) -> dict[str, Tensor]:
        """Such room by the parameters' names, in their shapes and order."""
        seeds, classes = len(small), self.classes
        first, second, rest = small.tensor_split((_CONVOLUTION_1, _CONVOLUTION_1 + _CONVOLUTION_2), 1)
        weight, bias = classes * _HIDDEN, classes * (_HIDDEN + 1)
        views = {
            "convolution_1.weight": first[:, :-32].view(seeds, 3, 3, 32, 1).permute(0, 3, 4, 1, 2),
            "convolution_1.bias": first[:, -32:],
            "convolution_2.weight": second[:, :-64].view(seeds, 3, 3, 32, 64).permute(0, 4, 3, 1, 2),
            "convolution_2.bias": second[:, -64:],
            "linear_1.weight": large,
            "linear_1.bias": rest[:, bias : bias + _HIDDEN],
            "linear_2.weight": rest[:, :weight].view(seeds, classes, _HIDDEN),
            "linear_2.bias": rest[:, weight:bias],
        }
        return views if self.stacked else {name: view[0] for name, view in views.items()}

    def tiles(self, n: int) -> dict[str, dict[str, int | bool]]:
        """Block sizes of every kernel, for mini-batches of n."""
        return _tiles(self.precision, n)

    def adadelta(self, rho: float) -> "FusedAdadelta":
        """The optimiser's state, for :class:`FusedStep`."""
        return FusedAdadelta(self, rho)

    @torch.no_grad()
    def refresh(self) -> None:
        """Make the shadows equal to the parameters, after anything but a step has written these."""
        self.small_shadow.copy_(self.small)
        self.large_shadow.copy_(self.large)

    @torch.no_grad()
    def scores(
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
                ("linear_1.bias", _HIDDEN),
                ("linear_2.weight", _HIDDEN),
                ("linear_2.bias", self.classes),
            )
        )
        images, logits = images.contiguous(), []
        for part in index.split(self.images_at_once, -1):
            part = part.contiguous()
            x = self.convolved(images, part, torch.empty(seeds, part.shape[-1], _PIXELS, 32, **self.like))
            pooled = self.pooled(x, torch.empty(seeds, part.shape[-1], _FEATURES, **self.like))
            hidden = torch.bmm(pooled, self.large_shadow.mT).float().add_(bias_1).relu_().to(self.dtype)
            logits.append(torch.bmm(hidden, weight_2.mT).float().add_(bias_2))
        logits = torch.cat(logits, 1)
        return logits, cross_entropy(logits, labels.expand(logits.shape[:2]))

    def convolved(self, images: Tensor, index: Tensor, out: Tensor) -> Tensor:
        """Convolution 1 and ReLU of images[index], uint8 [*, 1, 28, 28], int64 [S, n] or [n], into [S, n, 676, 32]."""
        tiles, stride = self.tiles(out.shape[1])["convolution_1"], index.stride(0) if index.dim() > 1 else 0
        grid = -(-out.shape[1] * _PIXELS // tiles["BLOCK"]), len(out)
        self.kernels.convolution_1[grid](
            *(images, index, stride, self.small_shadow, self.small.shape[1], out, out.shape[1]),
            DTYPE=self.kernels.TYPES[self.dtype],
            **tiles,
        )
        return out

    def pooled(self, x: Tensor, out: Tensor, where: Tensor | None = None, step: Tensor | None = None) -> Tensor:
        """Convolution 2, pooling and ReLU of ``x`` into [S, n, 9216]; with ``where`` also dropout, as in that step."""
        tiles = self.tiles(out.shape[1])["convolution_2_pool"]
        grid = -(-out.shape[1] * _POOLED // tiles["BLOCK"]), len(out)
        train = where is not None
        self.kernels.convolution_2_pool[grid](
            *(x, self.small_shadow, self.small.shape[1], self.seeds, step if train else self.seeds, out),
            *(where if train else out, out.shape[1], 1 / (1 - _DROP[0])),
            **(_mask(0) | {"TRAIN": train}),
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


class FusedStep:
    """One whole step: draw, forward, backward, update, observe; it waits for nothing, so that a CUDA graph can hold it.

    Args:
        run: one that :func:`reason_against` has nothing against; of its cohort any.
        cohort: the networks.
        optimizer: ``cohort.adadelta(run.rho)``.
        method: the run's, of the cohort's seeds.
        data: on the cohort's device.
        labels: int64 [S, N].
        counts: int32 [S, N], how often each example was drawn.

    Raises:
        ValueError: the run is one that the step does not serve.
    """

    def __init__(
        self,
        run: Run,
        cohort: FusedCohort,
        optimizer: FusedAdadelta,
        method: Method,
        data: Dataset,
        labels: Tensor,
        counts: Tensor,
    ) -> None:
        if reason := _unserved(run, method, cohort.classes):
            raise ValueError(f"no fused step for {run.label}: {reason}.")
        self.cohort, self.optimizer, self.method, self.n = cohort, optimizer, method, run.batch_size
        self.images, self.labels, self.counts = data.x_train.contiguous(), labels, counts
        self.tiles = tiles = cohort.tiles(self.n)
        seeds, n, device = cohort.seeds.numel(), self.n, cohort.device
        self.x, self.pooled = (torch.empty(seeds, n, size, **cohort.like) for size in (_PIXELS * 32, _FEATURES))
        self.back, self.gradient = (torch.empty(seeds, n, size, **cohort.like) for size in (_FEATURES, _HIDDEN))
        self.where = torch.empty(seeds, n, _FEATURES, dtype=torch.uint8, device=device)
        self.index = torch.empty(seeds, n, dtype=torch.int64, device=device)
        self.loss, self.entropy = (torch.empty(seeds, n, device=device) for _ in range(2))
        self.parts = {  # of every sum over programs
            "linear_1": tiles["linear_1"].pop("PARTS"),
            "head": -(-n // tiles["head"]["ROWS"]),
            "convolution_1_weight": min(
                tiles["convolution_1_weight"].pop("PARTS"), -(-n * 169 // tiles["convolution_1_weight"]["BLOCK"])
            ),
            "convolution_2_weight": min(
                tiles["convolution_2_weight"].pop("PARTS"), -(-n * _POOLED // tiles["convolution_2_weight"]["BLOCK"])
            ),
        }
        own = cohort.small.shape[1] - _CONVOLUTION_1 - _CONVOLUTION_2
        sizes = {
            "linear_1": n * _HIDDEN,
            "head": own,
            "convolution_1_weight": _PARTS_1,
            "convolution_2_weight": _CONVOLUTION_2,
        }
        self.sums = {name: torch.zeros(seeds, parts, sizes[name], device=device) for name, parts in self.parts.items()}

    @torch.no_grad()
    def __call__(self, step: Tensor, rate: Tensor) -> int:
        """Make the step of that number, int64 [], at that learning rate, float32 []; the mini-batch's size."""
        index = self._draw(step)
        self._forward(index, step)
        self._backward(index, rate)
        self._observe(index)
        return self.n

    def _draw(self, step: Tensor) -> Tensor:
        kernels, method, n = self.cohort.kernels, self.method, self.n
        seeds, grid = self.cohort.seeds, (-(-n // 16), self.cohort.seeds.numel())
        if type(method) is uniform.MiniBatches:
            orders = method._orders
            kernels.shuffled[grid](orders, step, self.index, n, method.size, orders.shape[1], BLOCK=16)
        elif type(method) is uniform.UniformStream:
            kernels.uniform[grid](seeds, step, self.index, n, method.size, STREAM=int(Stream.DRAW), BLOCK=16)
        elif isinstance(method, persistent.PersistentLoss) and self._two_levels and not method._uniform:
            leaves, sums = method.base_values._trees._levels
            numbers, blocks = method.base_values._trees._numbers, leaves.shape[1]
            kernels.draw[-(-n // 4), len(leaves)](
                *(leaves, sums, numbers, step, self.index, n, numbers.shape[1], blocks, method.base_values.size),
                ROOT=_power(blocks),
                FANOUT=leaves.shape[2],
                BLOCK=4,
            )
        else:
            return method.draw(step).indices.contiguous()
        return self.index

    def _forward(self, index: Tensor, step: Tensor) -> None:
        cohort, kernels, n, tiles = self.cohort, self.cohort.kernels, self.n, self.tiles
        seeds, width = cohort.small.shape
        cohort.convolved(self.images, index, self.x)
        cohort.pooled(self.x, self.pooled, self.where, step)
        parts = self.parts["linear_1"]
        kernels.linear_1[parts, -(-n // tiles["linear_1"]["ROWS"]), seeds](
            *(self.pooled, cohort.large_shadow, self.sums["linear_1"], n),
            PER=_FEATURES // parts,
            PRECISION=cohort.arithmetic["PRECISION"],
            **tiles["linear_1"],
        )
        kernels.head[self.parts["head"], seeds](
            *(self.sums["linear_1"], cohort.small_shadow, width, self.labels, self.labels.stride(0), index),
            *(self.counts, self.counts.shape[1], cohort.seeds, step, self.loss, self.entropy, self.gradient),
            *(self.sums["head"], n, 1 / (1 - _DROP[1])),
            PARTS=parts,
            CLASSES=cohort.classes,
            COLUMNS=max(16, _power(cohort.classes)),
            **_mask(1),
            **cohort.arithmetic,
            **tiles["head"],
        )

    def _backward(self, index: Tensor, rate: Tensor) -> None:
        cohort, kernels, n, tiles = self.cohort, self.cohort.kernels, self.n, self.tiles
        optimizer, seeds, width = self.optimizer, *cohort.small.shape
        rule = {"RHO": optimizer.rho, "EPS": optimizer.eps}
        (square, large_square), (delta, large_delta) = optimizer.square_room, optimizer.delta_room
        own, scale = tiles["linear_1_backward"], 1 / (1 - _DROP[0])
        if not own["BACK"]:
            torch.bmm(self.gradient, cohort.large_shadow, out=self.back)
        kernels.linear_1_backward[_FEATURES // own["BLOCK"], _HIDDEN // own["OUTPUTS"], seeds](
            *(self.pooled, self.gradient, cohort.large, large_square, large_delta, cohort.large_shadow, self.back),
            *(rate, n),
            **rule,
            **cohort.arithmetic,
            **own,
        )
        kernels.convolution_2_weight[self.parts["convolution_2_weight"], seeds](
            *(self.x, self.back, self.where, self.sums["convolution_2_weight"], n, scale),
            **cohort.arithmetic,
            **tiles["convolution_2_weight"],
        )
        kernels.convolution_1_weight[self.parts["convolution_1_weight"], seeds](
            *(self.back, self.where, cohort.small_shadow, width, self.x, self.images, index),
            *(self.sums["convolution_1_weight"], n, scale),
            **cohort.arithmetic,
            **tiles["convolution_1_weight"],
        )
        names = "convolution_1_weight", "convolution_2_weight", "head"
        parts = {f"PARTS_{i}": self.parts[name] for i, name in enumerate(names, 1)}
        powers = {f"POWER_{i}": _power(self.parts[name]) for i, name in enumerate(names, 1)}
        block = tiles["update_small"]["BLOCK"]
        sizes = _CONVOLUTION_1, _CONVOLUTION_2, width - _CONVOLUTION_1 - _CONVOLUTION_2
        kernels.update_small[sum(-(-size // block) for size in sizes), seeds](
            *(self.sums[name] for name in names),
            *(cohort.small, square, delta, cohort.small_shadow, width, rate),
            DTYPE=cohort.arithmetic["DTYPE"],
            **rule,
            **parts,
            **powers,
            **tiles["update_small"],
        )

    def _observe(self, index: Tensor) -> None:
        method = self.method
        if not isinstance(method, persistent.PersistentLoss):
            return method.observe(index, None, self.loss)
        values = self.entropy if isinstance(method, persistent.PersistentEntropy) else self.loss
        if self._two_levels and self.n <= _PAIRWISE:
            leaves, sums = method.base_values._trees._levels
            self.cohort.kernels.update_values[len(index),](
                *(leaves, sums, index, values, self.n, leaves.shape[1], method.base_values.floor, LARGEST),
                FANOUT=leaves.shape[2],
                BLOCK=max(16, _power(self.n)),
                num_warps=8,
            )
        else:
            method.base_values.update(index, values)

    @property
    def _two_levels(self) -> bool:
        trees = self.method.base_values._trees
        return isinstance(trees, DeviceTrees) and len(trees._levels) == 2


def _mask(layer: int) -> dict[str, int]:
    """Of the dropout of a layer: its stream, and what a byte of it must reach for a value to be kept."""
    return {"STREAM": int(Stream.DROPOUT) + layer, "THRESHOLD": int(256 * _DROP[layer])}


def _power(number: int) -> int:
    """The next power of 2."""
    return 1 << (number - 1).bit_length()


def _tiles(precision: str, n: int) -> dict[str, dict[str, int | bool]]:
    """Block sizes and warps of every kernel, for mini-batches of n; PARTS are the programs that share a sum."""
    rows = min(max(16, _power(n)), 128)
    parts = 16 if n <= 64 else 4 if n <= 256 else 2
    if precision == "bf16":
        block, warps = (128, 8) if n >= 256 else (64, 4)
        many = {"BLOCK": 32, "num_warps": 8} if n >= 256 else {"BLOCK": 16, "num_warps": 4, "maxnreg": 128}
        return {
            "convolution_1": {"BLOCK": 128, "num_warps": 4},
            "convolution_2_pool": {"BLOCK": block, "DEPTH": 32, "num_warps": warps},
            "linear_1": {"PARTS": parts, "ROWS": rows, "BLOCK": 64, "num_warps": 8},
            "head": {"ROWS": 16 if n <= 64 else 64, "num_warps": 8},
            "linear_1_backward": {"BACK": True, "OUTPUTS": 128, "ROWS": 64 if n > 32 else 32, "num_stages": 1} | many,
            "convolution_2_weight": {"PARTS": 22, "BLOCK": 32, "num_warps": 4, "num_stages": 2},
            "convolution_1_weight": {"PARTS": 33, "BLOCK": block, "DEPTH": 64, "num_warps": warps, "num_stages": 1},
            "update_small": {"BLOCK": 64, "num_warps": 4},
        }
    units = precision == "tf32"  # there are units for these products; those of IEEE float32 numbers fill the registers
    return {
        "convolution_1": {"BLOCK": 128, "num_warps": 4},
        "convolution_2_pool": {"BLOCK": 16, "DEPTH": 32 if units else 8, "num_warps": 4, "num_stages": 1},
        "linear_1": {"PARTS": parts, "ROWS": min(rows, 32), "BLOCK": 16, "num_warps": 8},
        "head": {"ROWS": 16, "num_warps": 8},
        "linear_1_backward": {"BACK": False, "OUTPUTS": 64, "ROWS": 16, "BLOCK": 64, "num_warps": 8},
        "convolution_2_weight": {"PARTS": 22, "BLOCK": 16 if units else 8, "num_warps": 8, "num_stages": 1},
        "convolution_1_weight": {"PARTS": 33, "BLOCK": 16, "DEPTH": 16, "num_warps": 4, "num_stages": 1},
        "update_small": {"BLOCK": 64, "num_warps": 4},
    }
