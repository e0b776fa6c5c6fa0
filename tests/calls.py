"""What a process is called to do in the tests of processes; quick to import."""

import os
import signal


def fail(kind, *arguments):
    raise kind(*arguments)


class Shy(Exception):
    """It does not travel."""

    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


def die_once(path):
    if not os.path.exists(path):
        open(path, "x").close()
        os.kill(os.getpid(), signal.SIGKILL)
    return "alive"


def about(variable):
    return os.environ.get(variable), signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())
