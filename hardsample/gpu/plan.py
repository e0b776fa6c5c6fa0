"""What the stages are, what they may take, and what is expected of a device; nothing here imports torch."""

import dataclasses
from collections.abc import Mapping

DATA = "sd19-letters"
TINY = "pseudo-random"  # the data of a rehearsal, which need nothing that a bare machine lacks
DEVICES = ("cuda", "cpu")
AGAIN = 75  # how a stage's process ends that wants a fresh one to go on in

STATUS, RESULTS, LOGS = "status.json", "results.json", "log.txt"


@dataclasses.dataclass(frozen=True)
class Stage:
    """What is done, the seconds that it may take, and those after which silence counts as hanging."""

    name: str
    does: str
    seconds: float
    silence: float


STAGES = (
    Stage("environment", "versions, memory bandwidth, rate of matrix products", 90, 60),
    Stage(
        "correctness", "the step against a reference from a CPU, and the way that is taken against the plain", 180, 90
    ),
    Stage("runs", "what is missing of paper A's runs, figure by figure", 1500, 180),
    Stage("benchmarks", "the benchmarks of a GPU", 780, 300),
    Stage("tests", "the tests that need a GPU and are most worth it", 240, 240),
    Stage("float32", "Figure 1 of paper A in float32", 900, 180),
    Stage("networks", "ResNet-18 with hard mini-batches, against forward and backward alone", 180, 90),
)
"""In order of worth."""


@dataclasses.dataclass(frozen=True)
class Rates:
    """Seconds for 12 seeds of the letters network on 124,800 training and 20,800 test images."""

    step: Mapping[int, float]  # by mini-batch size
    evaluation: float
    cohort: float  # to build 12 networks
    compilation: float
    process: float  # to start, with the data


EXPECTED = {
    # Measured with a prototype of the fused step on one NVIDIA H200, torch 2.11, Triton 3.6. ``cohort`` is what was
    # left of the 17 s that SMB took, once its steps and evaluations are taken off.
    "bf16": Rates({4: 0.26e-3, 32: 0.40e-3, 1024: 5.4e-3}, 0.15, 2.0, 10.0, 10.0),
    # The plain step there as a CUDA graph, its convolutions in TF32: IEEE's arithmetic was not measured.
    "float32": Rates({4: 1.40e-3, 32: 3.10e-3, 1024: 55.0e-3}, 2.2, 2.0, 0.0, 10.0),
}
"""By precision: what is expected until the device itself was timed."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """What must be equal in every call that fills one folder."""

    device: str = "cuda"
    tiny: bool = False
    data: str = DATA


WHOLE = Settings()  # on a GPU, in earnest
