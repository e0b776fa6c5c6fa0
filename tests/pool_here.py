"""A pool without processes: what is begun is done here, at once."""


class PoolHere:
    """Used as a :class:`hardsample.processes.Pool` is."""

    def __init__(self, environments):
        self._ended, self.free = [], len(environments)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def begin(self, name, function, *arguments):
        try:
            self._ended.append((name, function(*arguments)))
        except Exception as error:
            self._ended.append((name, error))
        self.free -= 1

    def ended(self, timeout):
        ended, self._ended = self._ended, []
        self.free += len(ended)
        return ended
