"""Locks between processes, which one that dies lets go of."""

try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None


def lock(descriptor: int, *, wait: bool) -> bool | None:
    """Hold a file or folder until it is closed, or the process ends in any way.

    False if another process holds it, and it is not waited for; None where nothing can be locked.
    """
    if fcntl is None:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return None
    return True
