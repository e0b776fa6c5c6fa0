"""Ways of training several letters CNNs at once on a GPU, written out, each to be timed against the library's own."""

import abc
import contextlib
import functools
import itertools
import os
from collections.abc import Callable, Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.attempts import captured, way_of
from hardsample.config import Run
from hardsample.data.dataset import Dataset
from hardsample.methods import registry
from hardsample.training import pooling
from hardsample.training.cohort import Cohort
from hardsample.training.losses import cross_entropy
from hardsample.training.updates import stepper

BACKEND = "inductor"  # of torch.compile
os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "4")  # and not one per core, since several ways compile at once


class _Written(Cohort, abc.ABC):
    """The network layer by layer, seeds in front, linear layers as batched matrix products.

    How convolutions and pooling go is the subclass's.
    """

    @abc.abstractmethod
    def _pooled(self, tensors: dict[str, Tensor], images: Tensor) -> Tensor:
        """Float [S, n, 1, 28, 28], or [1, n, 1, 28, 28] for images shown to every network -> [S, n, 12, 12, 64]."""

    def _together(self, tensors: dict[str, Tensor], images: Tensor, masks: tuple[Tensor, ...]) -> Tensor:
        images = images.to(tensors["linear_1.weight"].dtype).div(255)
        x = F.relu(self._pooled(tensors, images if images.dim() == 5 else images.unsqueeze(0)))
        x = self._dropped(x, masks, 0)
        x = F.relu(_affine(x.flatten(2), tensors["linear_1.weight"], tensors["linear_1.bias"]))
        x = self._dropped(x, masks, 1)
        return _affine(x, tensors["linear_2.weight"], tensors["linear_2.bias"])

    def _dropped(self, x: Tensor, masks: tuple[Tensor, ...], layer: int) -> Tensor:
        return pooling.dropped(x, masks[layer], self.module.dropout[layer][0]) if masks else x


class Im2col(_Written):
    """Convolutions as batched matrix products over the 3x3 patches, written out in memory, channels last."""

    def _pooled(self, tensors: dict[str, Tensor], images: Tensor) -> Tensor:
        x = F.relu(_convolved(images.movedim(2, -1), tensors["convolution_1.weight"], tensors["convolution_1.bias"]))
        x = _convolved(x, tensors["convolution_2.weight"], tensors["convolution_2.bias"])
        pooled = F.max_pool2d(x.flatten(0, 1).permute(0, 3, 1, 2), 2)
        return pooled.permute(0, 2, 3, 1).unflatten(0, x.shape[:2])


class Grouped(_Written):
    """One grouped convolution for all seeds, a group each, with the channels of all seeds last in memory."""

    def _pooled(self, tensors: dict[str, Tensor], images: Tensor) -> Tensor:
        x, seeds = images.transpose(0, 1).flatten(1, 2), len(tensors["linear_1.weight"])
        for layer, groups in (("convolution_1", x.shape[1]), ("convolution_2", seeds)):
            weight, bias = tensors[f"{layer}.weight"].flatten(0, 1), tensors[f"{layer}.bias"].flatten()
            x = x.contiguous(memory_format=torch.channels_last)
            x = F.conv2d(x, weight.contiguous(memory_format=torch.channels_last), bias, groups=groups)
            x = F.relu(x) if layer == "convolution_1" else F.max_pool2d(x, 2)
        return x.unflatten(1, (seeds, -1)).permute(1, 0, 3, 4, 2)


def _affine(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """[S, m, k] or [1, m, k], weights [S, o, k] and biases [S, o] -> [S, m, o].

    The weights come first, so that their gradient lies in memory as they do: multi-tensor updates leave their fast path
    for one that is transposed.
    """
    return torch.baddbmm(bias.unsqueeze(2), weight, x.expand(len(weight), -1, -1).mT).mT


def _convolved(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """[S, n, h, w, C] or [1, n, h, w, C], weights [S, o, C, 3, 3] and biases [S, o] -> [S, n, h - 2, w - 2, o]."""
    patches = x.unfold(2, 3, 1).unfold(3, 3, 1).movedim(4, -1)  # [S, n, h - 2, w - 2, 3, 3, C]
    y = _affine(patches.flatten(4).flatten(1, 3), weight.movedim(2, -1).flatten(2), bias)
    return y.unflatten(1, patches.shape[1:4])


class _Compiled:
    """Mixed into a way: forward and backward of training compiled, what lies between its products fused."""

    def __init__(self, *arguments) -> None:
        super().__init__(*arguments)
        self._in_training = torch.compile(super()._together, backend=BACKEND, dynamic=False)

    def _together(self, tensors: dict[str, Tensor], images: Tensor, masks: tuple[Tensor, ...]) -> Tensor:
        return (self._in_training if masks else super()._together)(tensors, images, masks)


class CompiledIm2col(_Compiled, Im2col):
    """:class:`Im2col`, compiled."""


class CompiledGrouped(_Compiled, Grouped):
    """:class:`Grouped`, compiled."""


WAYS: dict[str, type[Cohort]] = {
    "im2col and batched matrix products": Im2col,
    "grouped convolutions, channels last": Grouped,
    "im2col, compiled": CompiledIm2col,
    "grouped convolutions, compiled": CompiledGrouped,
}
"""Networks computed together, for :func:`hardsample.training.updates.stepper`."""


def fused(runs: Sequence[Run], data: Dataset, *, device: str = "cpu", way: type[Cohort] = Im2col) -> Callable[[], None]:
    """The next update of a cohort, its forward, backward and Adadelta compiled as one function."""
    run, data = runs[0], data.to(device)
    seeds = [run.seed for run in runs]
    cohort = way(run.network, data.num_classes, seeds, torch.device(device), run.precision, run.image_size)
    method = registry.build(run.method, len(data.x_train), run.batch_size, cohort.seeds, options=run.options)
    tensors = {name: tensor.detach() for name, tensor in cohort.tensors.items()}
    squares, deltas = ({name: torch.zeros_like(t) for name, t in tensors.items()} for _ in range(2))
    arithmetic = torch.compile(functools.partial(_arithmetic, cohort, run), backend=BACKEND, dynamic=False)

    def prepare(step: int) -> None:
        method.refresh(step, lambda indices: cohort.evaluate(data.x_train[indices], data.y_train[indices]))
        method.prepare(step)

    @torch.no_grad()
    def one_step(step: int | Tensor) -> None:
        indices = method.draw(step).indices
        masks = cohort.masks(step, run.batch_size)
        images, labels = data.x_train[indices], data.y_train[indices]
        method.observe(indices, *arithmetic(tensors, squares, deltas, images, labels, masks))

    if device == "cpu":
        return _in_order(prepare, one_step)
    prepare(0)
    state = (*tensors.values(), *squares.values(), *deltas.values(), *method.tensors.values())
    counter = torch.tensor(0, device=device)
    graph = captured(lambda: one_step(counter), state)

    def replay(step: int) -> None:
        counter.fill_(step)
        graph.replay()

    return _in_order(prepare, replay)


def _arithmetic(
    cohort: Cohort,
    run: Run,
    tensors: dict[str, Tensor],
    squares: dict[str, Tensor],
    deltas: dict[str, Tensor],
    images: Tensor,
    labels: Tensor,
    masks: tuple[Tensor, ...],
) -> tuple[Tensor, Tensor]:
    """Update the parameters and Adadelta's averages in place; logits [S, n, K] and losses [S, n] from before."""

    def objective(tensors: dict[str, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        with torch.autocast(images.device.type, torch.bfloat16, run.precision == "bf16", cache_enabled=False):
            logits = cohort._together(tensors, images, masks).float()
        losses = cross_entropy(logits, labels)
        return losses.mean(1).sum(), (logits, losses)

    gradients, (logits, losses) = torch.func.grad(objective, has_aux=True)(tensors)
    for name, gradient in gradients.items():
        square = squares[name] * run.rho + gradient * gradient * (1 - run.rho)
        change = (deltas[name] + 1e-6).sqrt() / (square + 1e-6).sqrt() * gradient
        squares[name].copy_(square)
        deltas[name].copy_(deltas[name] * run.rho + change * change * (1 - run.rho))
        tensors[name].sub_(change, alpha=run.learning_rate)
    return logits, losses


def streams(runs: Iterable[Run], data: Dataset, *, device: str) -> Callable[[], None]:
    """The next update of every run, each run with a network, a CUDA graph and a stream of its own."""
    pairs = []
    for run in runs:
        on = contextlib.nullcontext if device == "cpu" else functools.partial(torch.cuda.stream, torch.cuda.Stream())
        with on():
            pairs.append((on, way_of(stepper(run, data, device=device), graph_on=device)))

    def update() -> None:
        for on, one in pairs:
            with on():
                one(0)

    update.computed = pairs[0][1].computed
    return update


def _in_order(prepare: Callable[[int], None], one_step: Callable[[int], None]) -> Callable[[], None]:
    steps = itertools.count()

    def update() -> None:
        step = next(steps)
        prepare(step)
        one_step(step)

    return update
