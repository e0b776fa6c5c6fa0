"""ResNet-18 on small images on a CPU: convolutions to a few pixels as products, against torch's own."""

import functools

from benchmarks.attempts import Attempts
from benchmarks.measure import Row, Way
from hardsample.config import Run
from hardsample.data.dataset import load
from hardsample.training import small_maps
from hardsample.training.process import configure_process
from hardsample.training.updates import stepper

N, EXAMPLES = 64, 512
SIZES = (32, 16)
OURS, TORCH = "products", "torch's convolutions"
AT_LEAST = 1.5


def measure() -> list[Row]:
    """Updates of 64 images of each size, float32."""
    rows = []
    for size in SIZES:
        makers = {
            OURS: functools.partial(_update, size, small_maps.FEW),
            TORCH: functools.partial(_update, size, 0),
        }
        attempts = Attempts("cpu")
        seconds = attempts.seconds(makers, rounds=12, inner=2)
        what = f"update of ResNet-18, images of {size}x{size}, n = {N}, float32"
        rows.append(attempts.compare(what, seconds, OURS, TORCH, at_least=AT_LEAST))
    return rows


def _update(size: int, few: int) -> Way:
    small_maps.FEW = few  # of this process alone
    configure_process()
    run = Run("glyphs10-32", "FMB", 1, network="resnet18", optimizer="sgd", batch_size=N, image_size=size)
    update = stepper(run, load("glyphs10-32", train_examples=EXAMPLES, test_examples=16))
    return lambda _: update()
