"""What a stage is told, and what it leaves."""

import dataclasses
import json
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from hardsample import paths
from hardsample.gpu import plan
from hardsample.training import letters_cnn
from hardsample.training import networks as models


class Again(Exception):
    """What can be done in this process is done: go on in a fresh one."""


class StageLeftOut(Exception):
    """The stage needs what is not here."""


@dataclasses.dataclass(frozen=True)
class Task:
    """What a stage is told: where it works, on which device and data, until when, and whether in earnest or tiny.

    ``deadline`` is of :func:`time.monotonic`; with ``again`` an earlier process of this call left off.
    """

    stage: str
    work: Path
    device: str = "cuda"
    data: str = plan.DATA
    deadline: float = math.inf
    tiny: bool = False
    again: bool = False

    @property
    def seeds(self) -> int:
        """How many seeds a cohort has."""
        return 2 if self.tiny else models.max_cohort_size(letters_cnn.SPEC.name)

    @property
    def precision(self) -> str:
        """What is computed in but for comparison; a CPU may be slow in bf16."""
        return "float32" if self.tiny else "bf16"

    @property
    def left(self) -> float:
        """Seconds until the deadline."""
        return self.deadline - time.monotonic()

    def earlier(self) -> dict[str, Any]:
        """What this stage left before."""
        try:
            return json.loads(self._result.read_bytes())
        except (OSError, ValueError):
            return {}

    def found(self, stage: str) -> dict[str, Any]:
        """What another stage left."""
        return dataclasses.replace(self, stage=stage).earlier()

    def keep(self, result: Mapping[str, Any]) -> None:
        """Leave what was found so far; the last call's is what counts."""
        paths.write_atomically(self._result, (json.dumps(result, indent=1, ensure_ascii=False) + "\n").encode())

    def wait(self) -> None:
        """Until the device has done what it was told to."""
        if self.device != "cpu":
            torch.cuda.synchronize()

    def seconds_of(self, work: Callable[[], object], times: int) -> float:
        """Seconds of one call of ``work``, the mean over ``times``, after a first few."""
        for _ in range(min(3, times)):
            work()
        self.wait()
        began = time.perf_counter()
        for _ in range(times):
            work()
        self.wait()
        return (time.perf_counter() - began) / times

    @property
    def _result(self) -> Path:
        return self.work / "results" / f"{self.stage}.json"


def graph_options(about: Mapping[str, Any]) -> dict[str, bool]:
    """How the training is told to capture no step, once that has failed for what is told ``about``."""
    return {} if about.get("graphs", True) else {"graphs": False}
