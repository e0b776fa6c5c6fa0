"""Paper B's five networks on a GPU: a library's update against forward and backward alone and other people's loops."""

import dataclasses
import functools
import importlib
import importlib.util
import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.attempts import NO_GPU, Attempts, captured, compute_in, repeated, way_of
from benchmarks.measure import Row, Way, gpu
from hardsample.config import PRECISIONS, Run
from hardsample.data.dataset import Dataset, load
from hardsample.data.torchvision_compat import import_torchvision
from hardsample.experiments import registry
from hardsample.training import networks
from hardsample.training.updates import stepper

BATCH, SMALLEST, IMAGE_SIZE, BATCHES = 512, 32, 128, 8
DELTAS = (1.0, 0.5)
ALONE, TIMM, TORCHVISION = "forward and backward alone", "timm's loop", "torchvision's loop"
TARGETS = {ALONE: 0.6, TIMM: 1.0, TORCHVISION: 1.0}
IN_TIMM = {
    "resnet18": "resnet18",
    "resnet50": "resnet50",
    "efficientnet_b4": "efficientnet_b4",
    "efficientnet_v2_s": "efficientnetv2_s",
    "mobilenet_v3_small": "mobilenetv3_small_100",
}
ROUNDS = 5
SPARE, CONTEXT = (
    1.25,
    1 << 30,
)  # a way's memory by the peak of forward and backward; bytes that the process takes beside
FIRST = ("bf16", "tf32", "float32")  # the precisions by what they are worth to know, where the time does not do for all


@dataclasses.dataclass(frozen=True)
class Case:
    """What is trained and where: ``BATCHES`` mini-batches of 10 classes, again and again."""

    network: str
    precision: str = "float32"
    batch: int = BATCH
    image_size: int = IMAGE_SIZE
    device: str = "cuda"

    @property
    def autocast(self) -> torch.autocast:
        """The precision of a forward pass."""
        return torch.autocast(self.device, torch.bfloat16, self.precision == "bf16", cache_enabled=False)

    def begin(self) -> Dataset:
        """Set the process to the precision; colour images of 32x32, letters repeated, on the device."""
        compute_in(self.precision)
        some = load("glyphs10-32", train_examples=min(512, BATCHES * self.batch), test_examples=16)
        return repeated(some, BATCHES * self.batch, 16).to(self.device)

    def run(self, delta: float) -> Run:
        """The paper's run, at this mini-batch and image size."""
        grid = registry.grid(
            "hard-samples/table-3",
            profile="paper",
            data="stand-in",
            seeds=1,
            networks=self.network,
            precision=self.precision,
        )
        [run] = (run for run in grid.runs if run.options.get("delta") == delta)
        return dataclasses.replace(run, batch_size=self.batch, image_size=self.image_size)

    def plain_network(self, network: nn.Module | None = None) -> nn.Module:
        """``network``, or the library's without what it does to images, in training mode on the device."""
        network = network or networks.build(self.network, 10, 1).network
        return network.to(self.device, memory_format=torch.channels_last).train()


def library(case: Case, delta: float) -> Way:
    """An update by the library's loop, resizing of images and rounds included, once every mini-batch was seen."""
    update = stepper(case.run(delta), case.begin(), device=case.device)
    for _ in range(BATCHES):
        update()
    return way_of(update)


def forward_and_backward(case: Case) -> Way:
    """Gradients of the mean loss of one mini-batch of random numbers, as a CUDA graph where there can be one."""
    compute_in(case.precision)
    torch.backends.cudnn.benchmark = True
    work = gradients(case)
    if case.device == "cpu":
        return lambda _: work()
    graph = captured(work)
    return lambda _: graph.replay()


def gradients(case: Case) -> Callable[[], Sequence[Tensor]]:
    """The forward and backward pass of :func:`forward_and_backward`."""
    network = case.plain_network()
    images = torch.randn(case.batch, 3, case.image_size, case.image_size, device=case.device)
    images = images.contiguous(memory_format=torch.channels_last)
    labels = torch.arange(case.batch, device=case.device) % 10
    parameters = list(network.parameters())

    def work() -> Sequence[Tensor]:
        with case.autocast:
            loss = F.cross_entropy(network(images), labels)
        return torch.autograd.grad(loss, parameters)

    return work


def timm_loop(case: Case) -> Way:
    """An update in the order of timm's ``train.py``: forward, backward, step, the loss to the host, gradients freed.

    As in the script, cuDNN chooses its algorithms by trial. The precision is the case's.
    """
    torch.backends.cudnn.benchmark = True
    network = case.plain_network(_from_timm(case.network) if has_timm() else None)
    optimizer, mini_batch, losses = _sgd(case, network), _prepared(case), []

    def way(number: int) -> None:
        images, labels = mini_batch(number)
        with case.autocast:
            loss = F.cross_entropy(network(images), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        optimizer.zero_grad()

    return way


def torchvision_loop(case: Case) -> Way:
    """An update in the order of torchvision's reference script for classification.

    Forward, gradients freed, backward, step, accuracies and the loss to the host. cuDNN chooses its algorithms by
    trial, as in the script, and the channels are last in memory, as not there, since that is faster.
    """
    torch.backends.cudnn.benchmark = True
    network = case.plain_network()
    optimizer, mini_batch, metrics = _sgd(case, network), _prepared(case), []

    def way(number: int) -> None:
        images, labels = mini_batch(number)
        with case.autocast:
            logits = network(images)
            loss = F.cross_entropy(logits, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.inference_mode():
            hits = logits.topk(5)[1] == labels[:, None]
            accuracies = [hits[:, :k].any(1).float().mean() for k in (1, 5)]
        metrics.append((loss.item(), *(accuracy.item() for accuracy in accuracies)))

    return way


def _from_timm(network: str) -> nn.Module:
    import_torchvision()
    return importlib.import_module("timm").create_model(IN_TIMM[network], num_classes=10)


def has_timm() -> bool:
    """Can timm's own networks be trained?"""
    return importlib.util.find_spec("timm") is not None


def _sgd(case: Case, network: nn.Module) -> torch.optim.SGD:
    run = case.run(1.0)
    return torch.optim.SGD(network.parameters(), lr=run.learning_rate, momentum=run.momentum)


def _prepared(case: Case) -> Callable[[int], tuple[Tensor, Tensor]]:
    """Mini-batches of images already resized, normalised and on the device, for a loop that need not wait for any."""
    data, size = case.begin(), (case.image_size, case.image_size)
    images = [F.interpolate(part.float() / 255, size, mode="bilinear") for part in data.x_train.split(case.batch)]
    images = [((part - 0.45) / 0.225).contiguous(memory_format=torch.channels_last) for part in images]
    labels = data.y_train.split(case.batch)
    return lambda number: (images[number % BATCHES], labels[number % BATCHES])


def measure() -> list[Row]:
    """Every network in every precision."""
    if not gpu():
        return [
            Row(f"update of each of the five networks, against {rival}", NO_GPU, at_least=least)
            for rival, least in TARGETS.items()
        ]
    precisions = sorted(PRECISIONS, key=FIRST.index)
    return rows(Case(network, precision) for precision in precisions for network in networks.TITLES)


def rows(cases: Iterable[Case]) -> list[Row]:
    """What is measured of cases, each at the largest mini-batch that all ways have memory for together."""
    with Attempts() as attempts:
        return [row for wanted in cases for row in _against_others(attempts, wanted)]


def _against_others(attempts: Attempts, case: Case) -> list[Row]:
    if not attempts.late:
        case = fitting(case)
    makers = {f"δ = {delta:g}": functools.partial(library, case, delta) for delta in DELTAS}
    makers |= {
        ALONE: functools.partial(forward_and_backward, case),
        TIMM: functools.partial(timm_loop, case),
        TORCHVISION: functools.partial(torchvision_loop, case),
    }
    seconds = attempts.seconds(makers, rounds=ROUNDS, inner=BATCHES // 2)
    title, found = f"update of {networks.TITLES[case.network]}, {case.precision}, n = {case.batch}", []
    for delta in DELTAS:
        for rival, least in TARGETS.items():
            ours = f"δ = {delta:g}"
            row = attempts.compare(f"{title}, {ours}, against {rival}", seconds, ours, rival, at_least=least)
            if row.value is not None:
                row = dataclasses.replace(
                    row, sides=_sides(case, attempts.named(ours), seconds[ours], rival, seconds[rival])
                )
            found.append(row)
    return found


def _sides(case: Case, ours: str, ours_took: np.ndarray, rival: str, rival_took: np.ndarray) -> str:
    sides = ((ours, ours_took), (rival, rival_took))
    text = ", ".join(f"{name} {case.batch / np.median(spent):,.0f} images/s" for name, spent in sides)
    return text if rival != TIMM or has_timm() else f"{text}, its network torchvision's"


def fitting(case: Case) -> Case:
    """The case with its mini-batch halved until the memory is enough for all ways at once."""
    ways = len(DELTAS) + len(TARGETS)
    while case.batch > SMALLEST and ways * SPARE * peak(case) + CONTEXT > free_memory():
        case = dataclasses.replace(case, batch=case.batch // 2)
    return case


def peak(case: Case) -> float:
    """Bytes that a forward and backward pass takes on the GPU; infinity where it has not so many."""
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    try:
        gradients(case)()
        return torch.cuda.max_memory_reserved()
    except torch.OutOfMemoryError:
        return math.inf
    finally:
        torch.cuda.empty_cache()


def free_memory() -> int:
    """Bytes of the GPU that no process has taken."""
    return torch.cuda.mem_get_info()[0]
