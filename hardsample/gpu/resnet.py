"""The stage ``networks``: ResNet-18 with hard mini-batches, against forward and backward alone."""

import importlib.util
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from hardsample.config import Run
from hardsample.data.dataset import Dataset
from hardsample.experiments import hard_samples
from hardsample.gpu.images import random_images
from hardsample.gpu.task import StageLeftOut, Task, graph_options
from hardsample.training import cuda_graph
from hardsample.training import networks as models
from hardsample.training.updates import stepper

SIZES = (32, 128)  # that ResNet-18 takes images at


def networks(task: Task) -> dict[str, Any]:
    """ResNet-18 in bf16 at each δ: seconds of an update, its share of forward and backward alone, and of the peak.

    The peak is that of the matrix products that the environment reached.
    """
    if importlib.util.find_spec("torchvision") is None:
        raise StageLeftOut("torchvision is not installed")
    peak = task.found("environment").get("operations a second", {}).get(task.precision)
    batch, batches, sizes, deltas = (
        (512, 10, SIZES, hard_samples.DELTAS) if not task.tiny else (2, 2, SIZES[:1], (1.0, 0.5))
    )
    data = random_images(batch * batches, batch, 3, 32, 10)
    graphs = graph_options(task.earlier() if task.again else {})
    result: dict[str, Any] = {"sizes": {}} | graphs
    for size in sizes:
        alone = task.seconds_of(_forward_and_backward(task, data, batch, size, graphs), 1 if task.tiny else 20)
        operations = 3 * batch * models.flops("resnet18", 10, size)  # backward takes twice as many as forward
        about = {"batch": batch, "forward and backward": alone, "deltas": {}}
        result["sizes"][str(size)] = about
        for delta in deltas:  # of which each has whole rounds
            run = Run(
                *(data.name, "HMB", 1, {"delta": delta}, "resnet18", "sgd", 0.005),
                **{"batch_size": batch, "image_size": size, "precision": task.precision},
            )
            update = stepper(run, data, device=task.device, **graphs)
            for _ in range(batches):
                update()
            each = task.seconds_of(update, 1 if task.tiny else 4 * batches)
            share = {"of forward and backward": alone / each, "of the peak": peak and operations / each / peak}
            about["deltas"][str(delta)] = {"update": each} | share | {"computed": update.computed}
            print(f"{size}x{size}, δ = {delta}: {1e3 * each:.2f} ms an update", flush=True)
            task.keep(result)
    return result | {"state": "done"}


def _forward_and_backward(
    task: Task, data: Dataset, batch: int, size: int, graphs: dict[str, bool]
) -> Callable[[], object]:
    """Gradients of the mean loss of one mini-batch; a CUDA graph where there can be one."""
    network = models.build("resnet18", 10, 1, size).to(task.device, memory_format=torch.channels_last).train()
    images, labels = data.x_train[:batch].to(task.device), data.y_train[:batch].to(task.device)
    parameters = list(network.parameters())

    def work() -> Sequence[Tensor]:
        with torch.autocast(task.device, torch.bfloat16, task.precision == "bf16", cache_enabled=False):
            loss = F.cross_entropy(network(images), labels)
        return torch.autograd.grad(loss, parameters)

    if task.device == "cpu" or graphs:
        return work
    return cuda_graph.capture(work, {}, lambda _: None)[0].replay
