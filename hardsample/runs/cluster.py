"""Workers of a Dask cluster, at an address or started on this machine; Dask is known here alone."""

import contextlib
import logging
import os
import signal
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from multiprocessing import resource_tracker
from typing import TYPE_CHECKING, Any

import torch

from hardsample.errors import InputError
from hardsample.runs.plan import Job, Plan
from hardsample.runs.worker import JobResult, Task, attempt_as_worker

if TYPE_CHECKING:
    from distributed import Client

CONNECT_TIMEOUT = 5.0  # seconds

# Workers may start processes of their own (compilers); a worker that trains is not one that hangs; and what Dask
# samples of itself, every 10 to 500 ms by default, would take 3 % of two cores.
_DASK = {
    "distributed.worker.daemon": False,
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.system-monitor.interval": "10s",
    "distributed.scheduler.allowed-failures": 2,
    "distributed.scheduler.worker-ttl": None,
    "logging.distributed": "critical",
}


class Cluster:
    """The workers behind a Dask ``client``; :class:`hardsample.runs.worker.ThisProcess` is used alike."""

    def __init__(self, client: "Client") -> None:
        self.client = client

    def count_workers(self) -> int:
        """How many there are now."""
        return len(self.client.nthreads())

    def call(self, function: Callable, *arguments: Any) -> Any:
        """What ``function`` returns on one of the workers, once there is one."""
        return self.client.submit(function, *arguments, pure=False).result()

    def do(self, plan: Plan, task: Callable[[Job], Task], tick: Callable[[], None]) -> Iterator[tuple[Job, JobResult]]:
        """Do the jobs of the plan, each as its ``task``, and yield every result as it comes.

        One job per worker at a time, so that the order of the plan holds and no result waits in a queue. A worker gets
        its next job before the result of its last one is fetched and stored.

        Raises:
            InputError: the scheduler is gone.
        """
        from distributed import wait

        running, ended, slots = {}, {}, 0
        while True:
            slots = slots if ended else max(1, self.count_workers())
            while len(running) < slots and (job := plan.take()):
                with warnings.catch_warnings():
                    warnings.filterwarnings("ignore", "Sending large graph")  # a start's weights, on purpose
                    running[self.client.submit(attempt_as_worker, task(job), pure=False)] = job
            if ended:
                for future, job in ended.items():
                    error = future.exception()
                    yield job, JobResult(failure=f"{type(error).__name__}: {error}") if error else future.result()
                ended = {}
                continue
            if not running:
                return
            try:
                with self.client.as_current():
                    done = wait(list(running), timeout=1, return_when="FIRST_COMPLETED").done
            except TimeoutError:
                done = ()
            except CancelledError as error:
                raise InputError(
                    "the Dask scheduler is gone; the runs that had ended are stored: start it and run the same again."
                ) from error
            ended = {future: running.pop(future) for future in done}
            tick()


@contextlib.contextmanager
def connect(scheduler: str) -> Iterator[Cluster]:
    """The workers of the Dask scheduler at that address ("tcp://host:8786").

    Raises:
        InputError: none answers there.
    """
    from distributed import Client

    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        client = Client(scheduler, timeout=CONNECT_TIMEOUT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise InputError(
            f"no Dask scheduler answers at {scheduler!r}: start one with `dask scheduler` and give its address,"
            " such as tcp://host:8786, or none to use this machine."
        ) from error
    with client:
        yield Cluster(client)


@contextlib.contextmanager
def start_local(workers: int, device: str) -> Iterator[Cluster]:
    """One single-threaded process per worker, each on a GPU where there are any; none outlives this process.

    Ctrl-C is for this process alone: what starts the workers is deaf to it, and so are they. It waits for workers that
    are still starting, which cannot end quietly before.
    """
    import dask
    from distributed import Client, Nanny, Scheduler, SpecCluster

    visible = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    gpus = visible or [str(index) for index in range(torch.cuda.device_count())]
    local = {"host": "127.0.0.1", "dashboard": False, "dashboard_address": "127.0.0.1:0"}
    options = {
        "nthreads": 1,
        "memory_limit": 0,
        "preload": [attempt_as_worker.__module__],
        "silence_logs": logging.CRITICAL,
    }

    def worker(index: int) -> dict[str, Any]:
        gpu = {} if device == "cpu" else {"CUDA_VISIBLE_DEVICES": gpus[index % len(gpus)]}
        return {"cls": Nanny, "options": local | options | {"env": {"OMP_NUM_THREADS": "1", **gpu}}}

    server = {"cls": Scheduler, "options": local | {"port": 0}}
    resource_tracker.ensure_running()  # when it begins with the first worker instead, Python 3.11 lets Ctrl-C in again
    deaf = {"initializer": signal.pthread_sigmask, "initargs": (signal.SIG_BLOCK, {signal.SIGINT})}
    with dask.config.set(_DASK), ThreadPoolExecutor(1, **deaf) as thread:
        members = {index: worker(index) for index in range(workers)}
        starting = thread.submit(SpecCluster, members, server, silence_logs=logging.CRITICAL)
        try:
            cluster = starting.result()
        except KeyboardInterrupt:
            starting.result().close()
            raise
        with cluster, Client(cluster, set_as_default=False) as client:
            yield Cluster(client)
