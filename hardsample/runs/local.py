"""Workers of this machine: processes beside this one, each on a GPU where there are any."""

import os
from collections.abc import Callable, Iterator

import torch

from hardsample.processes import Pool
from hardsample.runs.plan import Job, Plan
from hardsample.runs.worker import JobResult, Task, attempt_as_worker

TICK = 1.0  # seconds between looks at the clock


class LocalWorkers(Pool):
    """So many single-threaded processes; used as a :class:`hardsample.runs.worker.ThisProcess` is.

    No other user of the machine can reach them: what they do and give travels by pipes, not by an address.
    """

    def __init__(self, workers: int, device: str) -> None:
        visible = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
        gpus = visible or [str(index) for index in range(torch.cuda.device_count())]
        places = [{} if device == "cpu" else {"CUDA_VISIBLE_DEVICES": gpus[i % len(gpus)]} for i in range(workers)]
        super().__init__([{"OMP_NUM_THREADS": "1", **place} for place in places])

    def do(self, plan: Plan, task: Callable[[Job], Task], tick: Callable[[], None]) -> Iterator[tuple[Job, JobResult]]:
        """Do the jobs of the plan, each as its ``task``, and yield every result as it comes.

        A worker gets its next job before the result of its last one is stored; a job whose worker dies is done again.
        """
        ended: list = []
        while True:
            while self.free and (job := plan.take()):
                self.begin(job, attempt_as_worker, task(job))
            for job, result in ended:
                failed = isinstance(result, Exception)
                yield job, JobResult(failure=f"{type(result).__name__}: {result}") if failed else result
            if not ended and self.free == len(self):
                return
            ended = [] if ended else self.ended(TICK)
            tick()
