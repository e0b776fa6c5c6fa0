"""Processes beside this one: each does a call at a time, and none outlives the process that started it."""

import atexit
import contextlib
import dataclasses
import multiprocessing
import os
import pickle
import signal
import threading
import time
import traceback
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from multiprocessing import connection, resource_tracker
from typing import Any, Self

TRIES = 3  # of a call whose process dies
LOOKS_EVERY = 0.5  # seconds until a process finds out that its parent is gone


class DiedError(RuntimeError):
    """The process that did a call died, and so did others that tried again."""


@dataclasses.dataclass
class _Member:
    """One process, what speaks to it, and the call that it does: its name, its content and how often it was tried."""

    environment: Mapping[str, str]
    process: Any
    connection: connection.Connection
    call: tuple[Hashable, bytes, int] | None = None


class Pool:
    """A process for each of the ``environments``, variables that it has beside those of this process.

    Ctrl-C is for this process alone. Calls travel by pipes that nobody else can open. All processes end with the
    context, at once, whatever they are doing; and within a second when this process is killed.
    """

    def __init__(self, environments: Sequence[Mapping[str, str]]) -> None:
        self._members: list[_Member] = []
        atexit.register(self._end)  # where a second Ctrl-C came before the context could end
        for environment in environments:
            self._members.append(_started(environment))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
        atexit.unregister(self._end)

    def _end(self) -> None:
        for member in self._members:
            member.process.kill()
        for member in self._members:
            member.process.join()
            member.connection.close()

    def __len__(self) -> int:
        return len(self._members)

    @property
    def free(self) -> int:
        """How many processes wait for a call."""
        return sum(member.call is None for member in self._members)

    def begin(self, name: Hashable, function: Callable, *arguments: Any) -> None:
        """Have a free process do a call; :meth:`ended` will name it so."""
        content = pickle.dumps((function, arguments))
        place = next(place for place, member in enumerate(self._members) if member.call is None)
        self._give(place, (name, content, 1))

    def ended(self, timeout: float | None) -> list[tuple[Hashable, Any]]:
        """The calls that ended, each with what it returned or the exception that it raised; empty after the timeout,
        in seconds or None, and where one has to be done again.

        A call whose process died is done again by another one; after some such tries its result is a
        :class:`DiedError`.
        """
        busy = {member.connection: place for place, member in enumerate(self._members) if member.call is not None}
        found = []
        for ready in connection.wait(list(busy), timeout):
            place = busy[ready]
            name, content, tries = self._members[place].call
            try:
                found.append((name, pickle.loads(ready.recv_bytes())))
                self._members[place].call = None
            except (EOFError, OSError):
                self._replace(place)
                if tries < TRIES:
                    self._give(place, (name, content, tries + 1))
                else:
                    found.append((name, DiedError("its process died, perhaps for want of memory.")))
        return found

    def _give(self, place: int, call: tuple[Hashable, bytes, int]) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it died, which will be seen
            self._members[place].connection.send_bytes(call[1])
        self._members[place].call = call

    def _replace(self, place: int) -> None:
        gone = self._members[place]
        gone.connection.close()
        gone.process.kill()
        gone.process.join()
        self._members[place] = _started(gone.environment)


def end_with(parent: int) -> None:
    """Have this process end, at once and whatever it is doing, when the process of that id is not its parent any more.

    A thread looks at it now and then: no signal tells it on all systems, nor of a parent that was gone before.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(LOOKS_EVERY)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _started(environment: Mapping[str, str]) -> _Member:
    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe()
    process = spawn.Process(target=_serve, args=(there, os.getpid()), daemon=False)
    resource_tracker.ensure_running()  # when it begins with the first process instead, Python 3.11 lets Ctrl-C in again
    with _deaf(), _variables(environment):
        process.start()
    there.close()
    return _Member(environment, process, here)


def _serve(calls: connection.Connection, parent: int) -> None:
    """In a process of its own: do the calls that come, one after the other."""
    end_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            content = calls.recv_bytes()
            try:
                function, arguments = pickle.loads(content)
                result = function(*arguments)
            except Exception as error:
                error.add_note("".join(traceback.format_exception(error)))
                result = error
            calls.send_bytes(_packed(result))


def _packed(result: Any) -> bytes:
    """The result, ready to travel; an exception that does not travel is told."""
    try:
        content = pickle.dumps(result)
        if isinstance(result, Exception):
            pickle.loads(content)
    except Exception:
        shown = "".join(traceback.format_exception(result)) if isinstance(result, Exception) else traceback.format_exc()
        return pickle.dumps(RuntimeError(shown))
    return content


@contextlib.contextmanager
def _deaf() -> Iterator[None]:
    """What is started meanwhile does not hear Ctrl-C, not even as it begins; this process hears it afterwards."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _variables(environment: Mapping[str, str]) -> Iterator[None]:
    """What is started meanwhile has these variables from its very beginning, as libraries want that are imported."""
    before = {name: os.environ.get(name) for name in environment}
    os.environ.update(environment)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)
