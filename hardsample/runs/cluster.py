"""Workers of a Dask cluster, at its scheduler's address; Dask is known here alone."""

import contextlib
import logging
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any

from hardsample.errors import InputError
from hardsample.runs.plan import Job, Plan
from hardsample.runs.worker import JobResult, Task, attempt_as_worker

if TYPE_CHECKING:
    from distributed import Client

CONNECT_TIMEOUT = 5.0  # seconds
LOOKS_EVERY = 1.0  # seconds between looks at the clock


class Cluster:
    """The workers behind a Dask ``client``; :class:`hardsample.runs.worker.ThisProcess` is used alike.

    ``deadline``, in the seconds of :func:`time.time`, is when a launch that has no worker stops waiting for one.

    Every method raises :class:`InputError` when the scheduler is gone, be there another one at its address or not.
    """

    def __init__(self, client: "Client", deadline: float | None = None) -> None:
        self.client, self._deadline = client, deadline

    def count_workers(self) -> int:
        """How many there are now."""
        with _lost_in_words():
            return len(self.client.nthreads())

    def call(self, function: Callable, *arguments: Any) -> Any:
        """What ``function`` returns on one of the workers, once there is one.

        Raises:
            InputError: there is none before the deadline.
        """
        with _lost_in_words():
            future = self.client.submit(function, *arguments, pure=False)
        while not self._wait([future]):
            if self._is_left_alone():
                raise InputError(
                    "the time is over and the Dask scheduler still has no worker: start some with `dask worker ADDRESS"
                    " --nthreads 1`, and run the same again."
                )
        with _lost_in_words():
            error = future.exception()
            if isinstance(error, CancelledError):
                raise error
        if error is not None:
            raise error
        with _lost_in_words():
            return future.result()

    def do(self, plan: Plan, task: Callable[[Job], Task], tick: Callable[[], None]) -> Iterator[tuple[Job, JobResult]]:
        """Do the jobs of the plan, each as its ``task``, and yield every result as it comes.

        One job per worker at a time, so that the order of the plan holds and no result waits in a queue. A worker gets
        its next job before the result of its last one is fetched and stored.
        """
        running, ended, slots = {}, {}, 0
        while True:
            slots = slots if ended else max(1, self.count_workers())
            while len(running) < slots and (job := plan.take()):
                with warnings.catch_warnings(), _lost_in_words():
                    warnings.filterwarnings("ignore", "Sending large graph")  # a start's weights, on purpose
                    running[self.client.submit(attempt_as_worker, task(job), pure=False)] = job
            for future, job in ended.items():
                with _lost_in_words():
                    error = future.exception()
                    if isinstance(error, CancelledError):
                        raise error
                    result = JobResult(failure=f"{type(error).__name__}: {error}") if error else future.result()
                yield job, result
            if ended:
                ended = {}
                continue
            if not running or self._is_left_alone():
                return
            ended = {future: running.pop(future) for future in self._wait(list(running))}
            tick()

    def _wait(self, futures: list) -> set:
        """Those of the futures that ended, after a while."""
        from distributed import wait

        with _lost_in_words(), self.client.as_current():
            try:
                return wait(futures, timeout=LOOKS_EVERY, return_when="FIRST_COMPLETED").done
            except TimeoutError:
                return set()

    def _is_left_alone(self) -> bool:
        """Is the time over, without a worker that could end what it does?"""
        return self._deadline is not None and time.time() > self._deadline and not self.count_workers()


@contextlib.contextmanager
def connect(scheduler: str, deadline: float | None = None) -> Iterator[Cluster]:
    """The workers of the Dask scheduler at that address ("tcp://host:8786", or "tls://host:8786" with Dask's own
    configuration of certificates).

    Raises:
        InputError: none answers there, or its certificates are not configured here.
    """
    from distributed import Client

    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        client = Client(scheduler, timeout=CONNECT_TIMEOUT, set_as_default=False)
    except TypeError as error:
        raise InputError(
            f"the scheduler {scheduler!r} wants certificates: name them in Dask's configuration, as"
            " DASK_DISTRIBUTED__COMM__TLS__CA_FILE and its like do, or give a tcp:// address."
        ) from error
    except (OSError, ValueError) as error:
        raise InputError(
            f"no Dask scheduler answers at {scheduler!r}: start one with `dask scheduler` and give its address,"
            " such as tcp://host:8786, or none to use this machine."
        ) from error
    with client:
        yield Cluster(client, deadline)


@contextlib.contextmanager
def _lost_in_words() -> Iterator[None]:
    """Dask has many words for a scheduler that is gone; this is one sentence."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            "the Dask scheduler is gone; the runs that had ended are stored: start it and run the same again."
        ) from error
