"""One whole step of the letters network in a few kernels: draw, forward, backward, update, observe."""

import torch
from torch import Tensor

from hardsample.config import Run
from hardsample.data.dataset import Dataset
from hardsample.methods import persistent, uniform
from hardsample.methods.base import Method
from hardsample.methods.trees import LARGEST, DeviceTrees
from hardsample.randomness import Stream
from hardsample.training.fused import layout
from hardsample.training.fused.cohort import FusedAdadelta, FusedCohort
from hardsample.training.fused.layout import (
    CONVOLUTION_1,
    CONVOLUTION_2,
    DROP,
    FEATURES,
    HIDDEN,
    PARTS_1,
    PIXELS,
    POOLED,
)
from hardsample.training.fused.support import unserved

_PAIRWISE = 64  # examples of a mini-batch that one program compares with one another


class FusedStep:
    """One whole step: draw, forward, backward, update, observe; it waits for nothing, so that a CUDA graph can hold it.

    Args:
        run: one that :func:`hardsample.training.fused.support.reason_against` has nothing against; of its cohort any.
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
        if reason := unserved(run, method, cohort.classes):
            raise ValueError(f"no fused step for {run.label}: {reason}.")
        self.cohort, self.optimizer, self.method, self.n = cohort, optimizer, method, run.batch_size
        self.images, self.labels, self.counts = data.x_train.contiguous(), labels, counts
        self.tiles = tiles = cohort.tiles(self.n)
        seeds, n, device = cohort.seeds.numel(), self.n, cohort.device
        self.x, self.pooled = (torch.empty(seeds, n, size, **cohort.like) for size in (PIXELS * 32, FEATURES))
        self.back, self.gradient = (torch.empty(seeds, n, size, **cohort.like) for size in (FEATURES, HIDDEN))
        self.where = torch.empty(seeds, n, FEATURES, dtype=torch.uint8, device=device)
        self.index = torch.empty(seeds, n, dtype=torch.int64, device=device)
        self.loss, self.entropy = (torch.empty(seeds, n, device=device) for _ in range(2))
        self.parts = {  # of every sum over programs
            "linear_1": tiles["linear_1"].pop("PARTS"),
            "head": -(-n // tiles["head"]["ROWS"]),
            "convolution_1_weight": min(
                tiles["convolution_1_weight"].pop("PARTS"), -(-n * 169 // tiles["convolution_1_weight"]["BLOCK"])
            ),
            "convolution_2_weight": min(
                tiles["convolution_2_weight"].pop("PARTS"), -(-n * POOLED // tiles["convolution_2_weight"]["BLOCK"])
            ),
        }
        own = cohort.small.shape[1] - CONVOLUTION_1 - CONVOLUTION_2
        sizes = {
            "linear_1": n * HIDDEN,
            "head": own,
            "convolution_1_weight": PARTS_1,
            "convolution_2_weight": CONVOLUTION_2,
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
        elif (
            isinstance(method, persistent.PersistentLoss)
            and self._two_levels
            and not (method._uniform or method.distinct)
        ):
            leaves, sums = method.base_values._trees._levels
            numbers, blocks = method.base_values._trees._numbers, leaves.shape[1]
            kernels.draw[-(-n // 4), len(leaves)](
                *(leaves, sums, numbers, step, self.index, n, numbers.shape[1], blocks, method.base_values.size),
                ROOT=layout.next_power_of_2(blocks),
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
            PER=FEATURES // parts,
            PRECISION=cohort.arithmetic["PRECISION"],
            **tiles["linear_1"],
        )
        kernels.head[self.parts["head"], seeds](
            *(self.sums["linear_1"], cohort.small_shadow, width, self.labels, self.labels.stride(0), index),
            *(self.counts, self.counts.shape[1], cohort.seeds, step, self.loss, self.entropy, self.gradient),
            *(self.sums["head"], n, 1 / (1 - DROP[1])),
            PARTS=parts,
            CLASSES=cohort.classes,
            COLUMNS=max(16, layout.next_power_of_2(cohort.classes)),
            **layout.mask(1),
            **cohort.arithmetic,
            **tiles["head"],
        )

    def _backward(self, index: Tensor, rate: Tensor) -> None:
        cohort, kernels, n, tiles = self.cohort, self.cohort.kernels, self.n, self.tiles
        optimizer, seeds, width = self.optimizer, *cohort.small.shape
        rule = {"RHO": optimizer.rho, "EPS": optimizer.eps}
        (square, large_square), (delta, large_delta) = optimizer.square_room, optimizer.delta_room
        own, scale = tiles["linear_1_backward"], 1 / (1 - DROP[0])
        if not own["BACK"]:
            torch.bmm(self.gradient, cohort.large_shadow, out=self.back)
        kernels.linear_1_backward[FEATURES // own["BLOCK"], HIDDEN // own["OUTPUTS"], seeds](
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
        powers = {f"POWER_{i}": layout.next_power_of_2(self.parts[name]) for i, name in enumerate(names, 1)}
        block = tiles["update_small"]["BLOCK"]
        sizes = CONVOLUTION_1, CONVOLUTION_2, width - CONVOLUTION_1 - CONVOLUTION_2
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
                BLOCK=max(16, layout.next_power_of_2(self.n)),
                num_warps=8,
            )
        else:
            method.base_values.update(index, values)

    @property
    def _two_levels(self) -> bool:
        trees = self.method.base_values._trees
        return isinstance(trees, DeviceTrees) and len(trees._levels) == 2
